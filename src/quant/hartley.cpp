#include "quant/hartley.h"

#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

#include "simd/kernels.h"

namespace tq {
namespace {

/// A multiple of 2⁻²⁶, so that the platform's cos() cannot change a stored byte.
float on_grid(double value) { return static_cast<float>(std::round(value * 0x1p26) * 0x1p-26); }

double angle(std::size_t step, std::size_t length) {
  return 2 * std::numbers::pi * static_cast<double>(step % length) / static_cast<double>(length);
}

std::vector<float> entries_of(std::size_t n) {
  const double unit = 1 / std::sqrt(static_cast<double>(n));
  std::vector<float> entries{on_grid(unit)};
  for (std::size_t j = 1; j <= n / 2; ++j) {
    for (std::size_t k = 1; k <= n / 2; ++k) entries.push_back(on_grid(unit * std::cos(angle(j * k, n))));
  }
  for (std::size_t j = 1; j <= n / 2; ++j) {
    for (std::size_t k = 1; k <= n / 2; ++k) entries.push_back(on_grid(unit * std::sin(angle(j * k, n))));
  }
  return entries;
}

/// With n = count · r + s and k = j + before · t: cas(2 π n k / N) = cos φ cas(2 π r j / before) + sin φ cas(−2 π r j /
/// before) for φ = 2 π s j / N + 2 π s t / count. The first part of φ turns transforms j and before − j of length
/// `before` into each other; the second is a transform of length `count` of both.
std::vector<float> turns_of(std::size_t before, std::size_t count) {
  std::vector<float> turns;
  for (std::size_t j = 1; j <= before / 2; ++j) {
    for (std::size_t s = 1; s < count; ++s) {
      turns.push_back(on_grid(std::cos(angle(s * j, before * count))));
      turns.push_back(on_grid(std::sin(angle(s * j, before * count))));
    }
  }
  return turns;
}

/// A factor of n that mix_pairs() can join by, or n where it has none.
std::size_t factor_of(std::size_t n) {
  for (const std::size_t factor : {std::size_t{9}, std::size_t{7}, std::size_t{5}, std::size_t{3}}) {
    if (n % factor == 0) return factor;
  }
  return n;
}

}  // namespace

Hartley::Hartley(std::size_t count) {
  assert(count % 2 == 1 && count > 1);
  // A factor that is no product of those goes first: it needs no turns.
  std::vector<std::size_t> factors;
  for (; count > 1; count /= factors.back()) factors.push_back(factor_of(count));
  std::size_t before = 1;
  for (std::size_t i = factors.size(); i-- > 0; before *= factors[i]) {
    stages_.push_back({.before = before,
                       .count = factors[i],
                       .entries = entries_of(factors[i]),
                       .turns = turns_of(before, factors[i])});
  }
}

bool Hartley::Stage::in_place() const { return before == 1 && count <= HartleyRuns::kMostInPlace; }

bool Hartley::ends_in_other() const {
  bool other = false;
  for (const Stage& stage : stages_) other ^= !stage.in_place();
  return other;
}

float* Hartley::apply(float* x, std::size_t n, float* other) const {
  std::size_t length = n;
  for (const Stage& stage : stages_) length *= stage.count;
  for (const Stage& stage : stages_) {
    const std::size_t before = stage.before, half = stage.count / 2;
    length /= stage.count;
    float* y = stage.in_place() ? x : other;
    const float* cosines = stage.entries.data() + 1;
    HartleyRuns runs{.cosines = cosines,
                     .sines = cosines + half * half,
                     .unit = stage.entries[0],
                     .count = stage.count,
                     .n = length,
                     .x = x,
                     .y = y,
                     .stride = before * length};
    kernels().mix_runs(runs);
    for (std::size_t j = 1; j <= before / 2; ++j) {
      runs.x = x + j * stage.count * length;
      runs.y = y + j * length;
      kernels().mix_pairs({.runs = runs,
                           .turns = stage.turns.data() + (j - 1) * 2 * (stage.count - 1),
                           .mirrored = x + (before - j) * stage.count * length,
                           .out = y + (before - j) * length});
    }
    if (y == other) std::swap(x, other);
  }
  return x;
}

}  // namespace tq
