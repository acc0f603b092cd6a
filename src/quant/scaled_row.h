// The one scalar beside the codes of a row: how a row is brought to unit size before coding, and what is stored afterwards.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "turboquant/codec.h"

namespace tq {

/// A row divided by its root mean square. `rms` is 0 for a row of zeros, which codecs store as scale 0.
struct UnitRow {
  float rms = 0;     ///< times 2^exponent
  int exponent = 0;  ///< a power of two taken out first, so that no square overflows or vanishes
};

/// y (n values) → unit (n values of mean square 1). Values that are not finite count as 0. The same bits on every CPU.
UnitRow normalize(const float* y, std::size_t n, std::vector<float>& unit);

/// The same for 16 rows in lanes (Kernels::to_lanes), but for the last step: the unit rows are the lanes times `factors` (16 values, NaN
/// for a row of zeros).
std::array<UnitRow, 16> measure_lanes(float* lanes, std::size_t n, float* factors);

/// The scale to store when `unit` was coded as `centroids` (n each). 0 where their inner product is not positive: then
/// they say nothing about the row. Nearest centroids on both sides of 0 never come to that.
float corrected_scale(const UnitRow& row, ScaleRule rule, const float* unit, const float* centroids, std::size_t n);

/// The same from the sums: `product` of the centroids with the unit row, `squares` of the unit row (kUnbiased) or of the centroids
/// (kLeastSquares). kNorm uses neither.
float corrected_scale(const UnitRow& row, ScaleRule rule, float product, float squares);

/// The stored form of a scale: f16, or f32 where the spec asks for it.
std::size_t scale_bytes(const CodecSpec& spec);
void store_scale(const CodecSpec& spec, float scale, std::byte* bytes);
float load_scale(const CodecSpec& spec, const std::byte* bytes);

/// Calls decode(first, n, scales) for all of n_rows rows that begin with their scale, `stride` bytes apart, some at a time.
template <class Decode>
void for_scaled_rows(const CodecSpec& spec, const std::byte* rows, std::size_t stride, std::size_t n_rows, Decode decode) {
  std::array<float, 64> scales;
  for (std::size_t first = 0; first < n_rows; first += scales.size()) {
    const std::size_t n = std::min(scales.size(), n_rows - first);
    for (std::size_t r = 0; r < n; ++r) scales[r] = load_scale(spec, rows + (first + r) * stride);
    decode(first, n, scales.data());
  }
}

}  // namespace tq
