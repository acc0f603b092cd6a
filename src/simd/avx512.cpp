// AVX-512 with F, BW, DQ, VL, VBMI, VNNI and GFNI. Includes intrinsics alone.
#include <immintrin.h>

#include "simd/targets.h"

namespace tq {
namespace {

using F = __m512;
using I = __m512i;

constexpr int kTileRows = 4, kTileVectors = 4;  // 16 of 32 registers hold sums

inline F load(const float* x) { return _mm512_loadu_ps(x); }
inline void store(F a, float* x) { _mm512_storeu_ps(x, a); }
inline __mmask16 first_lanes(std::size_t n) { return static_cast<__mmask16>((1U << n) - 1); }
inline F load_tail(const float* x, std::size_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), x); }
inline void store_tail(F a, std::size_t n, float* x) { _mm512_mask_storeu_ps(x, first_lanes(n), a); }
inline F broadcast(float x) { return _mm512_set1_ps(x); }
inline I broadcast(int x) { return _mm512_set1_epi32(x); }
inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F divide(F a, F b) { return _mm512_div_ps(a, b); }
inline F max(F a, F b) { return _mm512_max_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }

template <int h>
inline F swap(F a) {
  if constexpr (h == 1) return _mm512_permute_ps(a, 0xB1);  // 1 0 3 2
  if constexpr (h == 2) return _mm512_permute_ps(a, 0x4E);  // 2 3 0 1
  if constexpr (h == 4) return _mm512_shuffle_f32x4(a, a, 0xB1);
  if constexpr (h == 8) return _mm512_shuffle_f32x4(a, a, 0x4E);
}
template <int h>
inline F sign() {
  constexpr unsigned kLanesWithBit = h == 1 ? 0xAAAA : h == 2 ? 0xCCCC : h == 4 ? 0xF0F0 : 0xFF00;
  return _mm512_mask_blend_ps(static_cast<__mmask16>(kLanesWithBit), _mm512_set1_ps(1.0F), _mm512_set1_ps(-1.0F));
}

template <int h, bool with>
inline F take_swapped(F a, F b) {
  constexpr unsigned kLanesWithBit = h == 1 ? 0xAAAA : h == 2 ? 0xCCCC : h == 4 ? 0xF0F0 : 0xFF00;
  constexpr auto kMask = static_cast<__mmask16>(with ? kLanesWithBit : ~kLanesWithBit & 0xFFFFU);
  if constexpr (h == 1) return _mm512_mask_permute_ps(a, kMask, b, 0xB1);
  if constexpr (h == 2) return _mm512_mask_permute_ps(a, kMask, b, 0x4E);
  if constexpr (h == 4) return _mm512_mask_shuffle_f32x4(a, kMask, b, b, 0xB1);
  if constexpr (h == 8) return _mm512_mask_shuffle_f32x4(a, kMask, b, b, 0x4E);
}

