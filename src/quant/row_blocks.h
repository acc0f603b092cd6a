// Rows that kernels meet 16 at a time.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "quant/interleave.h"

namespace tq {

/// out[i * out_stride + r] for `count` queries and rows first … first + n_rows − 1, from score(row, n_blocks, out, out_stride), which knows
/// only whole blocks of 16 rows: several at once where they begin a group of kGroup rows, one elsewhere. `spare` grows to what is needed.
template <std::size_t kGroup, class Score>
void score_blocks(std::size_t count, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride, std::vector<float>& spare,
                  Score score) {
  const std::size_t end = first + n_rows;
  for (std::size_t row = first / kInterleavedRows * kInterleavedRows; row < end;) {
    if (row >= first && row + kInterleavedRows <= end) {
      const std::size_t n = row % kGroup == 0 ? (end - row) / kInterleavedRows : 1;
      score(row, n, out + (row - first), out_stride);
      row += n * kInterleavedRows;
      continue;
    }
    spare.resize(std::max(spare.size(), count * kInterleavedRows));
    score(row, 1, spare.data(), kInterleavedRows);
    const std::size_t from = std::max(row, first), to = std::min(row + kInterleavedRows, end);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(out + i * out_stride + (from - first), spare.data() + i * kInterleavedRows + (from - row), (to - from) * sizeof(float));
    }
    row += kInterleavedRows;
  }
}

}  // namespace tq
