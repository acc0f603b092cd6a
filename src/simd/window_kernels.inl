// Products with the streams of a trellis, interleaved (docs/layout.md). A part of kernels.inl.

/// Field f of a chunk: the eight bits that begin f · bits bits behind the beginning of each byte's stream. The next byte of a stream
/// stands in the same place of the next word.
template <unsigned bits, unsigned f>
__attribute__((always_inline)) inline B window_field(const B* words) {
  constexpr unsigned kWord = f * bits / 8, kShift = f * bits % 8;
  if constexpr (kShift == 0) {
    return words[kWord];
  } else {
    return pick<(0xFFU >> kShift)>(down<kShift>(words[kWord]), up<8 - kShift>(words[kWord + 1]));
  }
}

template <unsigned bits, int kQueries>
inline void dot_window_queries(const InterleavedDot& job, const DotBlock& block, const ByteTable<8>& table, const std::uint8_t* behind, std::size_t first) {
  DotSums<kQueries> sums;
  sums.clear();
  sums.queries = job.queries + first * job.query_stride;
  sums.stride = job.query_stride;
  B words[bits + 1];
  words[0] = load_bytes(block.words);
  for (std::size_t w = 0; w < job.n_words; w += bits, sums.queries += 32) {
#pragma GCC unroll 4
    for (unsigned i = 1; i < bits; ++i) words[i] = load_bytes(block.words + 64 * (w + i));
    words[bits] = load_bytes(w + bits < job.n_words ? block.words + 64 * (w + bits) : behind);
    sums.add_field(0, look_up(table, window_field<bits, 0>(words)));
    sums.add_field(1, look_up(table, window_field<bits, 1>(words)));
    sums.add_field(2, look_up(table, window_field<bits, 2>(words)));
    sums.add_field(3, look_up(table, window_field<bits, 3>(words)));
    sums.add_field(4, look_up(table, window_field<bits, 4>(words)));
    sums.add_field(5, look_up(table, window_field<bits, 5>(words)));
    sums.add_field(6, look_up(table, window_field<bits, 6>(words)));
    sums.add_field(7, look_up(table, window_field<bits, 7>(words)));
    words[0] = words[bits];
  }
  store_products<kQueries>(job, block.scales, block.out, sums, first);
}

template <unsigned bits>
void dot_windows_of(const InterleavedDot& job) {
  const ByteTable<8> table(job.table);
  for_blocks(job, [&](const DotBlock& block) {
    std::uint32_t behind[kLanes];  // each quarter of a stream goes on where the next one begins, the last one where the first one does
    __builtin_memcpy(behind, block.words, sizeof behind);
    for (std::uint32_t& lane : behind) lane = lane >> 8 | lane << 24;
    const auto* next = reinterpret_cast<const std::uint8_t*>(behind);
    for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
      dot_window_queries<bits, decltype(tile)::kQueries>(job, block, table, next, first);
    });
  });
}

void dot_windows(const InterleavedDot& job) {
  if (job.bits == 2) return dot_windows_of<2>(job);
  if (job.bits == 3) return dot_windows_of<3>(job);
  dot_windows_of<4>(job);
}
