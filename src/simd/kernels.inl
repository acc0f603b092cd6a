// Every kernel, written once over vectors of 16 lanes. A target's .cpp defines the operations below and then includes this file;
// all of it has internal linkage, so the linker can never hand code for a wide CPU to a narrow one.
//
//   F, I                      16 floats; 16 32-bit integers
//   load, store               16 floats, any alignment of 4
//   load_tail(x, n), store_tail(a, n, x)      the first n of 16 lanes, and zeros; nothing behind them is read or written
//   broadcast(float), broadcast(int), add, sub, mul, max (returns b where one of a, b is NaN), divide
//   fma(a, b, c)              a·b + c, fused where the target can
//   swap<h>(a)                lane i ← lane i ^ h, h in 1, 2, 4, 8;  sign<h>(): +1 where lane & h is 0, else −1
//   take_swapped<h, with>(a, b)   swap<h>(b) in the lanes i whose bit h is `with` (i & h is not 0), a in the others
//   reduce_add(a)             ((8+8) 4+4) 2+2) 1+1;  reduce_max(a)
//   load_u8, load_i8, load_u16, store_u16     16 small integers ↔ I
//   load_f16, store_f16       16 halves ↔ F;  broadcast_f16(bytes)  one half in all lanes
//   add, shift_left<n>, shift_right<n>, bit_and, bit_or on I;  to_float(I), round_to_int(F) to nearest even
//   as_int(F), as_float(I)    the same bits
//   add_if_greater(k, x, b, step)             k + (x > b ? step : 0)
//   if_nan(x, a, b)           a where x is NaN, else b
//   Table(entries, n), look_up(table, I)      entries[i], n ≤ 512
//   Unpacker(bits), unpack(unpacker, bytes)   16 codes from 2·bits bytes; 32 bytes are readable
//   store_i8(I, bytes), store_i8(I, I, bytes)     16 or 32 integers from −128 to 127
//   B                         64 bytes: 4 of each of 16 rows;  load_bytes;  load_once, where the compiler must not load again for each use
//   down<n>(B)                every 32-bit word shifted right: bits of a byte's neighbour come in from above
//   pick<mask>(a, b)          in every byte the bits of mask from a, the others from b
//   ByteTable<bits>(entries), look_up(table, B)   entries[lowest bits of each byte], other bits ignored; up to 8 bits
//   look_up_at<at>(ByteTable<bits>, B)            the entry of the bits from bit `at` of each byte on, at + bits ≤ 8
//   MirroredTable(values, mirror), look_up_turned<shift>(table, B)   values[w], or values[w ^ mirror] where bit 7 of w is set, for bytes w that
//                             stand turned left by `shift` bits; 128 values, bit 7 of mirror set
//   flip_if_negative(B, byte) bytes with bit 7 set ^ byte, for byte_tables.inl
//   choose(B, a, b)           a in the bytes whose lowest bit is 0, else b
//   Nibbles(B), look_up(bytes, Nibbles)   in byte i bytes[16·(i % 4) + its lower four bits]
//   add_bytes(B, B);  add4(sum, B)        sum + the four bytes, without sign, of each row
//   min(I, I), max(I, I);  merge(mask, a, b) of I: the bits of a where mask is set, else of b
//   spread(x, I)              x[i] for each index i below 8; 8 floats are readable
//   WindowTable(WindowValues, bits), look_up(table, bytes, F[4])   64 values from 8·bits + 2 bytes; 64 bytes are readable
//   with_window_table(WindowValues, bits, take)   take() of that table, or of one that the target has for these values
//   StreamEnd(table, n), look_up(table, end, bytes, readable, behind, F[4])   likewise from n bytes and the two of `behind`; none are read but `readable`
//   up<n>(B)                  every 32-bit word shifted left;  keep<mask>(B)  the bits of mask in every byte
//   dot4(sum, values, B)      as below with 4 bytes for each row
//   repeat_four(bytes)        the same 4 bytes for each row
//   kQueryTile, kBlockTile    queries, and blocks of 16 rows, that an integer product takes at once: their sums should fit registers
//   kCheapLookup              codes of so many bits are looked up again for each tile of queries rather than once into a panel (panel_kernels.inl)
//   foresees_reading()        whether the CPU fetches one long run of memory ahead as fast as memory gives it
//   mask_greater(F, F)        bit i is a > b in lane i
//   W                         32 words of 16 bits;  repeat_word(int), add_words, sub_words, up_words<n>, down_words<n> and down_words(W, n ≤ 15):
//                             shifts of words without sign, by as much as another word says those below 2^15
//   multiply_high(W, W)       product without sign >> 16;  multiply_round(W, W)  (product + 2^14) >> 15
//   round_to_words(F, F, I*)  32 floats, rounded and clamped to 0 … 65535, in an order of the target's own; of the integers' signs those are set
//                             whose lanes had a NaN, and maybe others whose floats were negative or beyond 2^31: their words may be wrong
//   any_negative(I);  add2(sum, W)      sum + the two words, with sign, that lie side by side
//   store_high_bytes(W, W, bytes, bytes)   the higher bytes of what round_to_words() began, in order; the sums of four bytes each, 8 and 8
//   even_bytes(B), odd_bytes(B)            bytes 0 and 2, 1 and 3 of each row, with their signs;  add_products(sum, W, q)  sum + Σ of 2 products
//                             with the two words at q, in each row
//   dot4(sum, values, q)      sum + Σ of 4 products with the 4 bytes at q, in each row. Where the target's product wants unsigned
//                             values, kDotBias is what look_up() has added to them, else 0