inline __m128 half_add(__m256 a) { return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1)); }
inline float reduce_add(F a) {
  const __m128 four = half_add(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F a) { return _mm512_reduce_max_ps(a); }

inline I load_u8(const void* bytes) { return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(bytes))); }
inline I load_i8(const void* bytes) { return _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(bytes))); }
inline I load_u16(const void* bytes) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(bytes))); }
inline void store_u16(I a, void* bytes) { _mm256_storeu_si256(static_cast<__m256i*>(bytes), _mm512_cvtepi32_epi16(a)); }
inline F load_f16(const void* bytes) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(bytes))); }
inline F broadcast_f16(const void* bytes) {
  short half = 0;
  __builtin_memcpy(&half, bytes, sizeof half);
  return _mm512_cvtph_ps(_mm256_set1_epi16(half));
}
inline void store_f16(F a, void* bytes) {
  _mm256_storeu_si256(static_cast<__m256i*>(bytes), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline I add(I a, I b) { return _mm512_add_epi32(a, b); }
template <int n>
inline I shift_left(I a) {
  return _mm512_slli_epi32(a, n);
}
template <int n>
inline I shift_right(I a) {
  return _mm512_srli_epi32(a, n);
}
inline I bit_and(I a, I b) { return _mm512_and_si512(a, b); }
inline I bit_or(I a, I b) { return _mm512_or_si512(a, b); }
inline F to_float(I a) { return _mm512_cvtepi32_ps(a); }
inline I round_to_int(F a) { return _mm512_cvtps_epi32(a); }
inline I as_int(F a) { return _mm512_castps_si512(a); }
inline F as_float(I a) { return _mm512_castsi512_ps(a); }
inline I add_if_greater(I k, F x, F b, int step) {
  return _mm512_mask_add_epi32(k, _mm512_cmp_ps_mask(x, b, _CMP_GT_OQ), k, _mm512_set1_epi32(step));
}
inline I if_nan(F x, I a, I b) { return _mm512_mask_blend_epi32(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), b, a); }

/// Up to 256 entries live in registers: a gather takes longer than eight permutations.
struct Table {
  Table(const float* values, std::size_t n) : entries(values), registers((n + 15) / 16) {
    if (registers > kMost) return;
    for (std::size_t r = 0; r < registers; ++r) {
      const std::size_t here = n - 16 * r;
      parts[r] = _mm512_maskz_loadu_ps(static_cast<__mmask16>(here >= 16 ? 0xFFFFU : (1U << here) - 1U), entries + 16 * r);
    }
  }
  static constexpr std::size_t kMost = 16;
  const float* entries;
  std::size_t registers;
  F parts[kMost];  // the first `registers` of them
};
/// Of 2^bits entries from `parts` on, two registers at a time by 5 bits of the index, then by each further bit.
template <unsigned bits>
inline F look_up_part(const F* parts, I index) {
  if constexpr (bits == 5) {
    return _mm512_permutex2var_ps(parts[0], index, parts[1]);
  } else {
    const __mmask16 upper = _mm512_test_epi32_mask(index, _mm512_set1_epi32(1 << (bits - 1)));
    return _mm512_mask_blend_ps(upper, look_up_part<bits - 1>(parts, index), look_up_part<bits - 1>(parts + (1U << bits) / 32, index));
  }
}
inline F look_up(const Table& table, I index) {
  if (table.registers <= 1) return _mm512_permutexvar_ps(index, table.parts[0]);
  if (table.registers <= 2) return look_up_part<5>(table.parts, index);
  if (table.registers <= 4) return look_up_part<6>(table.parts, index);
  if (table.registers <= 8) return look_up_part<7>(table.parts, index);
  if (table.registers <= Table::kMost) return look_up_part<8>(table.parts, index);
  return _mm512_i32gather_ps(index, table.entries, sizeof(float));
}

/// Where the 16 codes of 2·bits bytes begin: the first of the four bytes that hold each of them, and the bit in it.
struct CodePlaces {
  alignas(64) std::uint8_t bytes[64];
  alignas(64) std::uint32_t down[16];
};
struct AllCodePlaces {
  constexpr AllCodePlaces() {
    for (unsigned bits = 1; bits < 10; ++bits) {
      for (unsigned i = 0; i < 16; ++i) {
        for (unsigned j = 0; j < 4; ++j) of[bits].bytes[4 * i + j] = static_cast<std::uint8_t>(i * bits / 8 + j);
        of[bits].down[i] = i * bits % 8;
      }
    }
  }
  CodePlaces of[10] = {};
};
constexpr AllCodePlaces kCodePlaces;

/// vpermb brings the four bytes from each code's first bit on into its lane, a shift brings the code down.
struct Unpacker {
  explicit Unpacker(unsigned bits)
      : windows(_mm512_load_si512(kCodePlaces.of[bits].bytes)), shifts(_mm512_load_si512(kCodePlaces.of[bits].down)),
        mask(_mm512_set1_epi32(static_cast<int>((1U << bits) - 1))) {}
  I windows, shifts, mask;
};
inline I unpack(const Unpacker& unpacker, const std::uint8_t* bytes) {
  const I stream = _mm512_castsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  return _mm512_and_si512(_mm512_srlv_epi32(_mm512_permutexvar_epi8(unpacker.windows, stream), unpacker.shifts), unpacker.mask);
}

inline I min(I a, I b) { return _mm512_min_epi32(a, b); }
inline I max(I a, I b) { return _mm512_max_epi32(a, b); }
inline I merge(I mask, I a, I b) { return _mm512_ternarylogic_epi32(mask, a, b, 0xCA); }
inline F spread(const float* x, I index) { return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(_mm256_loadu_ps(x))); }

