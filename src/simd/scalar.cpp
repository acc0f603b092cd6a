// The reference: plain C++ that any compiler for any CPU turns into what it has.
#include "simd/targets.h"

namespace tq {
namespace {

struct F {
  float lane[16];
};
struct I {
  std::int32_t lane[16];
};

constexpr int kTileRows = 4, kTileVectors = 1;

template <class Step>
inline F each(Step step) {
  F result;
  for (int i = 0; i < 16; ++i) result.lane[i] = step(i);
  return result;
}

template <class Step>
inline I each_int(Step step) {
  I result;
  for (int i = 0; i < 16; ++i) result.lane[i] = step(i);
  return result;
}

inline std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }
inline float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

inline F load(const float* x) {
  F a;
  __builtin_memcpy(a.lane, x, sizeof a.lane);
  return a;
}
inline void store(const F& a, float* x) { __builtin_memcpy(x, a.lane, sizeof a.lane); }
inline F broadcast(float x) { return each([=](int) { return x; }); }
inline I broadcast(int x) { return each_int([=](int) { return x; }); }
inline F add(const F& a, const F& b) { return each([&](int i) { return a.lane[i] + b.lane[i]; }); }
inline F sub(const F& a, const F& b) { return each([&](int i) { return a.lane[i] - b.lane[i]; }); }
inline F mul(const F& a, const F& b) { return each([&](int i) { return a.lane[i] * b.lane[i]; }); }
inline F divide(const F& a, const F& b) { return each([&](int i) { return a.lane[i] / b.lane[i]; }); }
inline F max(const F& a, const F& b) { return each([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; }); }
inline F fma(const F& a, const F& b, const F& c) { return each([&](int i) { return a.lane[i] * b.lane[i] + c.lane[i]; }); }

template <int h>
inline F swap(const F& a) {
  return each([&](int i) { return a.lane[i ^ h]; });
}
template <int h>
inline F sign() {
  return each([](int i) { return (i & h) == 0 ? 1.0F : -1.0F; });
}

template <int h, bool with>
inline F take_swapped(const F& a, const F& b) {
  return each([&](int i) { return ((i & h) != 0) == with ? b.lane[i ^ h] : a.lane[i]; });
}

inline float reduce_add(const F& a) {
  F sum = a;
  for (int h = 8; h > 0; h /= 2) {
    for (int i = 0; i < h; ++i) sum.lane[i] += sum.lane[i + h];
  }
  return sum.lane[0];
}
inline float reduce_max(const F& a) {
  F top = a;
  for (int h = 8; h > 0; h /= 2) {
    for (int i = 0; i < h; ++i) top.lane[i] = top.lane[i] > top.lane[i + h] ? top.lane[i] : top.lane[i + h];
  }
  return top.lane[0];
}

template <class T>
inline I load_small(const void* bytes) {
  T small[16];
  __builtin_memcpy(small, bytes, sizeof small);
  return each_int([&](int i) { return static_cast<std::int32_t>(small[i]); });
}
inline I load_u8(const void* bytes) { return load_small<std::uint8_t>(bytes); }
inline I load_i8(const void* bytes) { return load_small<std::int8_t>(bytes); }
inline I load_u16(const void* bytes) { return load_small<std::uint16_t>(bytes); }
inline void store_u16(const I& a, void* bytes) {
  std::uint16_t small[16];
  for (int i = 0; i < 16; ++i) small[i] = static_cast<std::uint16_t>(a.lane[i]);
  __builtin_memcpy(bytes, small, sizeof small);
}

inline std::int32_t signed_of(std::uint32_t bits) { return static_cast<std::int32_t>(bits); }
inline std::uint32_t unsigned_of(std::int32_t x) { return static_cast<std::uint32_t>(x); }
inline I add(const I& a, const I& b) {
  return each_int([&](int i) { return signed_of(unsigned_of(a.lane[i]) + unsigned_of(b.lane[i])); });
}
template <int n>
inline I shift_left(const I& a) {
  return each_int([&](int i) { return signed_of(unsigned_of(a.lane[i]) << n); });
}
template <int n>
inline I shift_right(const I& a) {
  return each_int([&](int i) { return signed_of(unsigned_of(a.lane[i]) >> n); });
}
inline I bit_and(const I& a, const I& b) { return each_int([&](int i) { return a.lane[i] & b.lane[i]; }); }
inline I bit_or(const I& a, const I& b) { return each_int([&](int i) { return a.lane[i] | b.lane[i]; }); }
inline F to_float(const I& a) { return each([&](int i) { return static_cast<float>(a.lane[i]); }); }
/// Adding 1.5·2^23 leaves the rounded integer in the low bits: to nearest even, for |x| < 2^22.
inline I round_to_int(const F& a) {
  constexpr float kMagic = 12582912.0F;
  return each_int([&](int i) { return signed_of(bits_of(a.lane[i] + kMagic) - bits_of(kMagic)); });
}
inline I as_int(const F& a) { return each_int([&](int i) { return signed_of(bits_of(a.lane[i])); }); }
inline F as_float(const I& a) { return each([&](int i) { return float_of(unsigned_of(a.lane[i])); }); }
inline I add_if_greater(const I& k, const F& x, const F& b, int step) {
  return each_int([&](int i) { return k.lane[i] + (x.lane[i] > b.lane[i] ? step : 0); });
}
inline I if_nan(const F& x, const I& a, const I& b) {
  return each_int([&](int i) { return x.lane[i] != x.lane[i] ? a.lane[i] : b.lane[i]; });
}

/// As VCVTPH2PS does it: a signalling NaN becomes quiet and keeps its payload.
inline float half_value(std::uint32_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16, rest = (half & 0x7FFFU) << 13;
  if (rest > 0x0F800000U) return float_of(sign | 0x7FC00000U | rest);
  if (rest == 0x0F800000U) return float_of(sign | 0x7F800000U);
  return float_of(sign | bits_of(float_of(rest) * 0x1p112F));  // moves the exponent's bias from 15 to 127
}
/// As VCVTPS2PH does it, to nearest even.
inline std::uint16_t half_of(float x) {
  const std::uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000U;
  std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return static_cast<std::uint16_t>(sign | 0x7E00U | (magnitude >> 13 & 0x1FFU));
  if (magnitude >= 0x477FF000U) return static_cast<std::uint16_t>(sign | 0x7C00U);  // 65520 and above
  // Below 2^-14, adding 0.5 leaves the subnormal half in the low bits, rounded by the addition itself.
  if (magnitude < 0x38800000U) return static_cast<std::uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5F) - 0x3F000000U));
  magnitude += 0x0FFFU + (magnitude >> 13 & 1U);
  return static_cast<std::uint16_t>(sign | (magnitude - 0x38000000U) >> 13);
}
inline F load_f16(const void* bytes) {
  const I halves = load_u16(bytes);
  return each([&](int i) { return half_value(unsigned_of(halves.lane[i])); });
}
inline F broadcast_f16(const void* bytes) {
  std::uint16_t half = 0;
  __builtin_memcpy(&half, bytes, sizeof half);
  return broadcast(half_value(half));
}
inline void store_f16(const F& a, void* bytes) {
  store_u16(each_int([&](int i) { return std::int32_t{half_of(a.lane[i])}; }), bytes);
}

