// Products with rows of floats, or of what decodes to floats, and sums of such rows. A part of kernels.inl.
// A source tells how a row is stored: `load(row, i, m)` gives its values i … i + m − 1, zeros behind them, where i is a multiple of 16
// and m at most 16; `offset(i)` is the byte that value i lies in or behind. Decoded in a register or in memory first, the sums are the
// same, bit for bit.

struct Float32Row {
  static constexpr bool kFromMemory = false;  // mostly rows that were decoded a moment ago
  static std::size_t offset(std::size_t i) { return i * sizeof(float); }
  static F load(const unsigned char* row, std::size_t i, std::size_t m) { return load_some(reinterpret_cast<const float*>(row) + i, m); }
};

template <class Convert>
inline F load_halves(const unsigned char* row, std::size_t i, std::size_t m, Convert convert) {
  if (m == kLanes) return convert(row + 2 * i);
  unsigned char padded[2 * kLanes] = {};
  __builtin_memcpy(padded, row + 2 * i, 2 * m);
  return convert(padded);
}
struct Float16Row {
  static constexpr bool kFromMemory = true;
  static std::size_t offset(std::size_t i) { return 2 * i; }
  static F load(const unsigned char* row, std::size_t i, std::size_t m) {
    return load_halves(row, i, m, [](const unsigned char* halves) { return load_f16(halves); });
  }
};
struct BFloat16Row {
  static constexpr bool kFromMemory = true;
  static std::size_t offset(std::size_t i) { return 2 * i; }
  static F load(const unsigned char* row, std::size_t i, std::size_t m) {
    return load_halves(row, i, m, [](const unsigned char* halves) { return as_float(shift_left<16>(load_u16(halves))); });
  }
};

struct Q8_0Row {
  static constexpr bool kFromMemory = true;
  static std::size_t offset(std::size_t i) { return i / 32 * 34; }
  static F load(const unsigned char* row, std::size_t i, std::size_t) {
    const unsigned char* block = row + i / 32 * 34;
    return mul(to_float(load_i8(block + 2 + i % 32)), broadcast_f16(block));
  }
};
struct Q4_0Row {
  static constexpr bool kFromMemory = true;
  static std::size_t offset(std::size_t i) { return i / 32 * 18; }
  static F load(const unsigned char* row, std::size_t i, std::size_t) {
    const unsigned char* block = row + i / 32 * 18;
    const I nibbles = load_u8(block + 2);
    const I codes = i % 32 == 0 ? bit_and(nibbles, broadcast(15)) : shift_right<4>(nibbles);
    return mul(to_float(add(codes, broadcast(-8))), broadcast_f16(block));
  }
};

// ---- products

template <class Source, int kRows, int kVectors>
inline void dot_block(const unsigned char* rows, std::size_t row_stride, const float* vectors, std::size_t vector_stride, std::size_t n,
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
      const F row = Source::load(rows + static_cast<std::size_t>(r) * row_stride, i, m);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = fma(row, x[v], sum[r][v]);
    }
  };
  std::size_t i = 0;
  // Two steps at once, so that a block of 32 is read in one go.
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    step(i, kLanes);
    step(i + kLanes, kLanes);
  }
  for (; i < n; i += kLanes) step(i, n - i < kLanes ? n - i : kLanes);
  if constexpr (kRows * kVectors == kLanes) {
    // All sums at once, which adds as reduce_add does: short rows, as heads are, take less time than that.
    F all[kLanes];
#pragma GCC unroll 16
    for (std::size_t at = 0; at < kLanes; ++at) all[at] = sum[at % kRows][at / kRows];
    reduce_lanes<8>(all, [](F a, F b) __attribute__((always_inline)) { return add(a, b); });
    float products[kLanes];
    store(all[0], products);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < kVectors; ++v) __builtin_memcpy(out + v * out_stride, products + v * kRows, kRows * sizeof(float));
    return;
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      out[static_cast<std::size_t>(v) * out_stride + static_cast<std::size_t>(r)] = reduce_add(sum[r][v]);
    }
  }
}

template <class Source, int kVectors>
inline void dot_some(const StoredRows& rows, const float* vectors, std::size_t vector_stride, float* out, std::size_t out_stride) {
  const auto* bytes = static_cast<const unsigned char*>(rows.bytes);
  // Stored rows one after the other: two side by side, read from memory, took three times as long (Zen 4), since the hardware fetches
  // ahead along one stream.
  constexpr int kRows = Source::kFromMemory ? 1 : kTileRows;
  std::size_t r = 0;
  for (; r + kRows <= rows.n_rows; r += kRows) {
    dot_block<Source, kRows, kVectors>(bytes + r * rows.stride, rows.stride, vectors, vector_stride, rows.n, out + r, out_stride);
  }
  for (; r < rows.n_rows; ++r) {
    dot_block<Source, 1, kVectors>(bytes + r * rows.stride, rows.stride, vectors, vector_stride, rows.n, out + r, out_stride);
  }
}

template <class Source>
inline void dot_all(const StoredRows& rows, const float* vectors, std::size_t vector_stride, std::size_t n_vectors, float* out,
                    std::size_t out_stride) {
  std::size_t v = 0;
  for (; v + kTileVectors <= n_vectors; v += kTileVectors) {
    dot_some<Source, kTileVectors>(rows, vectors + v * vector_stride, vector_stride, out + v * out_stride, out_stride);
  }
  const float* rest = vectors + v * vector_stride;
  if (n_vectors - v == 3) return dot_some<Source, 3>(rows, rest, vector_stride, out + v * out_stride, out_stride);
  if (n_vectors - v == 2) return dot_some<Source, 2>(rows, rest, vector_stride, out + v * out_stride, out_stride);
  if (n_vectors - v == 1) return dot_some<Source, 1>(rows, rest, vector_stride, out + v * out_stride, out_stride);
}