/// The product of a byte with this matrix of bits turns a window of 8 bits, which stands turned left by `shift`, back and folds it to the 7
/// bits that vpermi2b takes.
constexpr std::uint64_t fold_of(unsigned mirror, unsigned shift) {
  std::uint64_t rows = 0;
  for (unsigned bit = 0; bit < 7; ++bit) {
    const std::uint64_t row = 1U << (bit + shift) % 8 | (mirror >> bit & 1U) << (7 + shift) % 8;
    rows |= row << 8 * (7 - bit);  // the first row gives bit 7, which nothing looks at
  }
  return rows;
}

/// Eight windows lie within 8 bytes of the stream. vpermb brings these into each lane of 64 bits, vpmultishiftqb takes 8 bits from
/// anywhere in it, and four registers are the table. A ninth bit of a window chooses between two such tables.
struct WindowTable {
  WindowTable(const WindowValues& values, unsigned bits) : wide(values.bits > 8) {
    alignas(64) std::uint8_t bytes[64], starts[64];
    for (unsigned i = 0; i < 64; ++i) {
      bytes[i] = static_cast<std::uint8_t>(i / 8 * bits + i % 8);
      starts[i] = static_cast<std::uint8_t>(i % 8 * bits);
    }
    source = _mm512_load_si512(bytes);
    first_bit = _mm512_load_si512(starts);
    mask = _mm512_set1_epi8(static_cast<char>(values.bits < 8 ? (1U << values.bits) - 1 : 0xFFU));
    const unsigned registers = values.bits > 6 ? 1U << (values.bits - 6) : 1U;
    for (unsigned r = 0; r < 8; ++r) {
      entries[r] = r >= registers    ? _mm512_setzero_si512()
                   : values.bits < 6 ? _mm512_maskz_loadu_epi8((std::uint64_t{1} << (1U << values.bits)) - 1, values.table)
                                     : _mm512_loadu_si512(values.table + 64 * r);
    }
  }
  bool wide;
  I source, first_bit, mask;
  I entries[8];
};
/// Two registers, of a table with a mirror.
struct MirroredWindowTable : WindowTable {
  MirroredWindowTable(const WindowValues& values, unsigned bits)
      : WindowTable(values, bits), fold(_mm512_set1_epi64(static_cast<long long>(fold_of(values.mirror, 0)))) {}
  I fold;
};
template <class Take>
inline void with_window_table(const WindowValues& values, unsigned bits, Take take) {
  if (values.mirror != 0) return take(MirroredWindowTable(values, bits));
  take(WindowTable(values, bits));
}
inline I look_up_256(const I* entries, I index) {
  const I low = _mm512_permutex2var_epi8(entries[0], index, entries[1]), high = _mm512_permutex2var_epi8(entries[2], index, entries[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
}
inline I look_up_runs(const MirroredWindowTable& table, I runs) {
  const I windows = _mm512_multishift_epi64_epi8(table.first_bit, runs);
  return _mm512_permutex2var_epi8(table.entries[0], _mm512_gf2p8affine_epi64_epi8(windows, table.fold, 0), table.entries[1]);
}
inline I look_up_runs(const WindowTable& table, I runs) {
  const I index = _mm512_and_si512(_mm512_multishift_epi64_epi8(table.first_bit, runs), table.mask), values = look_up_256(table.entries, index);
  if (!table.wide) return values;
  const I shifted = _mm512_multishift_epi64_epi8(_mm512_add_epi8(table.first_bit, _mm512_set1_epi8(1)), runs);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(shifted), values, look_up_256(table.entries + 4, index));
}
inline void to_floats(I values, F* out) {
  out[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_castsi512_si128(values)));
  out[1] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(values, 1)));
  out[2] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(values, 2)));
  out[3] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm512_extracti32x4_epi32(values, 3)));
}
template <class Table>
inline void look_up(const Table& table, const std::uint8_t* bytes, F* out) {
  to_floats(look_up_runs(table, _mm512_permutexvar_epi8(table.source, _mm512_loadu_si512(bytes))), out);
}
/// Bytes behind the n of a stream come out of a second register.
struct StreamEnd {
  StreamEnd(const WindowTable& table, std::size_t bytes) : n(bytes), there(bytes < 64 ? (std::uint64_t{1} << bytes) - 1 : ~std::uint64_t{0}), source(table.source) {
    if (n >= 64) return;
    const I second = _mm512_sub_epi8(_mm512_set1_epi8(64), _mm512_set1_epi8(static_cast<char>(n)));
    source = _mm512_mask_add_epi8(source, _mm512_cmpge_epu8_mask(source, _mm512_set1_epi8(static_cast<char>(n))), source, second);
  }
  std::size_t n;
  std::uint64_t there;
  I source;
};
template <class Table>
inline void look_up(const Table& table, const StreamEnd& end, const std::uint8_t* bytes, std::size_t, unsigned behind, F* out) {
  const I stream = _mm512_maskz_loadu_epi8(end.there, bytes), next = _mm512_set1_epi16(static_cast<short>(behind));
  to_floats(look_up_runs(table, _mm512_permutex2var_epi8(stream, end.source, next)), out);
}

