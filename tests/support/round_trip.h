// Rows through a codec and back.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "turboquant/codec.h"

namespace tq::test {

inline std::vector<std::byte> encode(const Codec& codec, const std::vector<float>& rows) {
  const std::size_t n = rows.size() / codec.dim();
  std::vector<std::byte> coded(codec.storage_bytes(n));
  Workspace scratch;
  for (std::size_t r = 0; r < n; ++r) codec.encode(rows.data() + r * codec.dim(), coded.data(), r, scratch);
  return coded;
}

inline std::vector<float> round_trip(const Codec& codec, const std::vector<float>& rows) {
  const std::vector<std::byte> coded = encode(codec, rows);
  std::vector<float> decoded(rows.size());
  codec.decode(coded.data(), 0, rows.size() / codec.dim(), decoded.data());
  return decoded;
}

/// ‖x − x̂‖² / ‖x‖², over all rows together.
inline double relative_error(const std::vector<float>& rows, const std::vector<float>& decoded) {
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    error += std::pow(static_cast<double>(rows[i]) - static_cast<double>(decoded[i]), 2);
    energy += std::pow(static_cast<double>(rows[i]), 2);
  }
  return error / energy;
}

inline double relative_error(const Codec& codec, const std::vector<float>& rows) {
  return relative_error(rows, round_trip(codec, rows));
}

/// Six standard errors of a coordinate of Σ weights[r] · x̂_r, where the weights are rounded as Layout::kTransposed does: by up to half a
/// 127th of the largest weight times scale among 32 rows, each way as likely. Rows of n_rows x dim, from the first of a group on. A scale is
/// near the root mean square of its row; a short row may be 3 times as large. Beyond 4 bits a 32384th; there centroids, none of them beyond 5
/// root mean squares, are rounded likewise, and products of two low bytes, at most 127 units each, are left out.
inline double error_of_rounded_weights(const float* weights, const float* decoded, std::size_t n_rows, std::size_t dim, unsigned bits) {
  const double levels = bits <= 4 ? 127 : 32384;
  double variance = 0, left_out = 0;
  for (std::size_t begin = 0; begin < n_rows; begin += 32) {
    double largest = 0;
    const std::size_t end = std::min(n_rows, begin + 32);
    for (std::size_t r = begin; r < end; ++r) {
      double energy = 0;
      for (std::size_t i = 0; i < dim; ++i) energy += std::pow(static_cast<double>(decoded[r * dim + i]), 2);
      largest = std::max(largest, std::abs(static_cast<double>(weights[r])) * std::sqrt(energy / static_cast<double>(dim)));
    }
    variance += static_cast<double>(end - begin) * std::pow(largest / levels, 2) / 12;
    if (bits > 4) left_out += static_cast<double>(end - begin) * 5 * largest * (0.5 / levels + 127 / levels * 127 / levels);
  }
  return (dim < 32 ? 18 : 6) * std::sqrt(variance) + (dim < 32 ? 3 : 1) * left_out;
}

}  // namespace tq::test
