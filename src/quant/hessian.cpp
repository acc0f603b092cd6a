#include "quant/hessian.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "simd/kernels.h"

namespace tq {
namespace {

/// Σ a[k] · b[k], in eight sums so that none waits for the last.
double dot(const double* a, const float* b, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::size_t k = 0;
  for (; k + kLanes <= n; k += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[k + lane] * static_cast<double>(b[k + lane]);
  }
  for (; k < n; ++k) sums[0] += a[k] * static_cast<double>(b[k]);
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

}  // namespace

/// Row by row: L_ji = (H_ji − Σ_{k<i} L_jk D_k L_ik) / D_i. Inner products are in double, so that damping and not
/// rounding decides about small pivots.
HessianFactor::HessianFactor(std::vector<float> h, std::size_t n, double damping)
    : n_(n), lower_(std::move(h)), weights_(n) {
  double trace = 0;
  for (std::size_t i = 0; i < n; ++i) trace += static_cast<double>(lower_[i * n + i]);
  const double mean = trace > 0 && std::isfinite(trace) ? trace / static_cast<double>(n) : 1;
  std::vector<double> pivots(n), scaled(n);
  for (std::size_t j = 0; j < n; ++j) {
    float* row = lower_.data() + j * n;
    double pivot = static_cast<double>(row[j]) / mean + damping;
    for (std::size_t i = 0; i < j; ++i) {  // scaled[k] = L_jk D_k
      const double sum = static_cast<double>(row[i]) / mean - dot(scaled.data(), lower_.data() + i * n, i);
      scaled[i] = sum;
      row[i] = static_cast<float>(sum / pivots[i]);
      pivot -= sum * static_cast<double>(row[i]);
    }
    pivots[j] = pivot;
    if (pivot > damping / 2 && std::isfinite(pivot)) continue;
    pivots[j] = damping;
    std::fill_n(row, j, 0.0F);
  }
  double sum = 0;
  for (const double pivot : pivots) sum += pivot;
  gain_ = sum / static_cast<double>(n) / (1 + damping);
  for (std::size_t i = 0; i < n; ++i) weights_[i] = static_cast<float>(pivots[i] * static_cast<double>(n) / sum);
}

void HessianFactor::whiten(const float* x, float* u) const {
  std::copy_n(x, n_, u);
  for (std::size_t j = 1; j < n_; ++j) kernels().weighted_sum(x + j, row(j), n_, 1, j, u);
}

void add_moments(const float* columns, std::size_t width, std::size_t n, std::size_t first_i, std::size_t first_j,
                 float* moments) {
  std::array<float, kMomentTile * kMomentTile> tile;
  const std::size_t rows = std::min(kMomentTile, width - first_j), vectors = std::min(kMomentTile, width - first_i);
  kernels().dot_tile(columns + first_j * n, n, rows, columns + first_i * n, n, vectors, n, tile.data(), kMomentTile);
  for (std::size_t i = 0; i < vectors; ++i) {
    for (std::size_t j = 0; j < rows; ++j) moments[(first_i + i) * width + first_j + j] += tile[i * kMomentTile + j];
  }
}

}  // namespace tq
