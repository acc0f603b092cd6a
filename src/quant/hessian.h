// What a linear layer's inputs say about errors of its weights: H = Σ x xᵀ, and its factors for error feedback.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tq {

/// H + damping · mean(diag H) · I = L D Lᵀ, L unit lower triangular, D diagonal (LDLQ: arXiv 2307.13304, §4). For an
/// error e of a row of weights
///     eᵀ H e = Σ_i D_i (e_i + Σ_{j>i} L_ji e_j)²,
/// so that a coder that goes from the last column to the first may choose code i by what errors behind it have left.
/// Immutable; safe to share between threads.
class HessianFactor {
 public:
  /// `h` is n x n and symmetric, only its lower triangle is read. Where it is not positive definite after damping (no
  /// input was seen, say), the pivot becomes the damping alone and the column has no feedback.
  HessianFactor(std::vector<float> h, std::size_t n, double damping);

  std::size_t dim() const { return n_; }
  /// L_j0 … L_jj−1, followed by n − j values without meaning.
  const float* row(std::size_t j) const { return lower_.data() + j * n_; }
  /// D_i / mean D.
  std::span<const float> weights() const { return weights_; }
  /// Mean of D over mean of the diagonal of H: the share of the error that feedback leaves, 1 for white inputs.
  double gain() const { return gain_; }

  /// u_i = x_i + Σ_{j>i} L_ji x_j, so that xᵀ H y ~ Σ D_i u_i(x) u_i(y).
  void whiten(const float* x, float* u) const;

 private:
  std::size_t n_;
  std::vector<float> lower_, weights_;
  double gain_ = 1;
};

/// Second moments in tiles of kMomentTile x kMomentTile. `columns` are `width` rows of n values: what each input was
/// for n tokens.
constexpr std::size_t kMomentTile = 64;  ///< two tiles of 512 tokens stay in the cache
/// moments[i][j] += ⟨columns i, columns j⟩ for the tile that begins at (first_i, first_j), of width x width.
void add_moments(const float* columns, std::size_t width, std::size_t n, std::size_t first_i, std::size_t first_j,
                 float* moments);

}  // namespace tq