constexpr std::size_t kLanes = 16;

/// Calls step(i, 16) for whole vectors and step(i, rest) for what is left.
template <class Step>
inline void for_vectors(std::size_t n, Step step) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(i, kLanes);
  if (i < n) step(i, n - i);
}

inline F load_some(const float* x, std::size_t n) { return n == kLanes ? load(x) : load_tail(x, n); }
inline void store_some(F a, std::size_t n, float* x) {
  if (n == kLanes) return store(a, x);
  store_tail(a, n, x);
}

// ---- sums

/// Lane l of the first vector becomes the reduction of all lanes of vector l.
template <int h, class Combine>
inline void reduce_lanes(F* vectors, Combine combine) {
  if constexpr (h > 0) {
    // Vectors i and i + h, h apart in every run of 2 h: lanes without bit h go on with the first, those with it with the second.
#pragma GCC unroll 8
    for (int i = 0; i < h; ++i) {
      const F a = vectors[i], b = vectors[i + h];
      vectors[i] = combine(take_swapped<h, true>(a, b), take_swapped<h, false>(b, a));
    }
    reduce_lanes<h / 2>(vectors, combine);
  }
}

float ordered_dot(const float* a, const float* b, std::size_t n) {
  F sum = broadcast(0.0F);
  for_vectors(n, [&](std::size_t i, std::size_t m) { sum = add(sum, mul(load_some(a + i, m), load_some(b + i, m))); });
  return reduce_add(sum);
}

#include "simd/row_kernels.inl"

// ---- rotations

/// The stage h of a butterfly inside a vector: lanes without the bit h become a + b, lanes with it a − b. The product with ±1 is
/// exact, so one rounding is left, the same as that of an addition.
template <int h>
inline F butterfly(F a) {
  return fma(a, sign<h>(), swap<h>(a));
}

/// log2(kCount) stages between vectors: a pair a, b becomes a + b, a − b.
template <std::size_t kCount>
__attribute__((always_inline)) inline void butterflies_between(F* v) {
#pragma GCC unroll 4
  for (std::size_t half = 1; half < kCount; half *= 2) {
#pragma GCC unroll 16
    for (std::size_t j = 0; j < kCount; ++j) {
      if ((j & half) != 0) continue;
      const F a = v[j], b = v[j + half];
      v[j] = add(a, b);
      v[j + half] = sub(a, b);
    }
  }
}

