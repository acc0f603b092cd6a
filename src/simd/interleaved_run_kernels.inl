// Products with interleaved rows whose runs of codes have a scale each (docs/layout.md, "Rows of runs"). A part of kernels.inl.

/// An InterleavedRuns, as far as the compiler should know it.
template <unsigned bits, unsigned run, bool has_offsets, bool has_units>
struct RunShape {
  static constexpr unsigned kBits = bits, kRuns = 32 / run, kFields = run / 4;  // of a chunk, of a run
  static constexpr bool kHasOffsets = has_offsets, kHasUnits = has_units;
  static constexpr std::size_t kChunks = has_units ? kUnitChunks : kHalfChunks;
  /// Numbers for each run: its scale, and its offset.
  static constexpr std::size_t kNumbers = has_offsets ? 2 : 1;
  static constexpr std::size_t kHeader = has_units ? 64 + kChunks * kRuns * kNumbers * kLanes : kChunks * kNumbers * kLanes * 2;
  static constexpr std::size_t kBytes = kHeader + kChunks * 64 * bits;
};

/// Scales and offsets of a chunk. A header has the units of scales and of offsets, then of each chunk the scales of its runs and the offsets
/// of its runs, in bytes; or halves, the scales of both chunks first.
template <class Shape>
struct RunNumbers {
  RunNumbers(const std::uint8_t* header, std::size_t chunk) {
    if constexpr (Shape::kHasUnits) {
      const F scale_unit = load_f16(header);
      const std::uint8_t* at = header + 64 + chunk * Shape::kRuns * Shape::kNumbers * kLanes;
#pragma GCC unroll 2
      for (unsigned r = 0; r < Shape::kRuns; ++r) scales[r] = mul(scale_unit, to_float(load_i8(at + r * kLanes)));
      if constexpr (Shape::kHasOffsets) {
        const F offset_unit = load_f16(header + 32);
        at += Shape::kRuns * kLanes;
#pragma GCC unroll 2
        for (unsigned r = 0; r < Shape::kRuns; ++r) offsets[r] = mul(offset_unit, to_float(load_i8(at + r * kLanes)));
      }
    } else {
      scales[0] = load_f16(header + chunk * 2 * kLanes);
      if constexpr (Shape::kHasOffsets) offsets[0] = load_f16(header + (kHalfChunks + chunk) * 2 * kLanes);
    }
  }
  F scales[Shape::kRuns], offsets[Shape::kRuns];
};

/// What look_up() adds to entries wraps around to them: products of words want their sign.
struct RunEntries {
  RunEntries(const std::int8_t* values, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::int8_t>(values[i] - kDotBias);
  }
  std::int8_t bytes[64] = {};
};
/// Of codes of 8 bits nothing is looked up.
template <unsigned bits>
struct RunTable {
  explicit RunTable(const std::int8_t* values) : entries(values, 1U << bits), bytes(entries.bytes) {}
  RunEntries entries;
  ByteTable<bits> bytes;  // may point to them
};
template <>
struct RunTable<8> {
  explicit RunTable(const std::int8_t*) {}
};

/// The codes of a chunk and what they stand for.
template <unsigned bits>
struct RunCodes {
  explicit RunCodes(const std::uint8_t* words) {
#pragma GCC unroll 8
    for (unsigned w = 0; w < bits; ++w) word[w] = load_once(words + 64 * w);
  }
  template <unsigned field>
  __attribute__((always_inline)) B values(const RunTable<bits>& table) const {
    if constexpr (bits == 8) return word[field];
    if constexpr (bits < 8 && field < bits) return look_up(table.bytes, word[field]);
    if constexpr (bits < 8 && field >= bits) return look_up(table.bytes, scattered_field<bits, field>(word, word[0]));
  }
  B word[bits];
};
template <unsigned bits>
  requires(bits <= 4)
struct RunCodes<bits> {
  explicit RunCodes(const std::uint8_t* words) {
#pragma GCC unroll 4
    for (unsigned w = 0; w < bits; ++w) chunk.word[w] = load_once(words + 64 * w);
    chunk.gather_spare();
  }
  template <unsigned field>
  __attribute__((always_inline)) B values(const RunTable<bits>& table) const {
    return chunk.template values<field>(table.bytes);
  }
  ChunkFields<bits> chunk;
};

template <class Shape, int kQueries>
struct RunSums {
  F total[kQueries];
  I sum[kQueries];
  const std::int16_t* queries;
  const float* runs;
  std::size_t stride, n_runs;