inline void store_i8(I a, void* bytes) { _mm_storeu_si128(static_cast<__m128i*>(bytes), _mm512_cvtepi32_epi8(a)); }

/// The lowest bytes of 32 integers.
struct LowBytes {
  constexpr LowBytes() {
    for (unsigned i = 0; i < 32; ++i) at[i] = static_cast<std::uint8_t>(4 * i);  // bit 6: of the second register
  }
  alignas(32) std::uint8_t at[32] = {};
};
constexpr LowBytes kLowBytes;
inline void store_i8(I low, I high, void* bytes) {
  const I index = _mm512_castsi256_si512(_mm256_load_si256(reinterpret_cast<const __m256i*>(kLowBytes.at)));
  _mm256_storeu_si256(static_cast<__m256i*>(bytes), _mm512_castsi512_si256(_mm512_permutex2var_epi8(low, index, high)));
}

using B = __m512i;
inline bool foresees_reading() { return __builtin_cpu_is("amd") != 0; }
constexpr std::size_t kQueryTile = 8;
constexpr int kBlockTile = 2;  // 16 of 32 registers hold sums
constexpr unsigned kCheapLookup = 6;
constexpr int kDotBias = 128;  // vpdpbusd multiplies unsigned by signed bytes

inline B load_bytes(const std::uint8_t* bytes) { return _mm512_loadu_si512(bytes); }
/// The compiler folds a load into each shift of what was loaded, and one load of 64 bytes a cycle is all there is.
inline B load_once(const std::uint8_t* bytes) {
  B loaded = _mm512_loadu_si512(bytes);
  __asm__("" : "+v"(loaded));
  return loaded;
}
template <unsigned n>
inline B down(B a) {
  return _mm512_srli_epi32(a, n);
}
template <unsigned n>
inline B up(B a) {
  return _mm512_slli_epi32(a, n);
}
template <unsigned mask>
inline B keep(B a) {
  return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask)));
}
template <unsigned mask>
inline B pick(B a, B b) {
  return _mm512_ternarylogic_epi32(_mm512_set1_epi8(static_cast<char>(mask)), a, b, 0xCA);
}