struct Table {
  Table(const float* values, std::size_t) : entries(values) {}
  const float* entries;
};
inline F look_up(const Table& table, const I& index) { return each([&](int i) { return table.entries[index.lane[i]]; }); }

struct Unpacker {
  explicit Unpacker(unsigned width) : bits(width) {}
  unsigned bits;
};
inline I unpack(const Unpacker& unpacker, const std::uint8_t* bytes) {
  return each_int([&](int i) {
    const unsigned at = static_cast<unsigned>(i) * unpacker.bits;
    const unsigned window = bytes[at / 8] | static_cast<unsigned>(bytes[at / 8 + 1]) << 8;
    return static_cast<std::int32_t>(window >> at % 8 & ((1U << unpacker.bits) - 1));
  });
}

inline I min(const I& a, const I& b) { return each_int([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; }); }
inline I max(const I& a, const I& b) { return each_int([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; }); }
inline I merge(const I& mask, const I& a, const I& b) {
  return each_int([&](int i) { return (mask.lane[i] & a.lane[i]) | (~mask.lane[i] & b.lane[i]); });
}
inline F spread(const float* x, const I& index) { return each([&](int i) { return x[index.lane[i]]; }); }

struct WindowTable {
  WindowTable(const WindowValues& values, unsigned stride) : entries(values.table), bits(stride), mask((1U << values.bits) - 1) {}
  const std::int8_t* entries;
  unsigned bits, mask;
};
inline void look_up(const WindowTable& table, const std::uint8_t* bytes, F* out) {
  for (unsigned i = 0; i < 64; ++i) {
    const unsigned at = i * table.bits;
    const unsigned two = bytes[at / 8] | static_cast<unsigned>(bytes[at / 8 + 1]) << 8;
    out[i / 16].lane[i % 16] = static_cast<float>(table.entries[two >> at % 8 & table.mask]);
  }
}

inline void store_i8(const I& a, void* bytes) {
  std::int8_t small[16];
  for (int i = 0; i < 16; ++i) small[i] = static_cast<std::int8_t>(a.lane[i]);
  __builtin_memcpy(bytes, small, sizeof small);
}
inline void store_i8(const I& low, const I& high, void* bytes) {
  store_i8(low, bytes);
  store_i8(high, static_cast<std::uint8_t*>(bytes) + 16);
}

