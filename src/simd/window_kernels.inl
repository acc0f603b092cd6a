// Products with the streams of a trellis, interleaved (docs/layout.md). A part of kernels.inl.

/// Field f of a chunk: the eight bits that begin f · bits bits behind the beginning of each byte's stream, turned left by f · bits % 8, as
/// they stand. The next byte of a stream stands in the same place of the next word.
template <unsigned bits, unsigned f>
__attribute__((always_inline)) inline B window_field(const B* words) {
  constexpr unsigned kWord = f * bits / 8, kShift = f * bits % 8;
  if constexpr (kShift == 0) {
    return words[kWord];
  } else {
    return pick<(0xFFU << kShift & 0xFFU)>(words[kWord], words[kWord + 1]);
  }
}

/// Field f of a chunk and those behind it.
template <unsigned bits, unsigned f, int kBlocks, class Sums>
__attribute__((always_inline)) inline void dot_window_fields(const B (&words)[kBlocks][bits + 1], const MirroredTable& table, Sums& sums) {
  if constexpr (f < 8) {
    if constexpr (kBlocks == 1) {
      sums.add_field(f, look_up_turned<f * bits % 8>(table, window_field<bits, f>(words[0])));
    } else {
      sums.add_field(f, look_up_turned<f * bits % 8>(table, window_field<bits, f>(words[0])), look_up_turned<f * bits % 8>(table, window_field<bits, f>(words[1])));
    }
    dot_window_fields<bits, f + 1>(words, table, sums);
  }
}

/// The words of two blocks do not fit the registers beside 16 sums.
template <int kBlocks>
__attribute__((always_inline)) inline B load_stream(const std::uint8_t* bytes) {
  return kBlocks == 1 ? load_once(bytes) : load_bytes(bytes);
}

/// As walk_codes, of streams; `behind` is what is behind the last words of each block.
template <unsigned bits, int kBlocks, class Sums>
__attribute__((always_inline)) inline void walk_windows(const InterleavedDot& job, const DotBlock* blocks, const std::uint32_t (*behind)[kLanes],
                                                        const MirroredTable& table, bool asks, Sums& sums) {
  B words[kBlocks][bits + 1];
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) words[b][0] = load_stream<kBlocks>(blocks[b].words);
  for (std::size_t w = 0; w < job.n_words; w += bits) {
    if (asks) ask_for(blocks->words + 64 * w + kBytesAhead, bits);
    const bool last = w + bits == job.n_words;
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) {
#pragma GCC unroll 4
      for (unsigned i = 1; i < bits; ++i) words[b][i] = load_stream<kBlocks>(blocks[b].words + 64 * (w + i));
      words[b][bits] = load_stream<kBlocks>(last ? reinterpret_cast<const std::uint8_t*>(behind[b]) : blocks[b].words + 64 * (w + bits));
    }
    dot_window_fields<bits, 0>(words, table, sums);
    sums.next_chunk();
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) words[b][0] = words[b][bits];
  }
}

template <unsigned bits, int kQueries, int kBlocks>
void dot_window_queries(const InterleavedDot& job, const DotBlock* blocks, const std::uint32_t (*behind)[kLanes], const MirroredTable& table,
                        std::size_t first) {
  dot_queries<kQueries, kBlocks>(job, blocks, first, [&](auto& sums) __attribute__((always_inline)) {
    walk_windows<bits, kBlocks>(job, blocks, behind, table, kQueries == 1 && asks_alone(job), sums);
  });
}

template <unsigned bits>
void dot_windows_of(const InterleavedDot& job) {
  const MirroredTable table(job.table, job.mirror);
  for_block_tiles(job, [&](auto n_blocks, const DotBlock* blocks) {
    constexpr int kBlocks = decltype(n_blocks)::kBlocks;
    std::uint32_t behind[kBlocks][kLanes];  // each quarter of a stream goes on where the next one begins, the last one where the first one does
    for (int b = 0; b < kBlocks; ++b) {
      __builtin_memcpy(behind[b], blocks[b].words, sizeof behind[b]);
      for (std::uint32_t& lane : behind[b]) lane = lane >> 8 | lane << 24;
    }
    if (wants_panel(job)) {
      Panel panel(job.panel);
      walk_windows<bits, kBlocks>(job, blocks, behind, table, false, panel);
      return dot_panel<kBlocks>(job, blocks, panel);
    }
    for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
      dot_window_queries<bits, decltype(tile)::kQueries, kBlocks>(job, blocks, behind, table, first);
    });
  });
}

void dot_windows(const InterleavedDot& job) {
  if (job.bits == 2) return dot_windows_of<2>(job);
  if (job.bits == 3) return dot_windows_of<3>(job);
  dot_windows_of<4>(job);
}
