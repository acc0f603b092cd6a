#include "quant/scaled_row.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// Divides by a power of two, which is exact, so that the largest magnitude lies in [1, 2). Returns the exponent.
int to_unit_exponent(float* x, std::size_t n) {
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) x[i] = 0;
    largest = std::max(largest, std::abs(x[i]));
  }
  if (largest == 0) return 0;
  const int exponent = std::clamp(std::ilogb(largest), -126, 126);  // both 2^±126 are normal floats
  kernels().scale(x, std::ldexp(1.0F, -exponent), n);
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

float corrected_scale(const UnitRow& row, ScaleRule rule, const float* unit, const float* centroids, std::size_t n) {
  const auto dot = kernels().ordered_dot;
  float correction = 1;
  const float product = rule == ScaleRule::kNorm ? 1 : dot(centroids, unit, n);
  if (!(product > 0)) return 0;
  if (rule == ScaleRule::kUnbiased) correction = dot(unit, unit, n) / product;
  if (rule == ScaleRule::kLeastSquares) correction = product / dot(centroids, centroids, n);
  return std::ldexp(row.rms * correction, row.exponent);
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