  __attribute__((always_inline)) void begin_run() {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) sum[q] = broadcast(0);
  }
  __attribute__((always_inline)) void add_field(int field, B values) {
    const W even = even_bytes(values), odd = odd_bytes(values);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const std::int16_t* query = queries + static_cast<std::size_t>(q) * stride + 4 * field;
      sum[q] = add_products(add_products(sum[q], even, query), odd, query + 2);
    }
  }
  __attribute__((always_inline)) void end_run(const RunNumbers<Shape>& numbers, unsigned run) {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      total[q] = fma(to_float(sum[q]), numbers.scales[run], total[q]);
      if constexpr (Shape::kHasOffsets) total[q] = fma(broadcast(runs[static_cast<std::size_t>(q) * n_runs]), numbers.offsets[run], total[q]);
    }
    ++runs;
  }
};

template <class Shape, unsigned field = 0, class Sums>
__attribute__((always_inline)) inline void add_chunk(const RunCodes<Shape::kBits>& codes, const RunTable<Shape::kBits>& table,
                                                     const RunNumbers<Shape>& numbers, Sums& sums) {
  if constexpr (field < 8) {
    if constexpr (field % Shape::kFields == 0) sums.begin_run();
    sums.add_field(field, codes.template values<field>(table));
    if constexpr (field % Shape::kFields == Shape::kFields - 1) sums.end_run(numbers, field / Shape::kFields);
    add_chunk<Shape, field + 1>(codes, table, numbers, sums);
  }
}

template <class Shape, int kQueries>
inline void dot_run_queries(const InterleavedRuns& job, const std::uint8_t* block, const RunTable<Shape::kBits>& table, std::size_t first, float* out) {
  RunSums<Shape, kQueries> sums;
#pragma GCC unroll 8
  for (F& total : sums.total) total = broadcast(0.0F);
  sums.n_runs = job.n / (4 * Shape::kFields);
  sums.stride = job.n;
  sums.queries = job.queries + first * sums.stride;
  sums.runs = job.query_runs + first * sums.n_runs;
  for (std::size_t i = 0; i < job.n; i += 32 * Shape::kChunks, block += Shape::kBytes) {
    if (few_queries(job.n_queries)) ask_for(block + kBytesAhead, Shape::kBytes / 64);
    const std::uint8_t* words = block + Shape::kHeader;
    for (std::size_t chunk = 0; chunk < Shape::kChunks; ++chunk, words += 64 * Shape::kBits, sums.queries += 32) {
      const RunNumbers<Shape> numbers(block, chunk);
      const RunCodes<Shape::kBits> codes(words);
      add_chunk<Shape>(codes, table, numbers, sums);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    const std::size_t query = first + static_cast<std::size_t>(q);
    store(mul(sums.total[q], broadcast(job.query_units[query])), out + query * job.out_stride);
  }
}

constexpr std::size_t kRunTile = kQueryTile < 4 ? 1 : kQueryTile;  // a sum and a total for each query

template <class Shape>
void dot_runs_of(const InterleavedRuns& job) {
  const RunTable<Shape::kBits> table(job.table);
  for (std::size_t b = 0; b < job.n_blocks; ++b) {
    for_query_tiles<kRunTile>(job.n_queries, [&](auto tile, std::size_t first) {
      dot_run_queries<Shape, decltype(tile)::kQueries>(job, job.blocks + b * job.block_bytes, table, first, job.out + b * kLanes);
    });
  }
}

/// The shapes of GGUF's types.
void dot_interleaved_runs(const InterleavedRuns& job) {
  if (job.has_units) {
    if (job.bits == 2) return dot_runs_of<RunShape<2, 16, true, true>>(job);   // q2_k
    if (job.bits == 3) return dot_runs_of<RunShape<3, 16, false, true>>(job);  // q3_k
    if (job.bits == 4) return dot_runs_of<RunShape<4, 32, true, true>>(job);   // q4_k
    if (job.bits == 5) return dot_runs_of<RunShape<5, 32, true, true>>(job);   // q5_k
    return dot_runs_of<RunShape<6, 16, false, true>>(job);                     // q6_k
  }
  if (job.bits == 4) return job.has_offsets ? dot_runs_of<RunShape<4, 32, true, false>>(job) : dot_runs_of<RunShape<4, 32, false, false>>(job);
  if (job.bits == 5) return job.has_offsets ? dot_runs_of<RunShape<5, 32, true, false>>(job) : dot_runs_of<RunShape<5, 32, false, false>>(job);
  dot_runs_of<RunShape<8, 32, false, false>>(job);  // q8_0
}
