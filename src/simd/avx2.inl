// AVX2 with FMA and F16C. A vector of 16 lanes is two registers: lanes 0 to 7 and 8 to 15. A part of avx2.cpp and of avxvnni.cpp, which have
// products of integers of their own, on one register each:
//   add_bytes4(sum, a, b)     sum + Σ of 4 products of unsigned with signed bytes, of which neighbours fit 16 bits
//   add_products4(sum, v, q)  … of v, as look_up() gives it, with signed bytes; kDotBias
//   add_products2(sum, a, b)  … of 2 products of words

struct F {
  __m256 low, high;
};
struct I {
  __m256i low, high;
};

constexpr int kTileRows = 2, kTileVectors = 2;  // 8 of 16 registers hold sums

inline F load(const float* x) { return {_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }
inline void store(F a, float* x) {
  _mm256_storeu_ps(x, a.low);
  _mm256_storeu_ps(x + 8, a.high);
}
inline F broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline I broadcast(int x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline F add(F a, F b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
inline F sub(F a, F b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
inline F mul(F a, F b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
inline F divide(F a, F b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
inline F max(F a, F b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
inline F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)}; }

template <int h>
inline F swap(F a) {
  if constexpr (h == 1) return {_mm256_permute_ps(a.low, 0xB1), _mm256_permute_ps(a.high, 0xB1)};  // 1 0 3 2
  if constexpr (h == 2) return {_mm256_permute_ps(a.low, 0x4E), _mm256_permute_ps(a.high, 0x4E)};  // 2 3 0 1
  if constexpr (h == 4) return {_mm256_permute2f128_ps(a.low, a.low, 1), _mm256_permute2f128_ps(a.high, a.high, 1)};
  if constexpr (h == 8) return {a.high, a.low};
}
template <int h>
inline F sign() {
  const __m256 plus = _mm256_set1_ps(1.0F), minus = _mm256_set1_ps(-1.0F);
  if constexpr (h == 8) return {plus, minus};
  constexpr int kLanesWithBit = h == 1 ? 0xAA : h == 2 ? 0xCC : 0xF0;
  const __m256 signs = _mm256_blend_ps(plus, minus, kLanesWithBit & 0xFF);
  return {signs, signs};
}

template <int h, bool with>
inline F take_swapped(F a, F b) {
  if constexpr (h == 8) return with ? F{a.low, b.low} : F{b.high, a.high};
  constexpr int kLanesWithBit = h == 1 ? 0xAA : h == 2 ? 0xCC : 0xF0, kMask = with ? kLanesWithBit & 0xFF : ~kLanesWithBit & 0xFF;
  const F swapped = swap<h>(b);
  return {_mm256_blend_ps(a.low, swapped.low, kMask), _mm256_blend_ps(a.high, swapped.high, kMask)};
}

inline float reduce_add(F a) {
  const __m256 eight = _mm256_add_ps(a.low, a.high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float reduce_max(F a) {
  const __m256 eight = _mm256_max_ps(a.low, a.high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline __m128i eight_bytes(const void* bytes, int offset) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(static_cast<const unsigned char*>(bytes) + offset));
}
inline __m128i sixteen_bytes(const void* bytes, int offset) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const unsigned char*>(bytes) + offset));
}
inline I load_u8(const void* bytes) {
  return {_mm256_cvtepu8_epi32(eight_bytes(bytes, 0)), _mm256_cvtepu8_epi32(eight_bytes(bytes, 8))};
}
inline I load_i8(const void* bytes) {
  return {_mm256_cvtepi8_epi32(eight_bytes(bytes, 0)), _mm256_cvtepi8_epi32(eight_bytes(bytes, 8))};
}
inline I load_u16(const void* bytes) {
  return {_mm256_cvtepu16_epi32(sixteen_bytes(bytes, 0)), _mm256_cvtepu16_epi32(sixteen_bytes(bytes, 16))};
}
/// packus works within halves of a register: quarters come out as 0 2 1 3.
inline void store_u16(I a, void* bytes) {
  const __m256i mask = _mm256_set1_epi32(0xFFFF);
  const __m256i mixed = _mm256_packus_epi32(_mm256_and_si256(a.low, mask), _mm256_and_si256(a.high, mask));
  _mm256_storeu_si256(static_cast<__m256i*>(bytes), _mm256_permute4x64_epi64(mixed, 0xD8));
}
inline F load_f16(const void* bytes) {
  return {_mm256_cvtph_ps(sixteen_bytes(bytes, 0)), _mm256_cvtph_ps(sixteen_bytes(bytes, 16))};
}
inline F broadcast_f16(const void* bytes) {
  short half = 0;
  __builtin_memcpy(&half, bytes, sizeof half);
  const __m256 eight = _mm256_cvtph_ps(_mm_set1_epi16(half));
  return {eight, eight};
}
inline void store_f16(F a, void* bytes) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm256_storeu_si256(static_cast<__m256i*>(bytes),
                      _mm256_set_m128i(_mm256_cvtps_ph(a.high, kNearest), _mm256_cvtps_ph(a.low, kNearest)));
}

inline I add(I a, I b) { return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
template <int n>
inline I shift_left(I a) {
  return {_mm256_slli_epi32(a.low, n), _mm256_slli_epi32(a.high, n)};
}
template <int n>
inline I shift_right(I a) {
  return {_mm256_srli_epi32(a.low, n), _mm256_srli_epi32(a.high, n)};
}
inline I bit_and(I a, I b) { return {_mm256_and_si256(a.low, b.low), _mm256_and_si256(a.high, b.high)}; }
inline I bit_or(I a, I b) { return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)}; }
inline F to_float(I a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
inline I round_to_int(F a) { return {_mm256_cvtps_epi32(a.low), _mm256_cvtps_epi32(a.high)}; }
inline I as_int(F a) { return {_mm256_castps_si256(a.low), _mm256_castps_si256(a.high)}; }
inline F as_float(I a) { return {_mm256_castsi256_ps(a.low), _mm256_castsi256_ps(a.high)}; }

/// All bits where x > b: subtracting −1 adds 1, and the step is a power of two times that.
inline __m256i step_where_greater(__m256 x, __m256 b, int step) {
  return _mm256_and_si256(_mm256_castps_si256(_mm256_cmp_ps(x, b, _CMP_GT_OQ)), _mm256_set1_epi32(step));
}
inline I add_if_greater(I k, F x, F b, int step) {
  return add(k, I{step_where_greater(x.low, b.low, step), step_where_greater(x.high, b.high, step)});
}
inline __m256i blend_nan(__m256 x, __m256i a, __m256i b) {
  const __m256 is_nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
  return _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(b), _mm256_castsi256_ps(a), is_nan));
}
inline I if_nan(F x, I a, I b) { return {blend_nan(x.low, a.low, b.low), blend_nan(x.high, a.high, b.high)}; }