struct B {
  std::uint32_t word[16];
};
inline bool foresees_reading() { return true; }
constexpr std::size_t kQueryTile = 2;
constexpr int kBlockTile = 1;
constexpr unsigned kCheapLookup = 0;
constexpr int kDotBias = 0;

template <class Step>
inline B each_word(Step step) {
  B result;
  for (int i = 0; i < 16; ++i) result.word[i] = step(i);
  return result;
}
inline B load_bytes(const std::uint8_t* bytes) {
  B a;
  __builtin_memcpy(a.word, bytes, sizeof a.word);
  return a;
}
template <unsigned n>
inline B down(const B& a) {
  return each_word([&](int i) { return a.word[i] >> n; });
}
template <unsigned n>
inline B up(const B& a) {
  return each_word([&](int i) { return a.word[i] << n; });
}
template <unsigned mask>
inline B keep(const B& a) {
  return each_word([&](int i) { return a.word[i] & mask * 0x01010101U; });
}
template <unsigned mask>
inline B pick(const B& a, const B& b) {
  constexpr std::uint32_t kMask = mask * 0x01010101U;
  return each_word([&](int i) { return (a.word[i] & kMask) | (b.word[i] & ~kMask); });
}

template <unsigned bits>
struct ByteTable {
  explicit ByteTable(const std::int8_t* values) : entries(values) {}
  const std::int8_t* entries;
};
template <unsigned bits>
inline B look_up(const ByteTable<bits>& table, const B& index) {
  constexpr std::uint32_t kMask = (1U << bits) - 1;
  return each_word([&](int i) {
    std::uint32_t values = 0;
    for (unsigned byte = 0; byte < 32; byte += 8) {
      values |= std::uint32_t{static_cast<std::uint8_t>(table.entries[index.word[i] >> byte & kMask])} << byte;
    }
    return values;
  });
}
inline B flip_if_negative(const B& a, std::uint8_t flipped) {
  return each_word([&](int i) { return a.word[i] ^ (a.word[i] >> 7 & 0x01010101U) * flipped; });
}
inline B choose(const B& bits, const B& a, const B& b) {
  return each_word([&](int i) {
    const std::uint32_t mask = (bits.word[i] & 0x01010101U) * 0xFFU;
    return (a.word[i] & ~mask) | (b.word[i] & mask);
  });
}
struct Nibbles {
  explicit Nibbles(const B& bytes) : index(keep<15>(bytes)) {}
  B index;
};
inline B look_up(const std::uint8_t* entries, const Nibbles& nibbles) {
  return each_word([&](int i) {
    std::uint32_t values = 0;
    for (unsigned j = 0; j < 4; ++j) values |= std::uint32_t{entries[16 * j + (nibbles.index.word[i] >> 8 * j & 15)]} << 8 * j;
    return values;
  });
}
/// No carry from byte to byte: the highest bits are added apart.
inline B add_bytes(const B& a, const B& b) {
  return each_word([&](int i) {
    const std::uint32_t x = a.word[i], y = b.word[i], top = 0x80808080U;
    return ((x & ~top) + (y & ~top)) ^ ((x ^ y) & top);
  });
}
inline I add4(const I& sum, const B& bytes) {
  return each_int([&](int i) {
    std::int32_t total = sum.lane[i];
    for (unsigned at = 0; at < 32; at += 8) total += static_cast<std::int32_t>(bytes.word[i] >> at & 0xFF);
    return total;
  });
}
inline I dot4(const I& sum, const B& values, const B& query) {
  return each_int([&](int i) {
    std::int32_t total = sum.lane[i];
    for (unsigned at = 0; at < 32; at += 8) {
      total += static_cast<std::int8_t>(values.word[i] >> at) * static_cast<std::int8_t>(query.word[i] >> at);
    }
    return total;
  });
}
inline B repeat_four(const std::int8_t* bytes) {
  std::uint32_t four = 0;
  __builtin_memcpy(&four, bytes, sizeof four);
  return each_word([&](int) { return four; });
}
inline I dot4(const I& sum, const B& values, const std::int8_t* query) {
  return each_int([&](int i) {
    std::int32_t total = sum.lane[i];
    for (unsigned byte = 0; byte < 4; ++byte) total += static_cast<std::int8_t>(values.word[i] >> 8 * byte) * query[byte];
    return total;
  });
}
inline unsigned mask_greater(const F& a, const F& b) {
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= (a.lane[i] > b.lane[i] ? 1U : 0U) << i;
  return mask;
}

