#include "quant/bits.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace tq {
namespace {

TEST(Bits, each_code_lies_where_the_layout_says) {
  std::uint64_t state = 5;
  for (unsigned bits = 1; bits <= 9; ++bits) {
    for (std::size_t n = 0; n <= 70; ++n) {
      std::vector<std::uint16_t> codes(n);
      for (auto& code : codes) code = static_cast<std::uint16_t>(next_random(state) & ((1U << bits) - 1));
      std::vector<std::byte> packed(packed_bytes(n, bits) + 1, std::byte{0xA5});
      pack_codes(codes.data(), n, bits, packed.data());
      ASSERT_EQ(packed.back(), std::byte{0xA5}) << "wrote beyond the stream";
      for (std::size_t i = 0; i < n * bits; ++i) {
        const unsigned expected = codes[i / bits] >> (i % bits) & 1U;
        ASSERT_EQ(std::to_integer<unsigned>(packed[i / 8]) >> (i % 8) & 1U, expected) << bits << " bits, bit " << i;
      }
      for (std::size_t i = n * bits; i < 8 * packed_bytes(n, bits); ++i) {
        ASSERT_EQ(std::to_integer<unsigned>(packed[i / 8]) >> (i % 8) & 1U, 0U) << "padding must be zero";
      }
    }
  }
}

}  // namespace
}  // namespace tq