/// Up to 16 entries live in two registers; more are gathered.
struct Table {
  Table(const float* values, std::size_t n) : entries(values), in_registers(n <= 16) {
    if (!in_registers) return;
    float padded[16] = {};
    __builtin_memcpy(padded, entries, n * sizeof(float));
    low = _mm256_loadu_ps(padded);
    high = _mm256_loadu_ps(padded + 8);
  }
  const float* entries;
  bool in_registers;
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
};
inline __m256 look_up_eight(const Table& table, __m256i index) {
  if (!table.in_registers) return _mm256_i32gather_ps(table.entries, index, sizeof(float));
  // Bit 3 of the index, moved to the sign, chooses between the registers.
  const __m256 which = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table.low, index), _mm256_permutevar8x32_ps(table.high, index), which);
}
inline F look_up(const Table& table, I index) { return {look_up_eight(table, index.low), look_up_eight(table, index.high)}; }

/// Eight codes fill `bits` bytes. pshufb brings the four bytes from each code's first bit on into its lane, a shift brings the
/// code down. `width` bits of it are kept: more than `bits` for the window of a trellis.
struct Unpacker {
  explicit Unpacker(unsigned stride) : Unpacker(stride, stride) {}
  Unpacker(unsigned stride, unsigned width) : bits(stride) {
    alignas(32) std::uint8_t bytes[32];
    alignas(32) std::uint32_t down[8];
    for (unsigned i = 0; i < 8; ++i) {
      for (unsigned j = 0; j < 4; ++j) bytes[4 * i + j] = static_cast<std::uint8_t>(i * bits / 8 + j);
      down[i] = i * bits % 8;
    }
    windows = _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes));
    shifts = _mm256_load_si256(reinterpret_cast<const __m256i*>(down));
    mask = _mm256_set1_epi32(static_cast<int>((1U << width) - 1));
  }
  unsigned bits;
  __m256i windows, shifts, mask;
};
inline __m256i unpack_eight(const Unpacker& unpacker, const std::uint8_t* bytes) {
  const __m256i stream = _mm256_broadcastsi128_si256(sixteen_bytes(bytes, 0));
  return _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(stream, unpacker.windows), unpacker.shifts), unpacker.mask);
}
inline I unpack(const Unpacker& unpacker, const std::uint8_t* bytes) {
  return {unpack_eight(unpacker, bytes), unpack_eight(unpacker, bytes + unpacker.bits)};
}