/// vpermb takes 6 bits of each index and does not see the others: codes that lie within them, from bit 0, bits, 2 · bits on, have a table
/// of 64 entries each and are looked up where they stand.
template <unsigned bits>
struct ByteTable {
  static constexpr unsigned kPlaces = 6 / bits;
  explicit ByteTable(const std::int8_t* values) {
    const B count = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34,
                                    33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3,
                                    2, 1, 0);
    const B once = _mm512_xor_si512(_mm512_maskz_loadu_epi8(bits < 6 ? (std::uint64_t{1} << (1U << bits % 6)) - 1 : ~std::uint64_t{0}, values),
                                    _mm512_set1_epi8(-128));  // + kDotBias
    for (unsigned place = 0; place < kPlaces; ++place) {
      const B code = _mm512_and_si512(_mm512_srli_epi32(count, place * bits), _mm512_set1_epi8((1U << bits) - 1));
      entries[place] = _mm512_permutexvar_epi8(code, once);
    }
  }
  B entries[kPlaces];
};
template <unsigned bits>
inline B look_up(const ByteTable<bits>& table, B index) {
  return _mm512_permutexvar_epi8(index, table.entries[0]);
}
template <unsigned at, unsigned bits>
inline B look_up_at(const ByteTable<bits>& table, B word) {
  if constexpr (at % bits == 0 && at / bits < ByteTable<bits>::kPlaces) {
    return _mm512_permutexvar_epi8(word, table.entries[at / bits]);
  } else {
    return look_up(table, down<at>(word));
  }
}
/// 128 values: vpermi2b takes 7 bits of each index.
template <>
struct ByteTable<7> {
  explicit ByteTable(const std::int8_t* values) {
    for (int i = 0; i < 2; ++i) entries[i] = _mm512_xor_si512(_mm512_loadu_si512(values + 64 * i), _mm512_set1_epi8(-128));  // + kDotBias
  }
  B entries[2];
};
template <>
inline B look_up(const ByteTable<7>& table, B index) {
  return _mm512_permutex2var_epi8(table.entries[0], index, table.entries[1]);
}
/// 256 values: two vpermi2b look 7 bits up, the eighth one chooses.
template <>
struct ByteTable<8> {
  explicit ByteTable(const std::int8_t* values) {
    for (int i = 0; i < 4; ++i) entries[i] = _mm512_xor_si512(_mm512_loadu_si512(values + 64 * i), _mm512_set1_epi8(-128));  // + kDotBias
  }
  B entries[4];
};
template <>
inline B look_up(const ByteTable<8>& table, B index) {
  return look_up_256(table.entries, index);
}
struct MirroredTable {
  MirroredTable(const std::int8_t* values, std::uint8_t mirror) : half(values) {
    for (unsigned shift = 0; shift < 8; ++shift) folds[shift] = fold_of(mirror, shift);
  }
  ByteTable<7> half;
  std::uint64_t folds[8];  ///< for windows turned left by 0 to 7 bits
};
template <unsigned shift>
inline B look_up_turned(const MirroredTable& table, B turned) {
  return look_up(table.half, _mm512_gf2p8affine_epi64_epi8(turned, _mm512_set1_epi64(static_cast<long long>(table.folds[shift])), 0));
}
inline B choose(B bits, B a, B b) { return _mm512_mask_blend_epi8(_mm512_test_epi8_mask(bits, _mm512_set1_epi8(1)), a, b); }

struct Nibbles {
  explicit Nibbles(B bytes) : index(_mm512_ternarylogic_epi32(bytes, _mm512_set1_epi8(15), _mm512_set1_epi32(0x30201000), 0xEA)) {}
  B index;
};
inline B look_up(const std::uint8_t* entries, Nibbles nibbles) { return _mm512_permutexvar_epi8(nibbles.index, _mm512_loadu_si512(entries)); }
inline B add_bytes(B a, B b) { return _mm512_add_epi8(a, b); }
inline I add4(I sum, B bytes) { return _mm512_dpbusd_epi32(sum, bytes, _mm512_set1_epi8(1)); }

