#include "quant/interleave.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tq {
namespace {

constexpr std::size_t kChunk = 32, kFields = 8, kWordBytes = 64;

/// A field is the codes of 4 neighbouring coordinates, one in each byte. A chunk has 8 of them. Field f < direct stands in word
/// f / per_byte, at bit (f % per_byte) · bits of every byte. The bits that are then left over at the top of each byte, word after word,
/// are a stream that holds the other fields. With 9 bits the words carry the low 8, and one more word the ninth bits of all fields.
struct Shape {
  explicit Shape(unsigned width)
      : bits(std::min(width, 8U)), per_byte(8 / bits), direct(per_byte * bits), spare(8 - per_byte * bits), has_ninth(width > 8) {}

  unsigned bits, per_byte, direct, spare;
  bool has_ninth;

  std::size_t words(std::size_t n_fields) const {
    if (n_fields == 0) return 0;
    return std::min<std::size_t>(bits, (n_fields + per_byte - 1) / per_byte) + (has_ninth ? 1 : 0);
  }
};

using Fields = std::array<std::uint32_t, kFields>;
using Words = std::array<std::uint32_t, 9>;

/// The lowest `n` bits of every byte.
constexpr std::uint32_t low_bits(unsigned n) { return ((1U << n) - 1) * 0x01010101U; }

Words pack(const Shape& shape, const Fields& low, const Fields& high) {
  Words words{};
  for (unsigned f = 0; f < shape.direct; ++f) words[f / shape.per_byte] |= low[f] << f % shape.per_byte * shape.bits;
  for (unsigned f = shape.direct; f < kFields; ++f) {
    for (unsigned bit = 0; bit < shape.bits; ++bit) {
      const unsigned at = (f - shape.direct) * shape.bits + bit;
      words[at / shape.spare] |= (low[f] >> bit & low_bits(1)) << (8 - shape.spare + at % shape.spare);
    }
  }
  if (shape.has_ninth) {
    for (unsigned f = 0; f < kFields; ++f) words[8] |= high[f] << f;
  }
  return words;
}

void unpack(const Shape& shape, const Words& words, Fields& low, Fields& high) {
  low = high = {};
  for (unsigned f = 0; f < shape.direct; ++f) low[f] = words[f / shape.per_byte] >> f % shape.per_byte * shape.bits & low_bits(shape.bits);
  for (unsigned f = shape.direct; f < kFields; ++f) {
    for (unsigned bit = 0; bit < shape.bits; ++bit) {
      const unsigned at = (f - shape.direct) * shape.bits + bit;
      low[f] |= (words[at / shape.spare] >> (8 - shape.spare + at % shape.spare) & low_bits(1)) << bit;
    }
  }
  if (shape.has_ninth) {
    for (unsigned f = 0; f < kFields; ++f) high[f] = words[8] >> f & low_bits(1);
  }
}

}  // namespace

std::size_t interleaved_words(std::size_t dim, unsigned bits) {
  const Shape shape(bits);
  return dim / kChunk * shape.words(kFields) + shape.words((dim % kChunk + 3) / 4);
}

void interleave_row(const std::uint16_t* codes, std::size_t dim, unsigned bits, std::size_t row, std::byte* words) {
  const Shape shape(bits);
  std::byte* at = words + row * sizeof(std::uint32_t);
  for (std::size_t begin = 0; begin < dim; begin += kChunk) {
    const std::size_t n = std::min(kChunk, dim - begin);
    Fields low{}, high{};
    for (std::size_t i = 0; i < n; ++i) {
      const auto shift = static_cast<unsigned>(i % 4 * 8);
      low[i / 4] |= (codes[begin + i] & 0xFFU) << shift;
      high[i / 4] |= static_cast<std::uint32_t>(codes[begin + i] >> 8) << shift;
    }
    const Words packed = pack(shape, low, high);
    const std::size_t n_words = shape.words((n + 3) / 4);
    for (std::size_t w = 0; w < n_words; ++w, at += kWordBytes) {
      // The ninth bits stand in the last word, also of a chunk that has fewer than 8 others.
      const std::uint32_t word = shape.has_ninth && w + 1 == n_words ? packed[8] : packed[w];
      std::memcpy(at, &word, sizeof word);
    }
  }
}

void separate_row(const std::byte* words, std::size_t dim, unsigned bits, std::size_t row, std::uint16_t* codes) {
  const Shape shape(bits);
  const std::byte* at = words + row * sizeof(std::uint32_t);
  for (std::size_t begin = 0; begin < dim; begin += kChunk) {
    const std::size_t n = std::min(kChunk, dim - begin);
    Words packed{};
    const std::size_t n_words = shape.words((n + 3) / 4);
    for (std::size_t w = 0; w < n_words; ++w, at += kWordBytes) {
      std::memcpy(&packed[shape.has_ninth && w + 1 == n_words ? 8 : w], at, sizeof(std::uint32_t));
    }
    Fields low{}, high{};
    unpack(shape, packed, low, high);
    for (std::size_t i = 0; i < n; ++i) {
      const auto shift = static_cast<unsigned>(i % 4 * 8);
      codes[begin + i] = static_cast<std::uint16_t>((low[i / 4] >> shift & 0xFFU) | (high[i / 4] >> shift & 1U) << 8);
    }
  }
}

}  // namespace tq
