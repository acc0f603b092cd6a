#include "quant/interleave.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace tq {
namespace {

constexpr std::size_t kChunk = 32, kFields = 8, kWordBytes = 64;

/// A field is the codes of 4 neighbouring coordinates, one in each byte. A chunk has 8 of them. Field f < direct stands in word
/// f / per_byte, at bit (f % per_byte) · bits of every byte. The bits that are then left over at the top of each byte, word after word,
/// are a stream that holds the other fields. With 9 bits the words carry the low 8, and one more word the ninth bits of all fields.
struct Shape {
  explicit constexpr Shape(unsigned width)
      : bits(std::min(width, 8U)), per_byte(8 / bits), direct(per_byte * bits), spare(8 - per_byte * bits), has_ninth(width > 8) {}

  unsigned bits, per_byte, direct, spare;
  bool has_ninth;

  /// Where bit `bit` of every code of a field stands.
  struct Place {
    unsigned word, shift;
  };
  constexpr Place place(unsigned field, unsigned bit) const {
    if (field < direct) return {field / per_byte, field % per_byte * bits + bit};
    const unsigned at = (field - direct) * bits + bit;
    return {at / spare, 8 - spare + at % spare};
  }

  /// Neighbouring bits of the codes of a field that stand in one word.
  struct Run {
    unsigned word, shift, bit, count;
    unsigned mask() const { return (1U << count) - 1; }
  };
  template <class Visit>
  void for_runs(unsigned field, Visit&& visit) const {
    for (unsigned bit = 0, count = bits; bit < bits; bit += count) {
      const auto [word, shift] = place(field, bit);
      if (field >= direct) count = std::min(bits - bit, 8 - shift);
      visit(Run{word, shift, bit, count});
    }
    if (has_ninth) visit(Run{8, field, 8, 1});
  }

  constexpr std::size_t words(std::size_t n_fields) const {
    if (n_fields == 0) return 0;
    return std::min<std::size_t>(bits, (n_fields + per_byte - 1) / per_byte) + (has_ninth ? 1 : 0);
  }
};

/// One field, or one word, of 16 rows.
struct Lanes {
  std::array<std::uint32_t, kInterleavedRows> row{};

