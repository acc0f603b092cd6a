// Every kernel, written once over vectors of 16 lanes. A target's .cpp defines the operations below and then includes this file;
// all of it has internal linkage, so the linker can never hand code for a wide CPU to a narrow one.
//
//   F, I                      16 floats; 16 32-bit integers
//   load, store               16 floats, any alignment of 4
//   broadcast(float), broadcast(int), add, sub, mul, max (returns b where one of a, b is NaN), divide
//   fma(a, b, c)              a·b + c, fused where the target can
//   swap<h>(a)                lane i ← lane i ^ h, h in 1, 2, 4, 8;  sign<h>(): +1 where lane & h is 0, else −1
//   reduce_add(a)             ((8+8) 4+4) 2+2) 1+1;  reduce_max(a)
//   load_u8, load_i8, load_u16, store_u16     16 small integers ↔ I
//   load_f16, store_f16       16 halves ↔ F
//   add, shift_left<n>, shift_right<n>, bit_and, bit_or on I;  to_float(I), round_to_int(F) to nearest even
//   as_int(F), as_float(I)    the same bits
//   add_if_greater(k, x, b, step)             k + (x > b ? step : 0)
//   if_nan(x, a, b)           a where x is NaN, else b
//   Table(entries, n), look_up(table, I)      entries[i], n ≤ 512
//   Unpacker(bits), unpack(unpacker, bytes)   16 codes from 2·bits bytes; 32 bytes are readable
//   store_i8(I, bytes)        16 integers from −128 to 127
//   B                         64 bytes: 4 of each of 16 rows;  load_bytes
//   down<n>(B)                every 32-bit word shifted right: bits of a byte's neighbour come in from above
//   pick<mask>(a, b)          in every byte the bits of mask from a, the others from b
//   ByteTable<bits>(entries), look_up(table, B)   entries[lowest bits of each byte], other bits ignored
//   min(I, I);  merge(mask, a, b) of I: the bits of a where mask is set, else of b
//   spread(x, I)              x[i] for each index i below 8; 8 floats are readable
//   WindowTable(entries, bits, window), look_up(table, bytes, F[4])   64 values from 8·bits + 2 bytes; 64 bytes are readable
//   dot4(sum, values, q)      sum + Σ of 4 products with the 4 bytes at q, in each row. Where the target's product wants unsigned
//                             values, kDotBias is what look_up() has added to them, else 0

constexpr std::size_t kLanes = 16;

inline F load_tail(const float* x, std::size_t n) {
  float padded[kLanes] = {};
  __builtin_memcpy(padded, x, n * sizeof(float));
  return load(padded);
}

inline void store_tail(F a, std::size_t n, float* x) {
  float padded[kLanes];
  store(a, padded);
  __builtin_memcpy(x, padded, n * sizeof(float));
}

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

float ordered_dot(const float* a, const float* b, std::size_t n) {
  F sum = broadcast(0.0F);
  for_vectors(n, [&](std::size_t i, std::size_t m) { sum = add(sum, mul(load_some(a + i, m), load_some(b + i, m))); });
  return reduce_add(sum);
}

template <int kRows, int kVectors>
inline void dot_block(const float* rows, std::size_t row_stride, const float* vectors, std::size_t vector_stride, std::size_t n,
                      float* out, std::size_t out_stride) {
  F sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[r][v] = broadcast(0.0F);
  }
  const auto step = [&](std::size_t i, std::size_t m) __attribute__((always_inline)) {
    F x[kVectors];
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) x[v] = load_some(vectors + static_cast<std::size_t>(v) * vector_stride + i, m);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const F row = load_some(rows + static_cast<std::size_t>(r) * row_stride + i, m);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fma(row, x[v], sum[r][v]);
    }
  };
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(i, kLanes);
  if (i < n) step(i, n - i);
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      out[static_cast<std::size_t>(v) * out_stride + static_cast<std::size_t>(r)] = reduce_add(sum[r][v]);
    }
  }
}

template <int kVectors>
inline void dot_rows(const float* rows, std::size_t row_stride, std::size_t n_rows, const float* vectors,
                     std::size_t vector_stride, std::size_t n, float* out, std::size_t out_stride) {
  std::size_t r = 0;
  for (; r + kTileRows <= n_rows; r += kTileRows) {
    dot_block<kTileRows, kVectors>(rows + r * row_stride, row_stride, vectors, vector_stride, n, out + r, out_stride);
  }
  for (; r < n_rows; ++r) dot_block<1, kVectors>(rows + r * row_stride, row_stride, vectors, vector_stride, n, out + r, out_stride);
}

