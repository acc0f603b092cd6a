#include "turboquant/rotation.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/random.h"
#include "quant/gaussian.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// What the orthonormal Hartley matrix of length n = 2 h + 1 consists of: 1/√n, then h x h cosines, then as many sines, of 2 π j k / n for j
/// and k from 1 on, over √n. Rounded to multiples of 2⁻²⁶, so that the platform's cos() cannot change a stored byte.
std::vector<float> hartley_entries(std::size_t n) {
  const auto entry = [n](double value) {
    return static_cast<float>(std::round(value / std::sqrt(static_cast<double>(n)) * 0x1p26) * 0x1p-26);
  };
  const auto angle = [n](std::size_t j, std::size_t k) {
    return 2 * std::numbers::pi * static_cast<double>(j * k % n) / static_cast<double>(n);
  };
  std::vector<float> entries{entry(1)};
  for (std::size_t j = 1; j <= n / 2; ++j) {
    for (std::size_t k = 1; k <= n / 2; ++k) entries.push_back(entry(std::cos(angle(j, k))));
  }
  for (std::size_t j = 1; j <= n / 2; ++j) {
    for (std::size_t k = 1; k <= n / 2; ++k) entries.push_back(entry(std::sin(angle(j, k))));
  }
  return entries;
}

/// Gram-Schmidt on the rows of a Gaussian matrix, which makes the diagonal of R positive, so that Q is uniform. Each row goes through
/// twice: after one pass rows are orthogonal only as well as they were independent.
std::vector<float> haar_matrix(std::size_t n, std::uint64_t seed) {
  const std::vector<float> gaussian = gaussian_values(n * n, seed);
  std::vector<double> rows(gaussian.begin(), gaussian.end());
  const auto dot = [n](const double* a, const double* b) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
  };
  for (std::size_t r = 0; r < n; ++r) {
    double* row = rows.data() + r * n;
    for (std::size_t before = 0; before < 2 * r; ++before) {
      const double* other = rows.data() + before % r * n;
      const double along = dot(row, other);
      for (std::size_t i = 0; i < n; ++i) row[i] -= along * other[i];
    }
    const double length = std::sqrt(dot(row, row));
    for (std::size_t i = 0; i < n; ++i) row[i] /= length;
  }
  return {rows.begin(), rows.end()};
}

std::size_t run_length(RotationKind kind, std::size_t dim, std::size_t max_block) {
  const std::size_t longest = std::size_t{1} << std::countr_zero(dim);
  return kind == RotationKind::kPlainHadamard && max_block != 0 ? std::min(longest, std::bit_floor(max_block)) : longest;
}

}  // namespace

Rotation::Rotation(RotationKind kind, std::size_t dim, unsigned rounds, std::uint64_t seed, std::size_t max_block)
    : kind_(kind), dim_(dim), run_(run_length(kind, dim, max_block)), runs_(dim / run_),
      rounds_(kind == RotationKind::kRandomHadamard ? rounds : 0), scale_(1.0F / std::sqrt(static_cast<float>(run_))) {
  assert(dim > 0 && (kind != RotationKind::kDenseHaar || dim <= kLongestDense));
  if (kind == RotationKind::kDenseHaar) dense_ = haar_matrix(dim, seed);
  if (kind != RotationKind::kRandomHadamard) return;
  if (runs_ > 1) hartley_ = hartley_entries(runs_);
  signs_.reserve(rounds_ * dim_);
  std::uint64_t state = seed;
  for (unsigned round = 0; round < rounds_; ++round) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < dim_; ++i) {
      if (i % 64 == 0) word = next_random(state);
      signs_.push_back((word >> (i % 64) & 1U) == 0 ? 1.0F : -1.0F);
    }
  }
}

/// H ⊗ F, behind `signs` where these are not null: symmetric and orthogonal, so its own inverse.
void Rotation::mix(float* x, const float* signs, float* scratch) const {
  const Kernels& simd = kernels();
  if (hartley_.empty()) return simd.hadamard_runs(x, run_, runs_, signs, scale_, x);
  simd.hadamard_runs(x, run_, runs_, signs, scale_, scratch);
  mix_runs(scratch, run_, x);
}

/// F of the runs, `length` floats each.
void Rotation::mix_runs(const float* x, std::size_t length, float* y) const {
  const std::size_t half = runs_ / 2;
  const float* cosines = hartley_.data() + 1;
  kernels().mix_runs({.cosines = cosines, .sines = cosines + half * half, .unit = hartley_[0], .count = runs_, .n = length, .x = x, .y = y});
}

std::unique_ptr<float[]> Rotation::scratch() const { return hartley_.empty() ? nullptr : std::make_unique_for_overwrite<float[]>(dim_); }

void Rotation::apply(float* x) const {
  if (kind_ == RotationKind::kPlainHadamard) return kernels().hadamard_runs(x, run_, runs_, nullptr, scale_, x);
  if (kind_ == RotationKind::kDenseHaar) {
    const std::vector<float> before(x, x + dim_);
    for (std::size_t i = 0; i < dim_; ++i) x[i] = kernels().ordered_dot(dense_.data() + i * dim_, before.data(), dim_);
    return;
  }
  const std::unique_ptr<float[]> other = scratch();
  for (unsigned round = 0; round < rounds_; ++round) mix(x, signs_.data() + round * dim_, other.get());
}

float* Rotation::apply_to_16(const float* rows, float* lanes) const {
  assert(kind_ != RotationKind::kDenseHaar);
  constexpr std::size_t kLanes = 16;
  const Kernels& simd = kernels();
  float *x = lanes, *other = lanes + kLanes * dim_;
  simd.to_lanes(rows, dim_, kLanes, dim_, x);
  if (kind_ == RotationKind::kPlainHadamard) simd.hadamard_lanes(x, run_, runs_, nullptr, scale_);
  for (unsigned round = 0; round < rounds_; ++round) {
    simd.hadamard_lanes(x, run_, runs_, signs_.data() + round * dim_, scale_);
    if (hartley_.empty()) continue;
    mix_runs(x, run_ * kLanes, other);
    std::swap(x, other);
  }
  return x;
}

void Rotation::apply_inverse(float* x) const {
  if (kind_ == RotationKind::kPlainHadamard) return apply(x);
  if (kind_ == RotationKind::kDenseHaar) {
    const std::vector<float> before(x, x + dim_);
    std::fill_n(x, dim_, 0.0F);
    for (std::size_t i = 0; i < dim_; ++i) {
      for (std::size_t j = 0; j < dim_; ++j) x[j] += before[i] * dense_[i * dim_ + j];
    }
    return;
  }
  const std::unique_ptr<float[]> other = scratch();
  for (unsigned round = rounds_; round-- > 0;) {
    // The signs of the round before this one, which its mix() finds on its way.
    mix(x, round + 1 == rounds_ ? nullptr : signs_.data() + (round + 1) * dim_, other.get());
  }
  if (rounds_ > 0) kernels().multiply(x, signs_.data(), dim_);
}

}  // namespace tq