inline I min(I a, I b) { return {_mm256_min_epi32(a.low, b.low), _mm256_min_epi32(a.high, b.high)}; }
inline I max(I a, I b) { return {_mm256_max_epi32(a.low, b.low), _mm256_max_epi32(a.high, b.high)}; }
inline __m256i merge_half(__m256i mask, __m256i a, __m256i b) {
  return _mm256_or_si256(_mm256_and_si256(mask, a), _mm256_andnot_si256(mask, b));
}
inline I merge(I mask, I a, I b) { return {merge_half(mask.low, a.low, b.low), merge_half(mask.high, a.high, b.high)}; }
inline F spread(const float* x, I index) {
  const __m256 eight = _mm256_loadu_ps(x);
  return {_mm256_permutevar8x32_ps(eight, index.low), _mm256_permutevar8x32_ps(eight, index.high)};
}

/// A gather reads four bytes, of which the first is the value.
struct WindowTable {
  WindowTable(const WindowValues& values, unsigned bits) : entries(values.table), windows(bits, values.bits) {}
  const std::int8_t* entries;
  Unpacker windows;
};
inline __m256 look_up_windows(const WindowTable& table, const std::uint8_t* bytes) {
  const __m256i four = _mm256_i32gather_epi32(reinterpret_cast<const int*>(table.entries), unpack_eight(table.windows, bytes), 1);
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(four, 24), 24));
}
inline void look_up(const WindowTable& table, const std::uint8_t* bytes, F* out) {
  const unsigned bits = table.windows.bits;
  for (unsigned i = 0; i < 4; ++i, bytes += 2 * bits) out[i] = {look_up_windows(table, bytes), look_up_windows(table, bytes + bits)};
}

/// The lowest bytes: pshufb brings four of each half together.
inline void store_i8(I a, void* bytes) {
  constexpr char n = -128;
  const __m256i from_low = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, n, n, n, n, n, n, n, n, n, n, n, n));
  const __m256i from_high = _mm256_broadcastsi128_si256(_mm_setr_epi8(n, n, n, n, 0, 4, 8, 12, n, n, n, n, n, n, n, n));
  const __m256i mixed = _mm256_or_si256(_mm256_shuffle_epi8(a.low, from_low), _mm256_shuffle_epi8(a.high, from_high));
  const __m256i ordered = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 2, 2, 2));
  _mm_storeu_si128(static_cast<__m128i*>(bytes), _mm256_castsi256_si128(ordered));
}
inline void store_i8(I low, I high, void* bytes) {
  const __m256i all = _mm256_packs_epi16(_mm256_packs_epi32(low.low, low.high), _mm256_packs_epi32(high.low, high.high));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packs goes by halves
  _mm256_storeu_si256(static_cast<__m256i*>(bytes), _mm256_permutevar8x32_epi32(all, order));
}

struct B {
  __m256i low, high;
};
inline bool foresees_reading() { return __builtin_cpu_is("amd") != 0; }
constexpr int kBlockTile = 1;