struct W {
  std::int16_t lane[32];
};
inline W words_of_bytes(const unsigned char* bytes) {
  W words;
  for (int i = 0; i < 32; ++i) words.lane[i] = static_cast<std::int8_t>(bytes[i]);
  return words;
}
inline W words_of_nibbles(const unsigned char* bytes) {
  W words;
  for (int i = 0; i < 16; ++i) {
    words.lane[i] = static_cast<std::int16_t>((bytes[i] & 15) - 8);
    words.lane[16 + i] = static_cast<std::int16_t>((bytes[i] >> 4) - 8);
  }
  return words;
}
inline I dot2(const W& a, const std::int16_t* b) {
  return each_int([&](int i) { return a.lane[2 * i] * b[2 * i] + a.lane[2 * i + 1] * b[2 * i + 1]; });
}
/// With their signs, as words.
inline W bytes_from(const B& a, unsigned first) {
  W words;
  for (int i = 0; i < 32; ++i) words.lane[i] = static_cast<std::int8_t>(a.word[i / 2] >> (first + 16 * (static_cast<unsigned>(i) % 2)));
  return words;
}
inline W even_bytes(const B& a) { return bytes_from(a, 0); }
inline W odd_bytes(const B& a) { return bytes_from(a, 8); }
inline I add_products(const I& sum, const W& a, const std::int16_t* two) {
  return each_int([&](int i) { return sum.lane[i] + a.lane[2 * i] * two[0] + a.lane[2 * i + 1] * two[1]; });
}

inline std::uint16_t unsigned_word(std::int16_t x) { return static_cast<std::uint16_t>(x); }
template <class Step>
inline W each_small(Step step) {
  W result;
  for (int i = 0; i < 32; ++i) result.lane[i] = static_cast<std::int16_t>(step(i));
  return result;
}
inline W round_to_words(const F& low, const F& high, I* invalid) {
  for (int i = 0; i < 16; ++i) invalid->lane[i] |= low.lane[i] != low.lane[i] || high.lane[i] != high.lane[i] ? -1 : 0;
  const auto clamp = [](float x) { return x > 0 ? x < 65535 ? x : 65535.0F : 0.0F; };
  const I a = round_to_int(each([&](int i) { return clamp(low.lane[i]); })), b = round_to_int(each([&](int i) { return clamp(high.lane[i]); }));
  W words;
  for (int i = 0; i < 16; ++i) {
    words.lane[i] = static_cast<std::int16_t>(a.lane[i]);
    words.lane[16 + i] = static_cast<std::int16_t>(b.lane[i]);
  }
  return words;
}
inline bool any_negative(const I& a) {
  std::int32_t bits = 0;
  for (const std::int32_t lane : a.lane) bits |= lane;
  return bits < 0;
}
inline W repeat_word(int x) { return each_small([&](int) { return x; }); }
inline W add_words(const W& a, const W& b) { return each_small([&](int i) { return a.lane[i] + b.lane[i]; }); }
inline W sub_words(const W& a, const W& b) { return each_small([&](int i) { return a.lane[i] - b.lane[i]; }); }
inline W multiply_high(const W& a, const W& b) {
  return each_small([&](int i) { return std::uint32_t{unsigned_word(a.lane[i])} * unsigned_word(b.lane[i]) >> 16; });
}
inline W multiply_round(const W& a, const W& b) { return each_small([&](int i) { return (a.lane[i] * b.lane[i] + 0x4000) >> 15; }); }
template <unsigned n>
inline W up_words(const W& a) {
  return each_small([&](int i) { return unsigned_word(a.lane[i]) << n; });
}
template <unsigned n>
inline W down_words(const W& a) {
  return each_small([&](int i) { return unsigned_word(a.lane[i]) >> n; });
}
inline W down_words(const W& a, const W& n) {
  return each_small([&](int i) { return unsigned_word(a.lane[i]) >> n.lane[i]; });
}
inline I add2(const I& sum, const W& a) {
  return each_int([&](int i) { return sum.lane[i] + a.lane[2 * i] + a.lane[2 * i + 1]; });
}
inline I store_high_bytes(const W& even, const W& odd, std::int8_t* to_even, std::int8_t* to_odd) {
  for (int i = 0; i < 32; ++i) {
    to_even[i] = static_cast<std::int8_t>(even.lane[i] >> 8);
    to_odd[i] = static_cast<std::int8_t>(odd.lane[i] >> 8);
  }
  return each_int([&](int i) {
    const std::int8_t* four = (i < 8 ? to_even : to_odd) + 4 * (i % 8);
    return four[0] + four[1] + four[2] + four[3];
  });
}

#include "simd/byte_tables.inl"
#include "simd/tails.inl"
inline void look_up(const WindowTable& table, const StreamEnd& end, const std::uint8_t* bytes, std::size_t, unsigned behind, F* out) {
  look_up_copied(table, end, bytes, behind, out);
}
#include "simd/kernels.inl"

}  // namespace

const Kernels kScalarKernels = make_table("scalar");

}  // namespace tq
