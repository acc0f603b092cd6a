#include "base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace tq::test {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST(Checked, sums_at_the_border) {
  EXPECT_EQ(checked_add<std::uint64_t>(kMost, 0), kMost);
  EXPECT_EQ(checked_add<std::uint64_t>(kMost - 1, 1), kMost);
  EXPECT_EQ(checked_add<std::uint64_t>(kMost, 1), std::nullopt);
  EXPECT_EQ(checked_add<std::uint64_t>(kMost, kMost), std::nullopt);
  // Small types promote to int in C++; the result must still be judged as theirs.
  EXPECT_EQ(checked_add<std::uint8_t>(200, 55), 255);
  EXPECT_EQ(checked_add<std::uint8_t>(200, 56), std::nullopt);
}

TEST(Checked, products_at_the_border) {
  const std::uint64_t half = std::uint64_t{1} << 32;
  EXPECT_EQ(checked_multiply<std::uint64_t>(half, half - 1), (half - 1) << 32);
  EXPECT_EQ(checked_multiply<std::uint64_t>(half, half), std::nullopt);
  EXPECT_EQ(checked_multiply<std::uint64_t>(kMost, 1), kMost);
  EXPECT_EQ(checked_multiply<std::uint64_t>(kMost, 2), std::nullopt);
  EXPECT_EQ(checked_multiply<std::uint64_t>(kMost, 0), 0U);
  EXPECT_EQ(checked_multiply<std::uint8_t>(16, 16), std::nullopt);
}

TEST(Checked, every_pair_of_bytes_as_wide_arithmetic_has_it) {
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      const auto x = static_cast<std::uint8_t>(a), y = static_cast<std::uint8_t>(b);
      ASSERT_EQ(checked_add(x, y).has_value(), a + b < 256) << a << " + " << b;
      ASSERT_EQ(checked_multiply(x, y).has_value(), a * b < 256) << a << " * " << b;
      if (a + b < 256) ASSERT_EQ(*checked_add(x, y), a + b);
      if (a * b < 256) ASSERT_EQ(*checked_multiply(x, y), a * b);
    }
  }
}

TEST(Checked, casts_keep_the_number_or_refuse) {
  EXPECT_EQ(checked_cast<std::int64_t>(kMost), std::nullopt);
  EXPECT_EQ(checked_cast<std::int64_t>(kMost >> 1), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(checked_cast<std::uint64_t>(std::int64_t{-1}), std::nullopt);
  EXPECT_EQ(checked_cast<std::uint32_t>(std::int64_t{-1}), std::nullopt);
  EXPECT_EQ(checked_cast<std::int32_t>(std::int64_t{-2147483648}), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(checked_cast<std::int32_t>(std::uint32_t{0x80000000U}), std::nullopt);
  EXPECT_EQ(checked_cast<std::uint8_t>(256), std::nullopt);
  EXPECT_EQ(checked_cast<std::uint8_t>(255), 255);
}

}  // namespace
}  // namespace tq::test