inline B load_bytes(const std::uint8_t* bytes) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32))};
}
template <unsigned n>
inline B down(B a) {
  return {_mm256_srli_epi32(a.low, n), _mm256_srli_epi32(a.high, n)};
}
template <unsigned n>
inline B up(B a) {
  return {_mm256_slli_epi32(a.low, n), _mm256_slli_epi32(a.high, n)};
}
template <unsigned mask>
inline B keep(B a) {
  const __m256i bits = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_and_si256(a.low, bits), _mm256_and_si256(a.high, bits)};
}
template <unsigned mask>
inline B pick(B a, B b) {
  const __m256i bits = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_or_si256(_mm256_and_si256(a.low, bits), _mm256_andnot_si256(bits, b.low)),
          _mm256_or_si256(_mm256_and_si256(a.high, bits), _mm256_andnot_si256(bits, b.high))};
}

/// pshufb takes 4 bits of each index and gives 0 where its sign bit is set. Up to 7 bits register k knows by which bits the entries 16·k … differ
/// from those 16 further down: index − 16·k has its sign bit set where k is too high, so that the others' differences, put together, are the
/// entry. Of 8 bits each register knows its entries, and the high half of the index chooses among them, its lowest bit first.
template <unsigned bits>
struct ByteTable {
  static constexpr std::size_t kSixteens = bits < 4 ? 1 : (std::size_t{1} << bits) / 16;

  explicit ByteTable(const std::int8_t* values) {
    std::int8_t once[16];
    for (std::size_t i = 0; i < 16; ++i) once[i] = values[i % (std::size_t{1} << bits)];
    const __m128i bias = _mm_set1_epi8(kDotBias == 0 ? 0 : -128);
    sixteens[0] = _mm_xor_si128(sixteen_bytes(once, 0), bias);
    for (std::size_t k = 1; k < kSixteens; ++k) {
      const int at = static_cast<int>(16 * k);
      sixteens[k] = _mm_xor_si128(sixteen_bytes(values, at), bits == 8 ? bias : sixteen_bytes(values, at - 16));
    }
  }
  __m256i at(std::size_t k) const { return _mm256_broadcastsi128_si256(sixteens[k]); }

