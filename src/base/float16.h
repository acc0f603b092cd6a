// Half precision and bfloat16 by hand, one value at a time: exact, round to nearest even. Rows go through the kernels.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace tq {

inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t rest = static_cast<std::uint32_t>(half & 0x7FFFU) << 13;
  if (rest >= 0x0F800000U)
    return std::bit_cast<float>(sign | 0x70000000U | rest);  // infinity, NaN: 0x0F800000 + 0x70000000
  // Multiplying by 2^112 moves the exponent's bias from 15 to 127 and normalizes subnormal halves on the way.
  const float magnitude = std::bit_cast<float>(rest) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

inline std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U);
  if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 65520 and above round to infinity
  if (magnitude < 0x38800000U) {
    // Below 2^-14: adding 0.5 leaves the subnormal half in the low bits, rounded by the addition itself.
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000U));
  }
  magnitude += 0x0FFFU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U) >> 13));
}

inline std::uint16_t load_u16(const void* bytes) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace tq