/// The stages within a vector and log2(kVectors) stages behind them, in one pass over memory.
template <std::size_t kVectors>
inline void first_stages(const float* x, std::size_t n, const float* signs, float factor, float* y) {
  for (std::size_t i = 0; i < n; i += kVectors * kLanes) {
    F v[kVectors];
#pragma GCC unroll 8
    for (std::size_t j = 0; j < kVectors; ++j) {
      const std::size_t at = i + j * kLanes;
      const F a = load(x + at);
      v[j] = butterfly<8>(butterfly<4>(butterfly<2>(butterfly<1>(signs == nullptr ? a : mul(a, load(signs + at))))));
    }
    butterflies_between<kVectors>(v);
#pragma GCC unroll 8
    for (std::size_t j = 0; j < kVectors; ++j) store(mul(v[j], broadcast(factor)), y + i + j * kLanes);
  }
}

/// The stages h, 2h, … between vectors, log2(kRadix) of them.
template <std::size_t kRadix>
inline void later_stages(float* y, std::size_t n, std::size_t h, float factor) {
  for (std::size_t block = 0; block < n; block += kRadix * h) {
    for (std::size_t i = block; i < block + h; i += kLanes) {
      F v[kRadix];
#pragma GCC unroll 8
      for (std::size_t j = 0; j < kRadix; ++j) v[j] = load(y + i + j * h);
      butterflies_between<kRadix>(v);
#pragma GCC unroll 8
      for (std::size_t j = 0; j < kRadix; ++j) store(mul(v[j], broadcast(factor)), y + i + j * h);
    }
  }
}

void hadamard_runs(const float* x, std::size_t n, std::size_t n_runs, const float* signs, float factor, float* y) {
  const std::size_t length = n * n_runs;
  if (n <= kLanes) {
    for_vectors(length, [&](std::size_t i, std::size_t m) {
      F a = load_some(x + i, m);
      if (signs != nullptr) a = mul(a, load_some(signs + i, m));
      if (n >= 2) a = butterfly<1>(a);
      if (n >= 4) a = butterfly<2>(a);
      if (n >= 8) a = butterfly<4>(a);
      if (n >= 16) a = butterfly<8>(a);
      store_some(mul(a, broadcast(factor)), m, y + i);
    });
    return;
  }
  if (n == 2 * kLanes) return first_stages<2>(x, length, signs, factor, y);
  if (n == 4 * kLanes) return first_stages<4>(x, length, signs, factor, y);
  std::size_t h = 8 * kLanes;
  first_stages<8>(x, length, signs, h == n ? factor : 1.0F, y);
  for (; h * 8 <= n; h *= 8) later_stages<8>(y, length, h, h * 8 == n ? factor : 1.0F);
  if (h * 4 == n) later_stages<4>(y, length, h, factor);
  if (h * 2 == n) later_stages<2>(y, length, h, factor);
}

void multiply(float* x, const float* factors, std::size_t n) {
  for_vectors(n, [&](std::size_t i, std::size_t m) { store_some(mul(load_some(x + i, m), load_some(factors + i, m)), m, x + i); });
}

void scale(float* x, float factor, std::size_t n) {
  for_vectors(n, [&](std::size_t i, std::size_t m) { store_some(mul(load_some(x + i, m), broadcast(factor)), m, x + i); });
}

#include "simd/hartley_kernels.inl"
#include "simd/lane_kernels.inl"

// ---- codes