  Lanes& operator|=(const Lanes& other) {
    for (std::size_t r = 0; r < row.size(); ++r) row[r] |= other.row[r];
    return *this;
  }
  Lanes operator<<(unsigned n) const {
    Lanes result;
    for (std::size_t r = 0; r < row.size(); ++r) result.row[r] = row[r] << n;
    return result;
  }
  Lanes operator>>(unsigned n) const {
    Lanes result;
    for (std::size_t r = 0; r < row.size(); ++r) result.row[r] = row[r] >> n;
    return result;
  }
  Lanes operator&(std::uint32_t mask) const {
    Lanes result;
    for (std::size_t r = 0; r < row.size(); ++r) result.row[r] = row[r] & mask;
    return result;
  }
};

template <class Word>
using FieldsOf = std::array<Word, kFields>;
using Fields = FieldsOf<std::uint32_t>;
using Words = std::array<std::uint32_t, 9>;

/// The lowest `n` bits of every byte.
constexpr std::uint32_t low_bits(unsigned n) { return ((1U << n) - 1) * 0x01010101U; }

/// Word is one row's or those of 16.
template <class Word, std::size_t kWords>
inline void pack_low(const Shape& shape, const FieldsOf<Word>& low, std::array<Word, kWords>& words) {
  for (unsigned f = 0; f < shape.direct; ++f) words[f / shape.per_byte] |= low[f] << f % shape.per_byte * shape.bits;
  for (unsigned f = shape.direct; f < kFields; ++f) {
    for (unsigned bit = 0; bit < shape.bits; ++bit) {
      const auto [word, shift] = shape.place(f, bit);
      words[word] |= (low[f] >> bit & low_bits(1)) << shift;
    }
  }
}

Words pack(const Shape& shape, const Fields& low, const Fields& high) {
  Words words{};
  pack_low(shape, low, words);
  if (shape.has_ninth) {
    for (unsigned f = 0; f < kFields; ++f) words[8] |= high[f] << f;
  }
  return words;
}

template <class Word, std::size_t kWords>
inline void unpack_low(const Shape& shape, const std::array<Word, kWords>& words, FieldsOf<Word>& low) {
  for (unsigned f = 0; f < shape.direct; ++f) low[f] = words[f / shape.per_byte] >> f % shape.per_byte * shape.bits & low_bits(shape.bits);
  for (unsigned f = shape.direct; f < kFields; ++f) {
    for (unsigned bit = 0; bit < shape.bits; ++bit) {
      const auto [word, shift] = shape.place(f, bit);
      low[f] |= (words[word] >> shift & low_bits(1)) << bit;
    }
  }
}

inline void unpack(const Shape& shape, const Words& words, Fields& low, Fields& high) {
  low = high = {};
  unpack_low(shape, words, low);
  if (shape.has_ninth) {
    for (unsigned f = 0; f < kFields; ++f) high[f] = words[8] >> f & low_bits(1);
  }
}

/// The width is known to the compiler, which then unrolls everything; so are the sizes of whole chunks.
template <unsigned kBits>
void interleave_chunks(const std::uint8_t* fields, std::size_t dim, std::byte* words) {
  constexpr Shape kShape(kBits);
  FieldsOf<Lanes> low;
  for (; dim >= kChunk; dim -= kChunk, fields += sizeof low, words += kBits * kWordBytes) {
    std::array<Lanes, kBits> packed{};
    std::memcpy(low.data(), fields, sizeof low);
    pack_low(kShape, low, packed);
    std::memcpy(words, packed.data(), sizeof packed);
  }
  const std::size_t n_fields = (dim + 3) / 4;
  std::array<Lanes, kBits> packed{};
  low = {};
  std::memcpy(low.data(), fields, n_fields * kWordBytes);
  pack_low(kShape, low, packed);
  std::memcpy(words, packed.data(), kShape.words(n_fields) * kWordBytes);
}

template <unsigned kBits>
void split_chunks(const std::byte* words, std::size_t dim, std::byte* signs, std::byte* rest) {
  constexpr Shape kShape(kBits), kSign(1), kRest(kBits - 1);
  const std::size_t chunks = (dim + kChunk - 1) / kChunk;
  for (std::size_t c = 0; c < chunks; ++c) {
    const std::size_t n_words = kShape.words((std::min(kChunk, dim - c * kChunk) + 3) / 4);
    std::array<Lanes, kBits> packed{};
    std::memcpy(packed.data(), words, n_words * kWordBytes);
    words += n_words * kWordBytes;
    FieldsOf<Lanes> codes{}, high{};
    unpack_low(kShape, packed, codes);
    for (unsigned f = 0; f < kFields; ++f) {
      high[f] = codes[f] >> (kBits - 1) & low_bits(1);
      codes[f] = codes[f] & low_bits(kBits - 1);
    }
    std::array<Lanes, 1> sign{};
    std::array<Lanes, kBits - 1> others{};
    pack_low(kSign, high, sign);
    pack_low(kRest, codes, others);
    std::memcpy(signs + c * kWordBytes, sign.data(), kWordBytes);
    for (std::size_t w = 0; w < others.size(); ++w) std::memcpy(rest + (w * chunks + c) * kWordBytes, &others[w], kWordBytes);
  }
}

/// n ≤ 32 codes of a row, whose first word begins at `at`.
template <unsigned kBits>
inline void separate_chunk(const std::byte* at, std::size_t n, std::uint16_t* codes) {
  constexpr Shape kShape(kBits);
  Words packed{};
  const std::size_t n_words = kShape.words((n + 3) / 4);
  for (std::size_t w = 0; w < n_words; ++w, at += kWordBytes) {
    std::memcpy(&packed[kShape.has_ninth && w + 1 == n_words ? 8 : w], at, sizeof(std::uint32_t));
  }
  Fields low, high;
  unpack(kShape, packed, low, high);
  std::array<std::uint8_t, kChunk> bytes, ninths;
  std::memcpy(bytes.data(), low.data(), sizeof low);
  std::memcpy(ninths.data(), high.data(), sizeof high);
  for (std::size_t i = 0; i < n; ++i) codes[i] = static_cast<std::uint16_t>(bytes[i] | ninths[i] << 8);
}

template <unsigned kBits>
void separate_chunks(const std::byte* at, std::size_t dim, std::uint16_t* codes) {
  for (; dim >= kChunk; dim -= kChunk, codes += kChunk, at += kBits * kWordBytes) separate_chunk<kBits>(at, kChunk, codes);
  if (dim > 0) separate_chunk<kBits>(at, dim, codes);
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

void interleave_stream(const std::byte* stream, std::size_t n_words, std::size_t row, std::byte* words) {
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t w = 0; w < n_words; ++w) words[w * kWordBytes + row * 4 + j] = stream[j * n_words + w];
  }
}

