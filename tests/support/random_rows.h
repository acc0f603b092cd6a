// Rows to code in tests. Their seeds are far from any codec's, since a rotation must never share a seed with its data.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include "base/random.h"

namespace tq::test {

/// n independent values of N(0, 1), by Box and Muller.
inline std::vector<float> gaussian(std::size_t n, std::uint64_t seed) {
  std::uint64_t state = seed + 0x7E57000000000000ULL;
  std::vector<float> values(n);
  for (float& value : values) {
    const double u = 1.0 - next_uniform(state), v = next_uniform(state);
    value = static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
  }
  return values;
}

inline double dot(const float* a, const float* b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// n_rows rows, uniform on the unit sphere.
inline std::vector<float> unit_rows(std::size_t n_rows, std::size_t dim, std::uint64_t seed) {
  std::vector<float> rows = gaussian(n_rows * dim, seed);
  for (std::size_t r = 0; r < n_rows; ++r) {
    float* row = rows.data() + r * dim;
    const double norm = std::sqrt(dot(row, row, dim));
    for (std::size_t i = 0; i < dim; ++i) row[i] = static_cast<float>(static_cast<double>(row[i]) / norm);
  }
  return rows;
}

}  // namespace tq::test