void dot_tile(const float* rows, std::size_t row_stride, std::size_t n_rows, const float* vectors, std::size_t vector_stride,
              std::size_t n_vectors, std::size_t n, float* out, std::size_t out_stride) {
  std::size_t v = 0;
  for (; v + kTileVectors <= n_vectors; v += kTileVectors) {
    dot_rows<kTileVectors>(rows, row_stride, n_rows, vectors + v * vector_stride, vector_stride, n, out + v * out_stride, out_stride);
  }
  for (; v < n_vectors; ++v) {
    dot_rows<1>(rows, row_stride, n_rows, vectors + v * vector_stride, vector_stride, n, out + v * out_stride, out_stride);
  }
}

void weighted_sum(const float* weights, const float* rows, std::size_t row_stride, std::size_t n_rows, std::size_t n, float* acc) {
  constexpr std::size_t kBlock = 4;  // accumulators that stay in registers on every target
  std::size_t j = 0;
  for (; j + kBlock * kLanes <= n; j += kBlock * kLanes) {
    F sum[kBlock];
#pragma GCC unroll 4
    for (std::size_t b = 0; b < kBlock; ++b) sum[b] = load(acc + j + b * kLanes);
    for (std::size_t r = 0; r < n_rows; ++r) {
      const F weight = broadcast(weights[r]);
      const float* row = rows + r * row_stride + j;
#pragma GCC unroll 4
      for (std::size_t b = 0; b < kBlock; ++b) sum[b] = fma(weight, load(row + b * kLanes), sum[b]);
    }
#pragma GCC unroll 4
    for (std::size_t b = 0; b < kBlock; ++b) store(sum[b], acc + j + b * kLanes);
  }
  for_vectors(n - j, [&](std::size_t i, std::size_t m) {
    F sum = load_some(acc + j + i, m);
    for (std::size_t r = 0; r < n_rows; ++r) sum = fma(broadcast(weights[r]), load_some(rows + r * row_stride + j + i, m), sum);
    store_some(sum, m, acc + j + i);
  });
}

// ---- rotations

/// The stage h of a butterfly inside a vector: lanes without the bit h become a + b, lanes with it a − b. The product with ±1 is
/// exact, so one rounding is left, the same as that of an addition.
template <int h>
inline F butterfly(F a) {
  return fma(a, sign<h>(), swap<h>(a));
}

void hadamard(float* x, std::size_t n) {
  if (n < 2) return;
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    F a = butterfly<1>(load_some(x + i, m));
    if (n >= 4) a = butterfly<2>(a);
    if (n >= 8) a = butterfly<4>(a);
    if (n >= 16) a = butterfly<8>(a);
    store_some(a, m, x + i);
  });
  for (std::size_t h = kLanes; h < n; h *= 2) {
    for (std::size_t block = 0; block < n; block += 2 * h) {
      for (std::size_t i = block; i < block + h; i += kLanes) {
        const F a = load(x + i), b = load(x + i + h);
        store(add(a, b), x + i);
        store(sub(a, b), x + i + h);
      }
    }
  }
}

void multiply(float* x, const float* factors, std::size_t n) {
  for_vectors(n, [&](std::size_t i, std::size_t m) { store_some(mul(load_some(x + i, m), load_some(factors + i, m)), m, x + i); });
}

void scale(float* x, float factor, std::size_t n) {
  for_vectors(n, [&](std::size_t i, std::size_t m) { store_some(mul(load_some(x + i, m), broadcast(factor)), m, x + i); });
}

void mix_runs(const float* matrix, std::size_t count, const float* x, std::size_t n, float* y) {
  for (std::size_t j = 0; j < count; ++j) {
    for_vectors(n, [&](std::size_t i, std::size_t m) {
      F sum = broadcast(0.0F);
      for (std::size_t k = 0; k < count; ++k) {
        sum = add(sum, mul(broadcast(matrix[j * count + k]), load_some(x + k * n + i, m)));
      }
      store_some(sum, m, y + j * n + i);
    });
  }
}

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

