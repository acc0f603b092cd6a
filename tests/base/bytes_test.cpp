#include "base/bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace tq::test {
namespace {

const std::string kTen("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", 10);

TEST(Bytes, numbers_are_little_endian_at_any_alignment) {
  ByteReader reader(as_bytes(kTen));
  std::uint8_t one = 0;
  std::uint16_t two = 0;
  std::uint32_t four = 0;
  ASSERT_TRUE(reader.read(one) && reader.read(two) && reader.read(four));
  EXPECT_EQ(one, 0x01);
  EXPECT_EQ(two, 0x0302);
  EXPECT_EQ(four, 0x07060504U);
  EXPECT_EQ(reader.position(), 7U);
  EXPECT_EQ(reader.remaining(), 3U);
}

TEST(Bytes, a_read_that_does_not_fit_changes_nothing) {
  ByteReader reader(as_bytes(kTen));
  std::uint64_t eight = 0, more = 42;
  float number = 1.5F;
  ASSERT_TRUE(reader.read(eight));
  EXPECT_EQ(eight, 0x0807060504030201U);
  EXPECT_FALSE(reader.read(more));
  EXPECT_FALSE(reader.read(number));
  EXPECT_EQ(more, 42U);
  EXPECT_EQ(number, 1.5F);
  EXPECT_EQ(reader.remaining(), 2U);
}

TEST(Bytes, taking_is_bounded_by_what_remains) {
  ByteReader reader(as_bytes(kTen));
  std::string_view text = "untouched";
  EXPECT_FALSE(reader.take(11, text));
  EXPECT_FALSE(reader.take(UINT64_MAX, text));
  EXPECT_EQ(text, "untouched");
  ASSERT_TRUE(reader.take(4, text));
  EXPECT_EQ(text, "\x01\x02\x03\x04");
  EXPECT_FALSE(reader.take(UINT64_MAX - 3, text));  // position + count wraps to 0
  std::span<const std::byte> rest;
  ASSERT_TRUE(reader.take(6, rest));
  EXPECT_EQ(rest.data(), as_bytes(kTen).data() + 4);
  ASSERT_TRUE(reader.take(0, rest));
  EXPECT_TRUE(rest.empty());
  EXPECT_FALSE(reader.take(1, rest));
}

TEST(Bytes, no_bytes_at_all) {
  ByteReader reader{std::span<const std::byte>()};
  std::uint8_t byte = 7;
  std::string_view text = "x";
  EXPECT_FALSE(reader.read(byte));
  ASSERT_TRUE(reader.take(0, text));
  EXPECT_TRUE(text.empty());
}

}  // namespace
}  // namespace tq::test
