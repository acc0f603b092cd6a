#include "base/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tq::test {
namespace {

/// The value of a half by the definition of IEEE 754: sign, 5 bits of exponent with bias 15, 10 of fraction.
double value_of(std::uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return exponent == 0 ? sign * std::ldexp(fraction, -24) : sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Float16, every_half_becomes_the_float_of_its_definition) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    if (std::isnan(value_of(half))) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(value), value_of(half)) << bits;
    }
    ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
  }
}

TEST(Float16, every_half_survives_the_way_through_float) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const std::uint16_t back = float_to_half(half_to_float(half));
    if (std::isnan(value_of(half))) {
      ASSERT_TRUE(std::isnan(value_of(back))) << bits;
      ASSERT_EQ(back & 0x8000, bits & 0x8000) << bits;
    } else {
      ASSERT_EQ(back, half);
    }
  }
}

/// Between two neighbouring finite halves: the tie goes to the even one, and one float to either side of it decides the
/// nearer.
TEST(Float16, rounding_at_every_boundary) {
  for (unsigned bits = 0; bits < 0x7BFF; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    // Exact: the sum has at most 12 significant bits.
    const auto middle = static_cast<float>((value_of(low) + value_of(high)) / 2);
    const std::uint16_t even = bits % 2 == 0 ? low : high;
    ASSERT_EQ(float_to_half(middle), even) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.0F)), low) << bits;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e9F)), high) << bits;
    ASSERT_EQ(float_to_half(-middle), even | 0x8000) << bits;
  }
}

TEST(Float16, the_ends_of_the_range) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(float_to_half(65504.0F), 0x7BFF);
  // 65520 is half way to 65536, which would be the next half and is even.
  EXPECT_EQ(float_to_half(std::nextafter(65520.0F, 0.0F)), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.0F), 0x7C00);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(float_to_half(-kInfinity), 0xFC00);
  // 2^-25 is half way from 0, which is even, to the smallest half, 2^-24.
  EXPECT_EQ(float_to_half(0x1p-25F), 0x0000);
  EXPECT_EQ(float_to_half(std::nextafter(0x1p-25F, 1.0F)), 0x0001);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0x0000);
  EXPECT_EQ(float_to_half(-0.0F), 0x8000);
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::signaling_NaN()))));
}

TEST(Float16, loads_at_any_address) {
  const unsigned char bytes[] = {0xFF, 0x34, 0x12, 0xFF};
  EXPECT_EQ(load_u16(bytes + 1), 0x1234);
}

}  // namespace
}  // namespace tq::test
