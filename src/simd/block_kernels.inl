// Products with GGUF's blocks of 32, in integers. A part of kernels.inl.
// Words are the 32 values of a block in 16 bits; dot2() adds up the products of values 2 l and 2 l + 1 in lane l.

struct Q8_0Block {
  static constexpr std::size_t kBytes = 34;
  static W words(const unsigned char* block) { return words_of_bytes(block + 2); }
};
struct Q4_0Block {
  static constexpr std::size_t kBytes = 18;
  static W words(const unsigned char* block) { return words_of_nibbles(block + 2); }
};

template <class Block, int kQueries>
inline void dot_blocks_some(const BlockDot& job, const std::int16_t* queries, const float* units, float* out) {
  const auto* row = static_cast<const unsigned char*>(job.rows.bytes);
  for (std::size_t r = 0; r < job.rows.n_rows; ++r, row += job.rows.stride) {
    F sum[kQueries];
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) sum[q] = broadcast(0.0F);
    const unsigned char* block = row;
    for (std::size_t i = 0; i < job.rows.n; i += 32, block += Block::kBytes) {
      const F scale = broadcast_f16(block);
      const W words = Block::words(block);
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) {
        sum[q] = fma(to_float(dot2(words, queries + static_cast<std::size_t>(q) * job.query_stride + i)), scale, sum[q]);
      }
    }
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) out[static_cast<std::size_t>(q) * job.out_stride + r] = units[q] * reduce_add(sum[q]);
  }
}

template <class Block>
inline void dot_blocks_all(const BlockDot& job) {
  for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
    dot_blocks_some<Block, decltype(tile)::kQueries>(job, job.queries + first * job.query_stride, job.query_units + first,
                                                     job.out + first * job.out_stride);
  });
}

void dot_blocks(const BlockDot& job) {
  if (job.four_bits) return dot_blocks_all<Q4_0Block>(job);
  dot_blocks_all<Q8_0Block>(job);
}