void decode_codes(const std::uint8_t* packed, unsigned bits, const float* table, float factor, std::size_t n, float* out) {
  const Table entries(table, std::size_t{1} << bits);
  const Unpacker unpacker(bits);
  const std::size_t bytes = (n * bits + 7) / 8, vector_bytes = 2 * bits;
  std::size_t at = 0;
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    std::uint8_t padded[32] = {};
    const std::uint8_t* window = packed + at;
    if (bytes - at < sizeof padded) {
      __builtin_memcpy(padded, window, bytes - at);
      window = padded;
    }
    store_some(mul(broadcast(factor), look_up(entries, unpack(unpacker, window))), m, out + i);
    at += vector_bytes;
  });
}

void look_up_codes(const std::uint16_t* codes, std::size_t n, const float* table, std::size_t table_size, float factor, float* out) {
  const Table entries(table, table_size);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    std::uint16_t padded[kLanes] = {};
    __builtin_memcpy(padded, codes + i, m * sizeof(std::uint16_t));
    store_some(mul(broadcast(factor), look_up(entries, load_u16(padded))), m, out + i);
  });
}

// ---- trellis codes

/// The last `left` bytes of a stream of `total_bits` bits, and one or two behind it: the first codes again, or zeros.
inline void copy_end(const std::uint8_t* packed, std::size_t total_bits, std::size_t left, bool closed, std::uint8_t* padded) {
  const std::size_t bytes = (total_bits + 7) / 8;
  __builtin_memcpy(padded, packed + (bytes - left), left);
  if (!closed) return;
  const unsigned used = static_cast<unsigned>(total_bits % 8);  // bits of the last byte
  const unsigned first = (packed[0] | (bytes > 1 ? unsigned{packed[1]} : 0U) << 8) << used;
  const std::size_t end = used == 0 ? left : left - 1;
  padded[end] = static_cast<std::uint8_t>(padded[end] | first);
  padded[end + 1] = static_cast<std::uint8_t>(first >> 8);
}

void decode_windows(const std::uint8_t* packed, unsigned bits, unsigned window, const std::int8_t* table, float factor, bool closed,
                    std::size_t n, float* out) {
  constexpr std::size_t kBlock = 4 * kLanes;
  const WindowTable entries(table, bits, window);
  const std::size_t bytes = (n * bits + 7) / 8;
  F values[4];
  std::size_t i = 0, at = 0;
  for (; at + kBlock <= bytes; i += kBlock, at += 8 * bits) {
    look_up(entries, packed + at, values);
#pragma GCC unroll 4
    for (std::size_t part = 0; part < 4; ++part) store(mul(broadcast(factor), values[part]), out + i + part * kLanes);
  }
  if (i >= n) return;
  std::uint8_t padded[2 * kBlock] = {};  // the last block begins before byte 63
  copy_end(packed, n * bits, bytes - at, closed, padded);
  for (const std::uint8_t* end = padded; i < n; i += kBlock, end += 8 * bits) {
    look_up(entries, end, values);
    for (std::size_t part = 0; part < 4 && i + part * kLanes < n; ++part) {
      const std::size_t from = i + part * kLanes;
      store_some(mul(broadcast(factor), values[part]), n - from < kLanes ? n - from : kLanes, out + from);
    }
  }
}

/// costs −= the smallest of them: the float keeps its low bits for what differs between paths.
inline void subtract_smallest(float* costs, std::size_t states) {
  I smallest = as_int(load(costs));
  for (std::size_t s = kLanes; s < states; s += kLanes) smallest = min(smallest, as_int(load(costs + s)));
  const F shift = broadcast(-reduce_max(sub(broadcast(0.0F), as_float(smallest))));
  for (std::size_t s = 0; s < states; s += kLanes) store(sub(load(costs + s), shift), costs + s);
}

