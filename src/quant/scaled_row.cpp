#include "quant/scaled_row.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/float16.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// The exponent of the largest magnitude of a row, where dividing by its power of two is exact.
int unit_exponent(float largest) {
  const int exponent = static_cast<int>(std::bit_cast<std::uint32_t>(largest) >> 23) - 127;  // of a denormal: −127
  return largest == 0 ? 0 : std::clamp(exponent, -126, 126);  // both 2^±126 are normal floats
}

/// 2^exponent. std::ldexp is a call, and took 3 % of an encoder's time.
float power_of_two(int exponent) { return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23); }

/// Divides by a power of two, so that the largest magnitude lies in [1, 2). Returns the exponent.
int to_unit_exponent(float* x, std::size_t n) {
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) x[i] = 0;
    largest = std::max(largest, std::abs(x[i]));
  }
  const int exponent = unit_exponent(largest);
  if (exponent == 0) return 0;
  kernels().scale(x, power_of_two(-exponent), n);
  return exponent;
}

}  // namespace

UnitRow normalize(const float* y, std::size_t n, std::vector<float>& unit) {
  unit.assign(y, y + n);
  UnitRow row;
  row.exponent = to_unit_exponent(unit.data(), n);
  const float squares = kernels().ordered_dot(unit.data(), unit.data(), n);
  if (squares == 0) return row;
  row.rms = std::sqrt(squares / static_cast<float>(n));
  kernels().scale(unit.data(), 1.0F / row.rms, n);
  return row;
}

std::array<UnitRow, 16> measure_lanes(float* lanes, std::size_t n, float* factors) {
  std::array<UnitRow, 16> rows;
  std::array<float, 16> largest, squares;
  kernels().measure_lanes(lanes, n, largest.data());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    rows[r].exponent = unit_exponent(largest[r]);
    factors[r] = power_of_two(-rows[r].exponent);
  }
  kernels().scale_lanes(lanes, n, factors, squares.data());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    rows[r].rms = std::sqrt(squares[r] / static_cast<float>(n));
    factors[r] = squares[r] == 0 ? std::numeric_limits<float>::quiet_NaN() : 1.0F / rows[r].rms;
  }
  return rows;
}

float corrected_scale(const UnitRow& row, ScaleRule rule, const float* unit, const float* centroids, std::size_t n) {
  const auto dot = kernels().ordered_dot;
  if (rule == ScaleRule::kNorm) return corrected_scale(row, rule, 1, 1);
  const float* squared = rule == ScaleRule::kUnbiased ? unit : centroids;
  return corrected_scale(row, rule, dot(centroids, unit, n), dot(squared, squared, n));
}

float corrected_scale(const UnitRow& row, ScaleRule rule, float product, float squares) {
  float correction = 1;
  if (rule != ScaleRule::kNorm && !(product > 0)) return 0;
  if (rule == ScaleRule::kUnbiased) correction = squares / product;
  if (rule == ScaleRule::kLeastSquares) correction = product / squares;
  return row.rms * correction * power_of_two(row.exponent);
}

std::size_t scale_bytes(const CodecSpec& spec) { return spec.wide_scale ? sizeof(float) : sizeof(std::uint16_t); }

void store_scale(const CodecSpec& spec, float scale, std::byte* bytes) {
  if (spec.wide_scale) {
    scale = std::min(scale, 3.0e38F);
    std::memcpy(bytes, &scale, sizeof scale);
  } else {
    const std::uint16_t half = float_to_half(std::min(scale, 65504.0F));
    std::memcpy(bytes, &half, sizeof half);
  }
}

float load_scale(const CodecSpec& spec, const std::byte* bytes) {
  if (!spec.wide_scale) return half_to_float(load_u16(bytes));
  float scale = 0;
  std::memcpy(&scale, bytes, sizeof scale);
  return scale;
}

}  // namespace tq
