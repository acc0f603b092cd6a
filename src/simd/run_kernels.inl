// Products with rows of small integers in runs of 16. A part of kernels.inl.

/// Sizes that the compiler knows, so that a run is a few byte vectors.
template <unsigned bits, std::size_t run>
inline void unpack_bits(const std::uint8_t* __restrict bytes, std::size_t n, unsigned shift, std::uint8_t* __restrict codes) {
  for (std::size_t i = 0; i < n; bytes += run) {
#pragma GCC unroll 8
    for (unsigned down = 0; down < 8; down += bits, i += run) {
#pragma GCC ivdep
      for (std::size_t j = 0; j < run; ++j) {
        const auto field = static_cast<std::uint8_t>(static_cast<std::uint8_t>(bytes[j] >> down) & ((1U << bits) - 1));
        codes[i + j] = static_cast<std::uint8_t>(codes[i + j] | static_cast<std::uint8_t>(field << shift));
      }
    }
  }
}

template <unsigned bits>
inline void unpack_runs(const std::uint8_t* bytes, std::size_t run, std::size_t n, unsigned shift, std::uint8_t* codes) {
  switch (run) {
    case 64: return unpack_bits<bits, 64>(bytes, n, shift, codes);
    case 32: return unpack_bits<bits, 32>(bytes, n, shift, codes);
    case 16: return unpack_bits<bits, 16>(bytes, n, shift, codes);
    default: return unpack_bits<bits, 1>(bytes, n, shift, codes);
  }
}

void unpack_plane(const std::uint8_t* bytes, unsigned bits, std::size_t run, std::size_t n, unsigned shift, std::uint8_t* codes) {
  if (bits == 4) return unpack_runs<4>(bytes, run, n, shift, codes);
  if (bits == 2) return unpack_runs<2>(bytes, run, n, shift, codes);
  unpack_runs<1>(bytes, run, n, shift, codes);
}

template <int kQueries>
inline void dot_runs_some(const RunDot& job, std::size_t first) {
  // Lanes 0 to 7 of products belong to one run, 8 to 15 to the next one; eight scales serve 128 values.
  alignas(64) static constexpr std::int32_t kRuns[4][kLanes] = {{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
                                                                {2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3},
                                                                {4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5},
                                                                {6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7}};
  const std::size_t padded = (job.n / 16 + kLanes - 1) / kLanes * kLanes;  // runs
  const std::int16_t* queries = job.queries + first * job.query_stride;
  for (std::size_t row = 0; row < job.n_rows; ++row) {
    const float *scales = job.scales + row * padded, *offsets = job.offsets + row * padded;
    const auto* codes = reinterpret_cast<const unsigned char*>(job.codes) + row * job.n;
    F sum[kQueries];
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) sum[q] = broadcast(0.0F);
    for (std::size_t r = 0; r < padded; r += kLanes) {
      const F offset = load(offsets + r);
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) sum[q] = fma(offset, load(job.query_runs + (first + static_cast<std::size_t>(q)) * padded + r), sum[q]);
    }
    const auto step = [&](std::size_t i, std::size_t of) __attribute__((always_inline)) {
      I runs;
      __builtin_memcpy(&runs, kRuns[of], sizeof runs);
      const F scale = spread(scales + i / 128 * 8, runs);
      const W words = words_of_bytes(codes + i);
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) {
        sum[q] = fma(to_float(dot2(words, queries + static_cast<std::size_t>(q) * job.query_stride + i)), scale, sum[q]);
      }
    };
    std::size_t i = 0;
    for (; i + 128 <= job.n; i += 128) {
#pragma GCC unroll 4
      for (std::size_t of = 0; of < 4; ++of) step(i + 32 * of, of);
    }
    for (std::size_t of = 0; i < job.n; i += 32, ++of) step(i, of);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const std::size_t at = first + static_cast<std::size_t>(q);
      job.out[at * job.out_stride + row] = job.query_units[at] * reduce_add(sum[q]);
    }
  }
}

void dot_runs(const RunDot& job) {
  for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) { dot_runs_some<decltype(tile)::kQueries>(job, first); });
}
