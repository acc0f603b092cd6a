#include "turboquant/rotation.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "base/random.h"
#include "quant/gaussian.h"
#include "quant/hartley.h"
#include "simd/kernels.h"

namespace tq {
namespace {

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
  if (runs_ > 1) hartley_ = std::make_shared<const Hartley>(runs_);
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

/// y ← (H ⊗ F) x, behind `signs` where these are not null: symmetric and orthogonal, so its own inverse.
void Rotation::mix(const float* x, const float* signs, float* scratch, float* y) const {
  const Kernels& simd = kernels();
  if (!hartley_) return simd.hadamard_runs(x, run_, runs_, signs, scale_, y);
  const bool moves = hartley_->ends_in_other();  // then from the scratch to y
  float* from = moves ? scratch : y;
  simd.hadamard_runs(x, run_, runs_, signs, scale_, from);
  hartley_->apply(from, run_, moves ? y : scratch);
}

namespace {

/// Room beside a row, of the stack where it is short: the allocator takes a twentieth of a short row's time.
class OtherRow {
 public:
  explicit OtherRow(std::size_t n) : long_(n > std::size(short_) ? std::make_unique_for_overwrite<float[]>(n) : nullptr) {}
  float* data() { return long_ ? long_.get() : short_; }

 private:
  std::unique_ptr<float[]> long_;
  alignas(64) float short_[2048];
};

}  // namespace

void Rotation::apply(const float* x, float* y) const {
  if (kind_ == RotationKind::kPlainHadamard) return kernels().hadamard_runs(x, run_, runs_, nullptr, scale_, y);
  if (kind_ == RotationKind::kDenseHaar) {
    const std::vector<float> before(x, x + dim_);
    for (std::size_t i = 0; i < dim_; ++i) y[i] = kernels().ordered_dot(dense_.data() + i * dim_, before.data(), dim_);
    return;
  }
  if (rounds_ == 0 && x != y) std::copy_n(x, dim_, y);
  OtherRow other(hartley_ ? dim_ : 0);
  for (unsigned round = 0; round < rounds_; ++round) mix(round == 0 ? x : y, signs_.data() + round * dim_, other.data(), y);
}

float* Rotation::apply_to_16(const float* rows, std::size_t length, float* lanes, const float* next) const {
  assert(kind_ != RotationKind::kDenseHaar && length <= dim_);
  constexpr std::size_t kLanes = 16;
  const Kernels& simd = kernels();
  float *x = lanes, *other = lanes + kLanes * dim_;
  // All at once are more lines than a CPU waits for in the background, and 16 rows side by side more streams than it foresees.
  std::size_t left = next == nullptr ? 0 : kLanes * length;
  const std::size_t part = left / (2 * std::max(rounds_, 1U)) + 1;
  const auto ask = [&] {
    const std::size_t n = std::min(part, left);
    for (std::size_t i = 0; i < n; i += 16) __builtin_prefetch(next + i, 0, 2);
    next += n;
    left -= n;
  };
  simd.to_lanes(rows, length, kLanes, length, x);
  std::fill(x + kLanes * length, x + kLanes * dim_, 0.0F);
  if (kind_ == RotationKind::kPlainHadamard) simd.hadamard_lanes(x, run_, runs_, nullptr, scale_);
  for (unsigned round = 0; round < rounds_; ++round) {
    ask();
    simd.hadamard_lanes(x, run_, runs_, signs_.data() + round * dim_, scale_);
    ask();
    if (hartley_ && hartley_->apply(x, run_ * kLanes, other) != x) std::swap(x, other);
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
  OtherRow other(hartley_ ? dim_ : 0);
  for (unsigned round = rounds_; round-- > 0;) {
    // The signs of the round before this one, which its mix() finds on its way.
    mix(x, round + 1 == rounds_ ? nullptr : signs_.data() + (round + 1) * dim_, other.data(), x);
  }
  if (rounds_ > 0) kernels().multiply(x, signs_.data(), dim_);
}

}  // namespace tq