/// The costs are positive floats and so compare like their bits taken as integers.
template <std::size_t kVectors>
inline void search_states(const WindowSearch& job) {
  constexpr std::size_t kStates = kVectors * kLanes;
  const std::size_t per_state = std::size_t{1} << job.bits;
  std::uint8_t lanes[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<std::uint8_t>(i >> job.bits);
  const I lane_state = load_u8(lanes), low_bits = broadcast(static_cast<int>(per_state - 1));
  float costs[kStates + kLanes] = {};  // spread() may read behind the last state
  for (std::size_t v = 0; v < kVectors; ++v) store(load(job.costs + v * kLanes), costs + v * kLanes);

  for (std::size_t i = job.n, step = 0; i-- > 0; ++step) {
    if (step % 64 == 0) subtract_smallest(costs, kStates);
    const F x = broadcast(job.x[i]);
    I best[kVectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) best[v] = broadcast(0x7FFFFFFF);
    for (std::size_t top = 0, w = 0; top < per_state; ++top) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kVectors; ++v, w += kLanes) {
        const F distance = sub(x, load(job.values + w));
        const F cost = add(spread(costs + (w >> job.bits), lane_state), mul(distance, distance));
        best[v] = min(best[v], merge(low_bits, broadcast(static_cast<int>(top)), as_int(cost)));
      }
    }
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) {
      store(as_float(best[v]), costs + v * kLanes);
      store_i8(bit_and(best[v], low_bits), job.choices + i * kStates + v * kLanes);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) store(load(costs + v * kLanes), job.costs + v * kLanes);
}

void search_windows(const WindowSearch& job) {
  switch (job.window - job.bits) {
    case 4: return search_states<1>(job);
    case 5: return search_states<2>(job);
    case 6: return search_states<4>(job);
    case 7: return search_states<8>(job);
    default: __builtin_unreachable();
  }
}

// ---- interleaved codes

void to_bytes(const float* x, std::size_t n, float factor, std::int8_t* out) {
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    std::int8_t rounded[kLanes];
    store_i8(round_to_int(mul(load_some(x + i, m), broadcast(factor))), rounded);
    __builtin_memcpy(out + i, rounded, m);
  });
}

/// Field `f` of a chunk for one or more queries: its codes are looked up once.
template <int kQueries, int kChains>
struct DotSums {
  I sum[kQueries][kChains];
  const std::int8_t* queries;
  std::size_t stride;

  template <class Values>
  __attribute__((always_inline)) void add_field(int field, Values values) {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      I& target = sum[q][field % kChains];
      target = dot4(target, values, queries + static_cast<std::size_t>(q) * stride + 4 * field);
    }
  }
};

/// One chunk: 32 codes of each row in `here` ≤ bits words. Byte j of word w carries the codes 4·(w·per_byte + f) + j in fields of
/// `bits`; for 3 bits, where two bits of each byte are left over, these hold the last two fields.
template <unsigned bits, class Sums>
__attribute__((always_inline)) inline void dot_chunk(const std::uint8_t* words, std::size_t here, const ByteTable<bits>& table, Sums& sums) {
  constexpr unsigned kPerByte = 8 / bits;
  B word[bits];
#pragma GCC unroll 4
  for (unsigned w = 0; w < bits; ++w) {
    if (w >= here) return;
    word[w] = load_bytes(words + 64 * w);
    const int field = static_cast<int>(w * kPerByte);
    sums.add_field(field, look_up(table, word[w]));
    if constexpr (kPerByte > 1) sums.add_field(field + 1, look_up(table, down<bits>(word[w])));
    if constexpr (kPerByte > 2) {
      sums.add_field(field + 2, look_up(table, down<2 * bits>(word[w])));
      sums.add_field(field + 3, look_up(table, down<3 * bits>(word[w])));
    }
    if constexpr (kPerByte > 4) {
      sums.add_field(field + 4, look_up(table, down<4>(word[w])));
      sums.add_field(field + 5, look_up(table, down<5>(word[w])));
      sums.add_field(field + 6, look_up(table, down<6>(word[w])));
      sums.add_field(field + 7, look_up(table, down<7>(word[w])));
    }
  }
  if constexpr (bits == 3) {
    sums.add_field(6, look_up(table, pick<3>(down<6>(word[0]), down<4>(word[1]))));  // bits 6 7 of word 0, bit 6 of word 1
    sums.add_field(7, look_up(table, pick<1>(down<7>(word[1]), down<5>(word[2]))));  // bit 7 of word 1, bits 6 7 of word 2
  }
}