void separate_stream(const std::byte* words, std::size_t n_words, std::size_t row, std::byte* stream) {
  for (std::size_t j = 0; j < 4; ++j) {
    for (std::size_t w = 0; w < n_words; ++w) stream[j * n_words + w] = words[w * kWordBytes + row * 4 + j];
  }
}

void interleave_fields(const std::uint8_t* fields, std::size_t dim, unsigned bits, std::byte* words) {
  switch (bits) {
    case 1: return interleave_chunks<1>(fields, dim, words);
    case 2: return interleave_chunks<2>(fields, dim, words);
    case 3: return interleave_chunks<3>(fields, dim, words);
    default: assert(bits == 4); return interleave_chunks<4>(fields, dim, words);
  }
}

void split_planes(const std::byte* words, std::size_t dim, unsigned bits, std::byte* signs, std::byte* rest) {
  if (bits == 2) return split_chunks<2>(words, dim, signs, rest);
  if (bits == 3) return split_chunks<3>(words, dim, signs, rest);
  assert(bits == 4);
  split_chunks<4>(words, dim, signs, rest);
}

void transpose_row(const std::uint16_t* codes, std::size_t dim, unsigned bits, std::size_t row, std::byte* words) {
  Shape(bits).for_runs(static_cast<unsigned>(row / 4), [&](const Shape::Run& run) {
    const std::byte mask{static_cast<std::uint8_t>(run.mask() << run.shift)};
    for (std::size_t i = 0; i < (dim + 15) / 16 * 16; ++i) {  // no bit is left as it was, whatever it was
      const unsigned code = i < dim ? codes[i] >> run.bit & run.mask() : 0;
      std::byte& byte = words[(i / 16 * bits + run.word) * kWordBytes + i % 16 * 4 + row % 4];
      byte = (byte & ~mask) | std::byte{static_cast<std::uint8_t>(code << run.shift)};
    }
  });
}

void restore_row(const std::byte* words, std::size_t dim, unsigned bits, std::size_t row, std::uint16_t* codes) {
  std::fill_n(codes, dim, std::uint16_t{0});
  Shape(bits).for_runs(static_cast<unsigned>(row / 4), [&](const Shape::Run& run) {
    for (std::size_t i = 0; i < dim; ++i) {
      const auto byte = static_cast<unsigned>(words[(i / 16 * bits + run.word) * kWordBytes + i % 16 * 4 + row % 4]);
      codes[i] = static_cast<std::uint16_t>(codes[i] | (byte >> run.shift & run.mask()) << run.bit);
    }
  });
}

void separate_row(const std::byte* words, std::size_t dim, unsigned bits, std::size_t row, std::uint16_t* codes) {
  const std::byte* at = words + row * sizeof(std::uint32_t);
  switch (bits) {
    case 1: return separate_chunks<1>(at, dim, codes);
    case 2: return separate_chunks<2>(at, dim, codes);
    case 3: return separate_chunks<3>(at, dim, codes);
    case 4: return separate_chunks<4>(at, dim, codes);
    case 5: return separate_chunks<5>(at, dim, codes);
    case 6: return separate_chunks<6>(at, dim, codes);
    case 7: return separate_chunks<7>(at, dim, codes);
    case 8: return separate_chunks<8>(at, dim, codes);
    default: assert(bits == 9); return separate_chunks<9>(at, dim, codes);
  }
}

}  // namespace tq