  __m128i sixteens[kSixteens];
};
template <unsigned level>
__attribute__((always_inline)) inline __m256i choose_entries(const ByteTable<8>& table, std::size_t first, __m256i low_half, __m256i index) {
  if constexpr (level == 0) {
    return _mm256_shuffle_epi8(table.at(first), low_half);
  } else {
    const __m256i bit = _mm256_slli_epi16(index, 4 - level);  // bit 3 + level becomes the sign of its byte
    constexpr std::size_t kHalf = std::size_t{1} << (level - 1);
    return _mm256_blendv_epi8(choose_entries<level - 1>(table, first, low_half, index), choose_entries<level - 1>(table, first + kHalf, low_half, index), bit);
  }
}
template <unsigned bits>
__attribute__((always_inline)) inline __m256i look_up(const ByteTable<bits>& table, __m256i index) {
  const __m256i masked = _mm256_and_si256(index, _mm256_set1_epi8(bits <= 4 || bits == 8 ? 15 : (1 << bits) - 1));
  if constexpr (bits == 8) {
    return choose_entries<4>(table, 0, masked, index);
  } else {
    __m256i entries = _mm256_shuffle_epi8(table.at(0), masked);
#pragma GCC unroll 8
    for (std::size_t k = 1; k < ByteTable<bits>::kSixteens; ++k) {
      const __m256i within = _mm256_sub_epi8(masked, _mm256_set1_epi8(static_cast<char>(16 * k)));
      entries = _mm256_xor_si256(entries, _mm256_shuffle_epi8(table.at(k), within));
    }
    return entries;
  }
}
template <unsigned bits>
inline B look_up(const ByteTable<bits>& table, B index) {
  return {look_up(table, index.low), look_up(table, index.high)};
}
inline B flip_if_negative(B a, std::uint8_t flipped) {
  const auto half = [&](__m256i x) {
    const __m256i negative = _mm256_cmpgt_epi8(_mm256_setzero_si256(), x);
    return _mm256_xor_si256(x, _mm256_and_si256(negative, _mm256_set1_epi8(static_cast<char>(flipped))));
  };
  return {half(a.low), half(a.high)};
}
inline B choose(B bits, B a, B b) {
  const auto half = [](__m256i bit, __m256i x, __m256i y) { return _mm256_blendv_epi8(x, y, _mm256_slli_epi16(bit, 7)); };
  return {half(bits.low, a.low, b.low), half(bits.high, a.high, b.high)};
}
/// pshufb looks up in 16 entries and gives 0 for an index with its sign bit set: that of each byte's three other tables.
struct Nibbles {
  explicit Nibbles(B bytes) {
    for (int j = 0; j < 4; ++j) {
      const __m256i mask = _mm256_set1_epi32(15 << 8 * j), none = _mm256_andnot_si256(_mm256_set1_epi32(0xFF << 8 * j), _mm256_set1_epi8(-128));
      low[j] = _mm256_or_si256(_mm256_and_si256(bytes.low, mask), none);
      high[j] = _mm256_or_si256(_mm256_and_si256(bytes.high, mask), none);
    }
  }
  __m256i low[4], high[4];
};
inline B look_up(const std::uint8_t* entries, const Nibbles& nibbles) {
  B result = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (int j = 0; j < 4; ++j) {
    const __m256i table = _mm256_broadcastsi128_si256(sixteen_bytes(entries, 16 * static_cast<std::size_t>(j)));
    result.low = _mm256_or_si256(result.low, _mm256_shuffle_epi8(table, nibbles.low[j]));
    result.high = _mm256_or_si256(result.high, _mm256_shuffle_epi8(table, nibbles.high[j]));
  }
  return result;
}
inline B add_bytes(B a, B b) { return {_mm256_add_epi8(a.low, b.low), _mm256_add_epi8(a.high, b.high)}; }
inline I add4(I sum, B bytes) {
  const __m256i ones = _mm256_set1_epi8(1);
  return {add_bytes4(sum.low, bytes.low, ones), add_bytes4(sum.high, bytes.high, ones)};
}
inline B repeat_four(const std::int8_t* bytes) {
  int four = 0;
  __builtin_memcpy(&four, bytes, sizeof four);
  const __m256i repeated = _mm256_set1_epi32(four);
  return {repeated, repeated};
}
inline I dot4(I sum, B values, B query) {
  return {add_products4(sum.low, values.low, query.low), add_products4(sum.high, values.high, query.high)};
}
inline I dot4(I sum, B values, const std::int8_t* query) { return dot4(sum, values, repeat_four(query)); }
inline unsigned mask_greater(F a, F b) {
  const auto half = [](__m256 x, __m256 y) { return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_GT_OQ))); };
  return half(a.low, b.low) | half(a.high, b.high) << 8;
}

using W = I;
inline W words_of_bytes(const unsigned char* bytes) {
  return {_mm256_cvtepi8_epi16(sixteen_bytes(bytes, 0)), _mm256_cvtepi8_epi16(sixteen_bytes(bytes, 16))};
}
inline W words_of_nibbles(const unsigned char* bytes) {
  const __m256i both = _mm256_cvtepu8_epi16(sixteen_bytes(bytes, 0)), mask = _mm256_set1_epi16(15), eight = _mm256_set1_epi16(8);
  return {_mm256_sub_epi16(_mm256_and_si256(both, mask), eight), _mm256_sub_epi16(_mm256_srli_epi16(both, 4), eight)};
}
inline I dot2(W a, const std::int16_t* b) {
  const auto* words = reinterpret_cast<const __m256i*>(b);
  return {_mm256_madd_epi16(a.low, _mm256_loadu_si256(words)), _mm256_madd_epi16(a.high, _mm256_loadu_si256(words + 1))};
}
/// With their signs, as words.
inline W even_bytes(B a) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(a.low, 8), 8), _mm256_srai_epi16(_mm256_slli_epi16(a.high, 8), 8)};
}
inline W odd_bytes(B a) { return {_mm256_srai_epi16(a.low, 8), _mm256_srai_epi16(a.high, 8)}; }
inline I add_products(I sum, W a, const std::int16_t* two) {
  int pair = 0;
  __builtin_memcpy(&pair, two, sizeof pair);
  const __m256i b = _mm256_set1_epi32(pair);
  return {add_products2(sum.low, a.low, b), add_products2(sum.high, a.high, b)};
}