template <unsigned bits, int kQueries>
inline void dot_queries(const InterleavedDot& job, const ByteTable<bits>& table, std::size_t first) {
  constexpr int kChains = kQueries >= 4 ? 1 : 4 / kQueries;  // one product waits about four cycles for the one before it
  DotSums<kQueries, kChains> sums;
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
    for (int chain = 0; chain < kChains; ++chain) sums.sum[q][chain] = broadcast(0);
  }
  sums.queries = job.queries + first * job.query_stride;
  sums.stride = job.query_stride;
  std::size_t w = 0;
  for (; w + bits <= job.n_words; w += bits, sums.queries += 32) dot_chunk<bits>(job.words + 64 * w, bits, table, sums);
  if (w < job.n_words) dot_chunk<bits>(job.words + 64 * w, job.n_words - w, table, sums);

  const F scales = load(job.row_scales);
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    const std::size_t query = first + static_cast<std::size_t>(q);
    I total = broadcast(-kDotBias * job.query_sums[query]);
#pragma GCC unroll 4
    for (int chain = 0; chain < kChains; ++chain) total = add(total, sums.sum[q][chain]);
    store(mul(mul(to_float(total), scales), broadcast(job.query_units[query])), job.out + query * job.out_stride);
  }
}

template <unsigned bits>
void dot_all_queries(const InterleavedDot& job) {
  const ByteTable<bits> table(job.table);
  std::size_t q = 0;
  for (; q + kQueryTile <= job.n_queries; q += kQueryTile) dot_queries<bits, kQueryTile>(job, table, q);
  if constexpr (kQueryTile > 4) {
    for (; q + 4 <= job.n_queries; q += 4) dot_queries<bits, 4>(job, table, q);
  }
  for (; q + 2 <= job.n_queries; q += 2) dot_queries<bits, 2>(job, table, q);
  for (; q < job.n_queries; ++q) dot_queries<bits, 1>(job, table, q);
}

void dot_interleaved(const InterleavedDot& job) {
  if (job.bits == 1) return dot_all_queries<1>(job);
  if (job.bits == 2) return dot_all_queries<2>(job);
  if (job.bits == 3) return dot_all_queries<3>(job);
  dot_all_queries<4>(job);
}

// ---- float formats and blocks

/// The same through a padded copy for what is left over at the end: `step` reads and writes 16 values.
template <class In, class Out, class Step>
inline void convert(const void* in, std::size_t n, void* out, Step step) {
  const auto* from = static_cast<const unsigned char*>(in);
  auto* to = static_cast<unsigned char*>(out);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(from + i * sizeof(In), to + i * sizeof(Out));
  if (i == n) return;
  unsigned char padded_in[kLanes * sizeof(In)] = {}, padded_out[kLanes * sizeof(Out)];
  __builtin_memcpy(padded_in, from + i * sizeof(In), (n - i) * sizeof(In));
  step(padded_in, padded_out);
  __builtin_memcpy(to + i * sizeof(Out), padded_out, (n - i) * sizeof(Out));
}

void f16_to_f32(const void* in, std::size_t n, float* out) {
  convert<std::uint16_t, float>(in, n, out, [](const void* from, void* to) { store(load_f16(from), static_cast<float*>(to)); });
}

void f32_to_f16(const float* in, std::size_t n, void* out) {
  convert<float, std::uint16_t>(in, n, out, [](const void* from, void* to) { store_f16(load(static_cast<const float*>(from)), to); });
}

void bf16_to_f32(const void* in, std::size_t n, float* out) {
  convert<std::uint16_t, float>(in, n, out, [](const void* from, void* to) {
    store(as_float(shift_left<16>(load_u16(from))), static_cast<float*>(to));
  });
}

void f32_to_bf16(const float* in, std::size_t n, void* out) {
  convert<float, std::uint16_t>(in, n, out, [](const void* from, void* to) {
    const F x = load(static_cast<const float*>(from));
    const I bits = as_int(x);
    const I odd = bit_and(shift_right<16>(bits), broadcast(1));
    // A NaN must not be rounded up to infinity: its bits are cut off, and the quiet bit set.
    const I rounded = shift_right<16>(add(bits, add(odd, broadcast(0x7FFF))));
    store_u16(if_nan(x, bit_or(shift_right<16>(bits), broadcast(0x40)), rounded), to);
  });
}

/// The value of an f16 scale in front of a block.
inline float block_scale(const unsigned char* block) {
  unsigned char halves[2 * kLanes] = {block[0], block[1]};
  float scales[kLanes];
  store(load_f16(halves), scales);
  return scales[0];
}

