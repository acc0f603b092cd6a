// Seeded orthogonal maps that spread the energy of a row evenly over its coordinates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tq {

class Hartley;

enum class RotationKind : std::uint8_t {
  kNone,
  kRandomHadamard,  ///< per round: random signs, then Hadamard ⊗ Hartley (below)
  kPlainHadamard,   ///< one Hadamard transform without signs, as llama.cpp rotates its cache
  kDenseHaar  ///< a uniformly random matrix: what the theory assumes, and too slow for more than checking the others
};

/// x → R x with RᵀR = I, for rows of any length n ≥ 1, without padding.
///
/// n = p·m with p the largest power of two. A round flips signs by a seeded stream, applies the Walsh-Hadamard
/// transform to each of the m runs of p coordinates, and mixes the m runs with the orthonormal discrete Hartley
/// transform of length m (entries cas(2πjk/m)/√m). For a power of two it is the randomized Hadamard transform of the
/// literature. Three rounds make every input, one-hot rows included, meet the distortion of a random rotation; one
/// round does not (docs/algorithm.md). kPlainHadamard transforms each run of p coordinates (at most `max_block` long)
/// and mixes nothing.
///
/// kDenseHaar is Q of the QR decomposition of a Gaussian matrix, with a positive diagonal in R. It costs dim³
/// operations to make (some seconds at dim 1024) and dim² to apply; `rounds` does not matter.
///
/// The same (kind, dim, rounds, seed) gives the same bits on every CPU: additions and multiplications in a fixed order,
/// no fused multiply-add. Cost: rounds · n · (log₂ p + f) multiplications and additions, f the sum of the factors of m
/// up to 9 and half of what is left of m without them. Immutable after construction; safe to share between threads.
class Rotation {
 public:
  static constexpr std::size_t kLongestDense = 2048;  ///< of kDenseHaar

  Rotation(RotationKind kind, std::size_t dim, unsigned rounds, std::uint64_t seed, std::size_t max_block = 0);

  std::size_t dim() const { return dim_; }

  /// x ← R x. `x` has dim() values.
  void apply(float* x) const { apply(x, x); }
  /// y ← R x; y is x or does not overlap it.
  void apply(const float* x, float* y) const;
  /// 16 rows of `length` values, one after the other and each filled up with zeros → R times each of them, bit for bit
  /// what apply() gives: value i of row r at [16 i + r] of the returned pointer, which lies in `lanes`, 2 x 16 x dim()
  /// floats. Much faster than one by one. Not for kDenseHaar. `next`: 16 rows that memory is asked for in the meantime,
  /// or null.
  float* apply_to_16(const float* rows, std::size_t length, float* lanes, const float* next) const;
  /// x ← Rᵀ x.
  void apply_inverse(float* x) const;

 private:
  void mix(const float* x, const float* signs, float* scratch, float* y) const;

  RotationKind kind_;
  std::size_t dim_, run_, runs_;
  unsigned rounds_;
  float scale_;
  std::vector<float> signs_;                // rounds x dim, ±1
  std::vector<float> dense_;                // dim x dim of kDenseHaar
  std::shared_ptr<const Hartley> hartley_;  // null when runs_ == 1
};

}  // namespace tq
