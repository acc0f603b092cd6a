#include "quant/interleave.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace tq {
namespace {

std::vector<std::uint16_t> random_codes(std::size_t n, unsigned bits, std::uint64_t seed) {
  std::vector<std::uint16_t> codes(n);
  for (auto& code : codes) code = static_cast<std::uint16_t>(next_random(seed) & ((1U << bits) - 1));
  return codes;
}

TEST(Interleave, every_row_comes_back_and_leaves_the_others_alone) {
  for (unsigned bits = 1; bits <= 9; ++bits) {
    for (std::size_t dim = 1; dim <= 130; ++dim) {
      std::vector<std::byte> words(interleaved_words(dim, bits) * 64 + 1, std::byte{0xA5});
      std::vector<std::vector<std::uint16_t>> rows;
      for (std::size_t r = 0; r < kInterleavedRows; ++r) {
        rows.push_back(random_codes(dim, bits, 100 * dim + 10 * r + bits));
        interleave_row(rows[r].data(), dim, bits, r, words.data());
      }
      std::vector<std::uint16_t> back(dim);
      for (std::size_t r = 0; r < kInterleavedRows; ++r) {
        separate_row(words.data(), dim, bits, r, back.data());
        ASSERT_EQ(back, rows[r]) << bits << " bits, " << dim << " codes, row " << r;
      }
      ASSERT_EQ(words.back(), std::byte{0xA5}) << "wrote beyond the words";
    }
  }
}

// 32 codes of b bits are b words of 32 bits for each row: nothing is lost.
TEST(Interleave, whole_chunks_take_exactly_their_bits) {
  for (unsigned bits = 1; bits <= 9; ++bits) {
    for (std::size_t chunks = 1; chunks <= 4; ++chunks) EXPECT_EQ(interleaved_words(32 * chunks, bits), chunks * bits);
    for (std::size_t dim = 1; dim < 32; ++dim) EXPECT_LE(interleaved_words(dim, bits), bits) << dim;
  }
}

TEST(Interleave, codes_of_4_bits_lie_where_the_layout_says) {
  std::vector<std::uint16_t> codes(32);
  for (std::uint16_t i = 0; i < 32; ++i) codes[i] = i % 16;
  std::vector<std::byte> words(4 * 64);
  interleave_row(codes.data(), 32, 4, 3, words.data());
  for (std::size_t i = 0; i < 32; ++i) {  // word i / 8, row 3, byte i % 4, low nibble for the first four of eight
    const auto byte = std::to_integer<unsigned>(words[i / 8 * 64 + 3 * 4 + i % 4]);
    EXPECT_EQ(i % 8 < 4 ? byte & 15U : byte >> 4, codes[i]) << i;
  }
}

}  // namespace
}  // namespace tq
