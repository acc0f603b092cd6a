// Products of a few queries with GGUF's blocks of 32, in integers. A part of kernels.inl.
// Words are the 32 values of a block in 16 bits; dot2() adds up the products of values 2 l and 2 l + 1 in lane l.

struct Q8_0Block {
  static constexpr std::size_t kBytes = 34;
  static W words(const unsigned char* block) { return words_of_bytes(block + 2); }
};
struct Q4_0Block {
  static constexpr std::size_t kBytes = 18;
  static W words(const unsigned char* block) { return words_of_nibbles(block + 2); }
};

template <int n>
struct Count {
  static constexpr int value = n;
};

/// Four chains of sums: one would wait for itself, four cycles for each block.
template <class Block, int kQueries>
inline void dot_blocks_some(const BlockDot& job, const std::int16_t* queries, const float* units, float* out) {
  constexpr int kChains = kQueries == 1 ? 4 : 2;
  const std::size_t n = job.rows.n / 32;
  const auto* row = static_cast<const unsigned char*>(job.rows.bytes);
  for (std::size_t r = 0; r < job.rows.n_rows; ++r, row += job.rows.stride) {
    F sum[kQueries][kChains];
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) sum[q][c] = broadcast(0.0F);
    }
    const auto step = [&](std::size_t b, int c) __attribute__((always_inline)) {
      const unsigned char* block = row + b * Block::kBytes;
      const F scale = broadcast_f16(block);
      const auto words = Block::words(block);
#pragma GCC unroll 4
      for (int q = 0; q < kQueries; ++q) {
        const I products = dot2(words, queries + static_cast<std::size_t>(q) * job.query_stride + 32 * b);
        sum[q][c] = fma(to_float(products), scale, sum[q][c]);
      }
    };
    std::size_t b = 0;
    for (; b + kChains <= n; b += kChains) {
#pragma GCC unroll 4
      for (int c = 0; c < kChains; ++c) step(b + static_cast<std::size_t>(c), c);
    }
    for (; b < n; ++b) step(b, 0);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      F whole = sum[q][0];
#pragma GCC unroll 4
      for (int c = 1; c < kChains; ++c) whole = add(whole, sum[q][c]);
      out[static_cast<std::size_t>(q) * job.out_stride + r] = units[q] * reduce_add(whole);
    }
  }
}

template <class Block>
inline void dot_blocks_all(const BlockDot& job) {
  std::size_t q = 0;
  const auto some = [&](auto count) __attribute__((always_inline)) {
    dot_blocks_some<Block, count.value>(job, job.queries + q * job.query_stride, job.query_units + q, job.out + q * job.out_stride);
    q += count.value;
  };
  while (job.n_queries - q >= 4) some(Count<4>{});
  if (job.n_queries - q == 3) return some(Count<3>{});
  if (job.n_queries - q == 2) return some(Count<2>{});
  if (job.n_queries - q == 1) return some(Count<1>{});
}

void dot_blocks(const BlockDot& job) {
  if (job.four_bits) return dot_blocks_all<Q4_0Block>(job);
  dot_blocks_all<Q8_0Block>(job);
}