void quantize(const float* x, std::size_t n, const float* boundaries, std::size_t n_boundaries, std::uint16_t* codes) {
  const Table table(boundaries, n_boundaries);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const F a = load_some(x + i, m);
    I code = broadcast(0);
    // Of the 2^b − 1 boundaries, code + step − 1 is the middle of those not yet decided.
    for (std::size_t step = (n_boundaries + 1) / 2; step > 0; step /= 2) {
      const int distance = static_cast<int>(step);
      code = add_if_greater(code, a, look_up(table, add(code, broadcast(distance - 1))), distance);
    }
    std::uint16_t out[kLanes];
    store_u16(code, out);
    __builtin_memcpy(codes + i, out, m * sizeof(std::uint16_t));
  });
}

void decode_codes(const CodedRows& rows, const float* table) {
  const Table entries(table, std::size_t{1} << rows.bits);
  const Unpacker unpacker(rows.bits);
  constexpr std::size_t kWindow = 32;  // what unpack() may read
  const std::size_t n = rows.n, bytes = (n * rows.bits + 7) / 8, vector_bytes = 2 * rows.bits;
  for (std::size_t r = 0; r < rows.n_rows; ++r) {
    const std::uint8_t* packed = rows.packed + r * rows.stride;
    const std::size_t readable = (rows.n_rows - 1 - r) * rows.stride + bytes;  // the following rows are
    const F scale = broadcast(rows.scales[r]);
    float* out = rows.out + r * n;
    const auto decode_some = [&](const std::uint8_t* window, std::size_t i, std::size_t m) __attribute__((always_inline)) {
      store_some(mul(scale, look_up(entries, unpack(unpacker, window))), m, out + i);
    };
    std::size_t i = 0, at = 0;
    for (; at + kWindow <= readable && i + kLanes <= n; i += kLanes, at += vector_bytes) decode_some(packed + at, i, kLanes);
    if (i < n && at + kWindow <= readable) {
      decode_some(packed + at, i, n - i);
      continue;
    }
    if (i == n) continue;
    // The end of the last streams, then zeros.
    std::uint8_t end[2 * kWindow] = {};
    const std::size_t kept = readable < kWindow ? readable : kWindow;
    __builtin_memcpy(end, packed + readable - kept, kept);
    const std::uint8_t* window = end + kept - (readable - at);
    for (; i < n; i += kLanes, window += vector_bytes) decode_some(window, i, n - i < kLanes ? n - i : kLanes);
  }
}

void look_up_codes(const std::uint16_t* codes, std::size_t n, const float* table, std::size_t table_size, float factor, float* out) {
  const Table entries(table, table_size);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    std::uint16_t padded[kLanes] = {};
    __builtin_memcpy(padded, codes + i, m * sizeof(std::uint16_t));
    store_some(mul(broadcast(factor), look_up(entries, load_u16(padded))), m, out + i);
  });
}

#include "simd/trellis_kernels.inl"
#include "simd/interleaved_kernels.inl"
#include "simd/window_kernels.inl"
#include "simd/wide_kernels.inl"
#include "simd/block_kernels.inl"
#include "simd/run_kernels.inl"
#include "simd/interleaved_run_kernels.inl"
#include "simd/layer_kernels.inl"
#include "simd/softmax_kernels.inl"

constexpr Kernels make_table(const char* name) {
  return {name,        ordered_dot, dot_tile,    weighted_sum, hadamard_runs, multiply,    scale,       mix_runs, mix_pairs,
          to_lanes,    hadamard_lanes, measure_lanes, scale_lanes, quantize_lanes, quantize, decode_codes,
          look_up_codes, decode_windows, search_windows, to_bytes, dot_interleaved, dot_wide, to_words, dot_windows, dot_planes, dot_plane_rows, scan_signs, find_above, weights_to_bytes, softmax_weights, sum_transposed, weights_to_words, sum_wide,
          f16_to_f32,  f32_to_f16,  bf16_to_f32, f32_to_bf16,  decode_q8_0, decode_q4_0, dot_stored, sum_stored, dot_blocks, unpack_plane, dot_runs, dot_interleaved_runs, rms_norm,    exponentials, softmax,  merge_softmax, silu_multiply};
}