void decode_q8_0(const void* blocks, std::size_t n, float* out) {
  const auto* block = static_cast<const unsigned char*>(blocks);
  for (std::size_t i = 0; i < n; i += 32, block += 34) {
    const F factor = broadcast(block_scale(block));
    store(mul(to_float(load_i8(block + 2)), factor), out + i);
    store(mul(to_float(load_i8(block + 18)), factor), out + i + kLanes);
  }
}

void decode_q4_0(const void* blocks, std::size_t n, float* out) {
  const auto* block = static_cast<const unsigned char*>(blocks);
  for (std::size_t i = 0; i < n; i += 32, block += 18) {
    const F factor = broadcast(block_scale(block));
    const I nibbles = load_u8(block + 2);
    const I low = add(bit_and(nibbles, broadcast(15)), broadcast(-8)), high = add(shift_right<4>(nibbles), broadcast(-8));
    store(mul(to_float(low), factor), out + i);
    store(mul(to_float(high), factor), out + i + kLanes);
  }
}

// ---- layers

void rms_norm(const float* x, const float* weight, std::size_t n, float eps, float* y) {
  F squares = broadcast(0.0F);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const F a = load_some(x + i, m);
    squares = fma(a, a, squares);
  });
  const F factor = broadcast(1.0F / __builtin_sqrtf(reduce_add(squares) / static_cast<float>(n) + eps));
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    store_some(mul(mul(load_some(x + i, m), factor), load_some(weight + i, m)), m, y + i);
  });
}

/// e^x for x in [−87, 88]; smaller and larger x are taken for these ends, NaN stays. x = k·ln 2 + r; the polynomial of degree 6 on
/// |r| ≤ ln 2 / 2 is Cephes' expf (Moshier), whose relative error is below 2e-7.
inline F exponential(F x) {
  x = max(broadcast(-87.0F), x);
  x = sub(broadcast(0.0F), max(broadcast(-88.0F), sub(broadcast(0.0F), x)));
  const I k = round_to_int(mul(x, broadcast(1.44269504088896341F)));
  const F kf = to_float(k);
  const F r = fma(kf, broadcast(2.12194440e-4F), fma(kf, broadcast(-0.693359375F), x));
  F p = broadcast(1.9875691500e-4F);
  p = fma(p, r, broadcast(1.3981999507e-3F));
  p = fma(p, r, broadcast(8.3334519073e-3F));
  p = fma(p, r, broadcast(4.1665795894e-2F));
  p = fma(p, r, broadcast(1.6666665459e-1F));
  p = fma(p, r, broadcast(5.0000001201e-1F));
  p = add(fma(p, mul(r, r), r), broadcast(1.0F));
  return mul(p, as_float(shift_left<23>(add(k, broadcast(127)))));
}

void softmax(float* x, std::size_t n) {
  F largest = broadcast(-__builtin_huge_valf());
  std::size_t whole = n / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) largest = max(largest, load(x + i));
  float top = reduce_max(largest);
  for (std::size_t i = whole; i < n; ++i) top = top > x[i] ? top : x[i];

  F sum = broadcast(0.0F);
  for (std::size_t i = 0; i < whole; i += kLanes) {
    const F e = exponential(sub(load(x + i), broadcast(top)));
    sum = add(sum, e);
    store(e, x + i);
  }
  if (whole < n) {
    // Lanes beyond the end would add e^−87 each, which is far below a rounding of the sum (at least 1).
    float padded[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) padded[i] = i < n - whole ? x[whole + i] - top : -87.0F;
    const F e = exponential(load(padded));
    sum = add(sum, e);
    store_tail(e, n - whole, x + whole);
  }
  scale(x, 1.0F / reduce_add(sum), n);
}

void silu_multiply(float* gate, const float* up, std::size_t n) {
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const F g = load_some(gate + i, m);
    const F silu = divide(g, add(broadcast(1.0F), exponential(sub(broadcast(0.0F), g))));
    store_some(mul(silu, load_some(up + i, m)), m, gate + i);
  });
}

constexpr Kernels make_table(const char* name) {
  return {name,        ordered_dot, dot_tile,    weighted_sum, hadamard,   multiply,    scale,       mix_runs, quantize, decode_codes,
          look_up_codes, decode_windows, search_windows, to_bytes, dot_interleaved,
          f16_to_f32,  f32_to_f16,  bf16_to_f32, f32_to_bf16,  decode_q8_0, decode_q4_0, rms_norm,    softmax,  silu_multiply};
}
