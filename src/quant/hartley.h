// The orthonormal discrete Hartley transform of odd length, across runs of values.
#pragma once

#include <cstddef>
#include <vector>

namespace tq {

/// y_j = Σ_k cas(2 π j k / count) x_k / √count, cas = cos + sin, of `count` runs that x_k stands for. Symmetric and
/// orthogonal, so its own inverse. A length with factors up to 9 goes by these (Bracewell 1983), which cost about their
/// sum for each value; what is left of it costs half of that. Additions and multiplications in a fixed order: the same
/// bits on every CPU. Immutable; safe to share between threads.
class Hartley {
 public:
  explicit Hartley(std::size_t count);  ///< odd, at least 3

  /// `count` runs of n floats at x become their transform, at x or at `other`, whichever is returned; as many floats
  /// each.
  float* apply(float* x, std::size_t n, float* other) const;
  bool ends_in_other() const;  ///< where apply() leaves the transform

 private:
  /// Joins transforms of length `before` to such of length before · count.
  struct Stage {
    std::size_t before, count;
    std::vector<float> entries;  ///< 1/√count, then cosines and sines of Kernels::mix_runs
    std::vector<float> turns;    ///< for each pair of transforms, those of Kernels::mix_pairs

    bool in_place() const;
  };

  std::vector<Stage> stages_;
};

}  // namespace tq