void dot_tile(const float* rows, std::size_t row_stride, std::size_t n_rows, const float* vectors, std::size_t vector_stride,
              std::size_t n_vectors, std::size_t n, float* out, std::size_t out_stride) {
  dot_all<Float32Row>({rows, row_stride * sizeof(float), n_rows, n}, vectors, vector_stride, n_vectors, out, out_stride);
}

void dot_stored(RowFormat format, const StoredRows& rows, const float* vectors, std::size_t vector_stride, std::size_t n_vectors,
                float* out, std::size_t out_stride) {
  switch (format) {
    case RowFormat::kF32: return dot_all<Float32Row>(rows, vectors, vector_stride, n_vectors, out, out_stride);
    case RowFormat::kF16: return dot_all<Float16Row>(rows, vectors, vector_stride, n_vectors, out, out_stride);
    case RowFormat::kBF16: return dot_all<BFloat16Row>(rows, vectors, vector_stride, n_vectors, out, out_stride);
    case RowFormat::kQ8_0: return dot_all<Q8_0Row>(rows, vectors, vector_stride, n_vectors, out, out_stride);
    case RowFormat::kQ4_0: return dot_all<Q4_0Row>(rows, vectors, vector_stride, n_vectors, out, out_stride);
  }
}

// ---- sums

/// kParts vectors of the sums from value j on, for kSums sums; the last vector has m values.
template <class Source, int kSums, int kParts>
inline void sum_block(const StoredRows& rows, const float* weights, std::size_t weight_stride, std::size_t j, std::size_t m, float* acc) {
  F sum[kSums][kParts];
  const auto size = [m](int p) { return p == kParts - 1 ? m : kLanes; };
  const auto at = [&](int s, int p) { return acc + static_cast<std::size_t>(s) * rows.n + j + static_cast<std::size_t>(p) * kLanes; };
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) sum[s][p] = load_some(at(s, p), size(p));
  }
  const auto* row = static_cast<const unsigned char*>(rows.bytes);
  for (std::size_t r = 0; r < rows.n_rows; ++r, row += rows.stride) {
    F part[kParts];
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) part[p] = Source::load(row, j + static_cast<std::size_t>(p) * kLanes, size(p));
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) {
      const F weight = broadcast(weights[static_cast<std::size_t>(s) * weight_stride + r]);
#pragma GCC unroll 4
      for (int p = 0; p < kParts; ++p) sum[s][p] = fma(weight, part[p], sum[s][p]);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) {
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) store_some(sum[s][p], size(p), at(s, p));
  }
}

template <class Source, int kSums>
inline void sum_some(const StoredRows& rows, const float* weights, std::size_t weight_stride, float* acc) {
  // Accumulators that stay in registers on every target.
  constexpr int kParts = kSums == 1 ? 4 : kSums <= kTileVectors ? 4 : 2;
  std::size_t j = 0;
  for (; j + kParts * kLanes <= rows.n; j += kParts * kLanes) sum_block<Source, kSums, kParts>(rows, weights, weight_stride, j, kLanes, acc);
  for (; j < rows.n; j += kLanes) {
    sum_block<Source, kSums, 1>(rows, weights, weight_stride, j, rows.n - j < kLanes ? rows.n - j : kLanes, acc);
  }
}

template <class Source>
inline void sum_all(const StoredRows& rows, const float* weights, std::size_t weight_stride, std::size_t n_sums, float* acc) {
  std::size_t s = 0;
  for (; s + kTileVectors <= n_sums; s += kTileVectors) {
    sum_some<Source, kTileVectors>(rows, weights + s * weight_stride, weight_stride, acc + s * rows.n);
  }
  const float* rest = weights + s * weight_stride;
  if (n_sums - s == 3) return sum_some<Source, 3>(rows, rest, weight_stride, acc + s * rows.n);
  if (n_sums - s == 2) return sum_some<Source, 2>(rows, rest, weight_stride, acc + s * rows.n);
  if (n_sums - s == 1) return sum_some<Source, 1>(rows, rest, weight_stride, acc + s * rows.n);
}

void weighted_sum(const float* weights, const float* rows, std::size_t row_stride, std::size_t n_rows, std::size_t n, float* acc) {
  sum_some<Float32Row, 1>({rows, row_stride * sizeof(float), n_rows, n}, weights, 0, acc);
}

void sum_stored(RowFormat format, const StoredRows& rows, const float* weights, std::size_t weight_stride, std::size_t n_sums, float* acc) {
  switch (format) {
    case RowFormat::kF32: return sum_all<Float32Row>(rows, weights, weight_stride, n_sums, acc);
    case RowFormat::kF16: return sum_all<Float16Row>(rows, weights, weight_stride, n_sums, acc);
    case RowFormat::kBF16: return sum_all<BFloat16Row>(rows, weights, weight_stride, n_sums, acc);
    case RowFormat::kQ8_0: return sum_all<Q8_0Row>(rows, weights, weight_stride, n_sums, acc);
    case RowFormat::kQ4_0: return sum_all<Q4_0Row>(rows, weights, weight_stride, n_sums, acc);
  }
}