/// Rows stand as packus mixes them: by quarters of 16 bytes, four of the low ones, then four of the high ones.
inline W round_to_words(F low, F high, I* invalid) {
  const I a = round_to_int(low), b = round_to_int(high);  // INT_MIN where they cannot
  *invalid = bit_or(*invalid, bit_or(a, b));
  return {_mm256_packus_epi32(a.low, b.low), _mm256_packus_epi32(a.high, b.high)};
}
inline bool any_negative(I a) { return _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_or_si256(a.low, a.high))) != 0; }
inline W repeat_word(int x) { return {_mm256_set1_epi16(static_cast<short>(x)), _mm256_set1_epi16(static_cast<short>(x))}; }
inline W add_words(W a, W b) { return {_mm256_add_epi16(a.low, b.low), _mm256_add_epi16(a.high, b.high)}; }
inline W sub_words(W a, W b) { return {_mm256_sub_epi16(a.low, b.low), _mm256_sub_epi16(a.high, b.high)}; }
inline W multiply_high(W a, W b) { return {_mm256_mulhi_epu16(a.low, b.low), _mm256_mulhi_epu16(a.high, b.high)}; }
inline W multiply_round(W a, W b) { return {_mm256_mulhrs_epi16(a.low, b.low), _mm256_mulhrs_epi16(a.high, b.high)}; }
template <unsigned n>
inline W up_words(W a) {
  return {_mm256_slli_epi16(a.low, n), _mm256_slli_epi16(a.high, n)};
}
template <unsigned n>
inline W down_words(W a) {
  return {_mm256_srli_epi16(a.low, n), _mm256_srli_epi16(a.high, n)};
}
/// No shift by as much as each word says: pshufb looks 2^(15 − n) up, its two bytes in the same 16 entries.
inline __m256i down_words(__m256i a, __m256i n) {
  const __m256i powers = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1));
  const __m256i index = _mm256_xor_si256(_mm256_or_si256(n, _mm256_slli_epi16(n, 8)), _mm256_set1_epi16(0x0800));
  return _mm256_mulhi_epu16(_mm256_add_epi16(a, a), _mm256_shuffle_epi8(powers, index));
}
inline W down_words(W a, W n) { return {down_words(a.low, n.low), down_words(a.high, n.high)}; }
inline I add2(I sum, W a) {
  const __m256i ones = _mm256_set1_epi16(1);
  return {add_products2(sum.low, a.low, ones), add_products2(sum.high, a.high, ones)};
}
inline __m256i store_high_bytes(W a, std::int8_t* to) {
  const __m256i mixed = _mm256_packs_epi16(_mm256_srai_epi16(a.low, 8), _mm256_srai_epi16(a.high, 8));
  const __m256i bytes = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
  return add_bytes4(_mm256_setzero_si256(), _mm256_set1_epi8(1), bytes);
}
inline I store_high_bytes(W even, W odd, std::int8_t* to_even, std::int8_t* to_odd) {
  return {store_high_bytes(even, to_even), store_high_bytes(odd, to_odd)};
}

#include "simd/byte_tables.inl"
#include "simd/tails.inl"
/// Of eight groups of eight windows only those that reach the end are read from a copy, of 16 bytes and what follows.
inline void look_up(const WindowTable& table, const StreamEnd& end, const std::uint8_t* bytes, std::size_t readable, unsigned behind, F* out) {
  if (readable < 64 || end.n < 16) return look_up_copied(table, end, bytes, behind, out);
  std::uint8_t copy[48];  // each group reads 16 bytes, of which those of its windows count
  __builtin_memcpy(copy, bytes + end.n - 16, 16);
  copy[16] = static_cast<std::uint8_t>(behind);
  copy[17] = static_cast<std::uint8_t>(behind >> 8);
  const std::size_t bits = table.windows.bits;
  const auto group = [&](std::size_t k) __attribute__((always_inline)) {
    const std::size_t at = k * bits;
    const bool reaches_end = at <= end.n && at + bits + 2 > end.n;
    return look_up_windows(table, reaches_end ? copy + (at + 16 - end.n) : bytes + at);
  };
  for (std::size_t i = 0; i < 4; ++i) out[i] = {group(2 * i), group(2 * i + 1)};
}
#include "simd/kernels.inl"
