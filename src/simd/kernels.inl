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
          f16_to_f32,  f32_to_f16,  bf16_to_f32, f32_to_bf16,  decode_q8_0, decode_q4_0, rms_norm,    softmax,  silu_multiply};
}