inline B repeat_four(const std::int8_t* bytes) {
  int four = 0;
  __builtin_memcpy(&four, bytes, sizeof four);
  return _mm512_set1_epi32(four);
}
inline I dot4(I sum, B values, B query) { return _mm512_dpbusd_epi32(sum, values, query); }
inline I dot4(I sum, B values, const std::int8_t* query) { return dot4(sum, values, repeat_four(query)); }
inline unsigned mask_greater(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }

using W = __m512i;
inline W words_of_bytes(const unsigned char* bytes) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
}
inline W words_of_nibbles(const unsigned char* bytes) {
  const __m256i low = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  const W both = _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_srli_epi16(low, 4), 1);
  return _mm512_sub_epi16(_mm512_and_si512(both, _mm512_set1_epi16(15)), _mm512_set1_epi16(8));
}
inline I dot2(W a, const std::int16_t* b) { return _mm512_madd_epi16(a, _mm512_loadu_si512(b)); }
/// With their signs, as words.
inline W even_bytes(B a) { return _mm512_srai_epi16(_mm512_slli_epi16(a, 8), 8); }
inline W odd_bytes(B a) { return _mm512_srai_epi16(a, 8); }
inline I add_products(I sum, W a, const std::int16_t* two) {
  int pair = 0;
  __builtin_memcpy(&pair, two, sizeof pair);
  return _mm512_dpwssd_epi32(sum, a, _mm512_set1_epi32(pair));
}

/// Rows stand as vpackusdw mixes them: by quarters of a register, four of the low ones, then four of the high ones.
inline W round_to_words(F low, F high, I* invalid) {
  const I a = round_to_int(low), b = round_to_int(high);  // INT_MIN where they cannot
  *invalid = _mm512_ternarylogic_epi32(*invalid, a, b, 0xFE);
  return _mm512_packus_epi32(a, b);
}
inline bool any_negative(I a) { return _mm512_movepi32_mask(a) != 0; }
inline W repeat_word(int x) { return _mm512_set1_epi16(static_cast<short>(x)); }
inline W add_words(W a, W b) { return _mm512_add_epi16(a, b); }
inline W sub_words(W a, W b) { return _mm512_sub_epi16(a, b); }
inline W multiply_high(W a, W b) { return _mm512_mulhi_epu16(a, b); }
inline W multiply_round(W a, W b) { return _mm512_mulhrs_epi16(a, b); }
template <unsigned n>
inline W up_words(W a) {
  return _mm512_slli_epi16(a, n);
}
template <unsigned n>
inline W down_words(W a) {
  return _mm512_srli_epi16(a, n);
}
inline W down_words(W a, W n) { return _mm512_srlv_epi16(a, n); }
inline I add2(I sum, W a) { return _mm512_dpwssd_epi32(sum, a, _mm512_set1_epi16(1)); }

/// The higher bytes of 64 mixed words, in the order of rows.
struct HighBytes {
  constexpr HighBytes() {
    for (unsigned i = 0; i < 64; ++i) {
      const unsigned row = i % 32, word = row % 16 / 4 * 8 + row / 16 * 4 + row % 4;
      at[i] = static_cast<std::uint8_t>(i / 32 * 64 + 2 * word + 1);
    }
  }
  alignas(64) std::uint8_t at[64] = {};
};
constexpr HighBytes kHighBytes;
inline I store_high_bytes(W even, W odd, std::int8_t* to_even, std::int8_t* to_odd) {
  const I bytes = _mm512_permutex2var_epi8(even, _mm512_load_si512(kHighBytes.at), odd);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to_even), _mm512_castsi512_si256(bytes));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to_odd), _mm512_extracti64x4_epi64(bytes, 1));
  return _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
}

#include "simd/kernels.inl"

}  // namespace

const Kernels kAvx512Kernels = make_table("avx512");

}  // namespace tq
