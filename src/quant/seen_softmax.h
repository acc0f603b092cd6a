// The softmax of scores of which each query sees a range.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>

#include "simd/kernels.h"

namespace tq {

/// scores (count rows of n_rows, `stride` apart) → exp(score − top) for rows begins[i] … ends[i] − 1 ≤ n_rows and zeros beside
/// them; tops[i] and totals[i] are the largest score and the sum, −∞ and 0 where nothing is seen.
inline void exponentials_of_seen(float* scores, std::size_t count, std::size_t stride, std::size_t n_rows,
                                 const std::size_t* begins, const std::size_t* ends, float* tops, float* totals) {
  for (std::size_t i = 0; i < count; ++i) {
    float* row = scores + i * stride;
    tops[i] = -std::numeric_limits<float>::infinity();
    totals[i] = 0;
    if (begins[i] < ends[i]) tops[i] = kernels().exponentials(row + begins[i], ends[i] - begins[i], &totals[i]);
    std::fill(row, row + begins[i], 0.0F);
    std::fill(row + ends[i], row + n_rows, 0.0F);
  }
}

}  // namespace tq
