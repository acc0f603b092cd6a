// Kernels on the interleaved layout (docs/layout.md). A part of kernels.inl.
// ---- interleaved codes

inline F size_of(F x) { return as_float(bit_and(as_int(x), broadcast(0x7FFFFFFF))); }

/// Infinity where one is NaN.
inline float largest_size(const float* x, std::size_t n) {
  const F infinity = broadcast(__builtin_inff());
  F sizes = broadcast(0.0F);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const F values = load_some(x + i, m);
    sizes = max(sizes, as_float(if_nan(values, as_int(infinity), as_int(size_of(values)))));
  });
  return reduce_max(sizes);
}

void to_bytes(const float* x, std::size_t n, std::int8_t* out, float* unit, std::int32_t* sum) {
  const F zero = broadcast(0.0F);
  const float largest = largest_size(x, n);
  const bool usable = largest > 0x1p-100F && largest < 0x1p100F;
  const F factor = broadcast(usable ? 127.0F / largest : 0.0F);
  I sums = broadcast(0);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const I bytes = round_to_int(usable ? mul(load_some(x + i, m), factor) : zero);
    sums = add(sums, bytes);
    std::int8_t rounded[kLanes];
    store_i8(bytes, m == kLanes ? out + i : rounded);
    if (m < kLanes) __builtin_memcpy(out + i, rounded, m);
  });
  *unit = usable ? largest / 127.0F : largest < 1 ? 0.0F : __builtin_nanf("");
  *sum = static_cast<std::int32_t>(reduce_add(to_float(sums)));  // at most 127 · 131072 < 2^24: exact
}

template <int queries>
struct QueryTile {
  static constexpr int kQueries = queries;
};
/// Calls take(QueryTile<n>, first) for tiles of kMost queries, then for what is left: a tile of 4, and one of the rest, since codes are
/// looked up once for each tile.
template <std::size_t kMost, class Take>
__attribute__((always_inline)) inline void for_query_tiles(std::size_t n, Take take) {
  std::size_t q = 0;
  for (; q + kMost <= n; q += kMost) take(QueryTile<kMost>(), q);
  if constexpr (kMost > 4) {
    if (n - q >= 4) {
      take(QueryTile<4>(), q);
      q += 4;
    }
  }
  if constexpr (kMost > 2) {
    if (n - q == 3) return take(QueryTile<3>(), q);
    if (n - q == 2) return take(QueryTile<2>(), q);
  }
  if (n - q == 1) take(QueryTile<1>(), q);
}
/// Sums that one query has: a product waits about four cycles for the one before it.
constexpr int chains_of(int queries) { return queries >= 4 ? 1 : queries == 3 ? 2 : 4 / queries; }

/// Products of one or more queries with kBlocks times 16 rows. A field's codes are looked up once for all queries, and the bytes of a query
/// loaded once for all blocks.
template <int kQueries, int kBlocks = 1>
struct DotSums {
  static constexpr int kChains = chains_of(kQueries * kBlocks);
  I sum[kQueries][kBlocks][kChains];
  const std::int8_t* queries;
  std::size_t stride, chunk_stride = 32;  ///< from one query to the next, and from one chunk of a query to the next

  /// From what the bias of the values adds, in memory first: a broadcast from there is a load and nothing else.
  void start(const std::int32_t* query_sums) {
    std::int32_t biases[kQueries];
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) biases[q] = -kDotBias * query_sums[q];
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) {
#pragma GCC unroll 4
        for (int chain = 0; chain < kChains; ++chain) sum[q][b][chain] = broadcast(chain == 0 ? biases[q] : 0);
      }
    }
  }
  __attribute__((always_inline)) void next_chunk() { queries += chunk_stride; }
  I total(int q, int block = 0) const {
    I all = sum[q][block][0];
#pragma GCC unroll 4
    for (int chain = 1; chain < kChains; ++chain) all = add(all, sum[q][block][chain]);
    return all;
  }

  __attribute__((always_inline)) void add_field(int field, B values)
    requires(kBlocks == 1)
  {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      I& target = sum[q][0][field % kChains];
      target = dot4(target, values, queries + static_cast<std::size_t>(q) * stride + 4 * field);
    }
  }
  __attribute__((always_inline)) void add_field(int field, B first, B second)
    requires(kBlocks == 2)
  {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const B query = repeat_four(queries + static_cast<std::size_t>(q) * stride + 4 * field);
      I &low = sum[q][0][field % kChains], &high = sum[q][1][field % kChains];
      low = dot4(low, first, query);
      high = dot4(high, second, query);
    }
  }
};

/// Fields of a chunk, which has 32 codes of each row in words: byte j of word w carries the codes 4·(w·per_byte + f) + j in fields of `bits`.
/// For 3 bits, where two bits of each byte are left over, these hold the last two fields.
template <unsigned bits>
struct ChunkFields {
  static constexpr unsigned kPerByte = 8 / bits, kDirect = kPerByte * bits;

  template <unsigned field>
  __attribute__((always_inline)) B values(const ByteTable<bits>& table) const {
    if constexpr (field < kDirect) return look_up_at<field % kPerByte * bits>(table, word[field / kPerByte]);
    if constexpr (field >= kDirect) return look_up_at<(field - kDirect) * bits>(table, spare);
  }
  /// 3 bits: bits 6 and 7 of the three words, one pair above the other.
  __attribute__((always_inline)) void gather_spare() {
    if constexpr (kDirect < 8) spare = pick<3>(down<6>(word[0]), pick<12>(down<4>(word[1]), down<2>(word[2])));
  }
  B word[bits], spare;
};

/// A chunk of a block, or of two that lie `apart` bytes from each other; of its fields those that `here` ≤ bits words have.
template <unsigned bits, unsigned field, int kBlocks, class Sums>
__attribute__((always_inline)) inline void dot_fields(const ChunkFields<bits> (&chunk)[kBlocks], std::size_t here, const ByteTable<bits>& table, Sums& sums) {
  if constexpr (field < 8) {
    constexpr unsigned kPerByte = 8 / bits, kDirect = kPerByte * bits;
    if (field < kDirect ? field / kPerByte >= here : here < bits) return;
    if constexpr (kBlocks == 1) {
      sums.add_field(field, chunk[0].template values<field>(table));
    } else {
      sums.add_field(field, chunk[0].template values<field>(table), chunk[1].template values<field>(table));
    }
    dot_fields<bits, field + 1>(chunk, here, table, sums);
  }
}
template <unsigned bits, int kBlocks = 1, class Sums>
__attribute__((always_inline)) inline void dot_chunk(const std::uint8_t* words, std::size_t here, const ByteTable<bits>& table, Sums& sums,
                                                     std::size_t apart = 0) {
  ChunkFields<bits> chunk[kBlocks] = {};
#pragma GCC unroll 4
  for (unsigned w = 0; w < bits; ++w) {
    if (w >= here) break;
#pragma GCC unroll 2
    for (int b = 0; b < kBlocks; ++b) chunk[b].word[w] = load_once(words + static_cast<std::size_t>(b) * apart + 64 * w);
  }
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) chunk[b].gather_spare();
  dot_fields<bits, 0>(chunk, here, table, sums);
}

/// Few enough to meet rows faster than memory answers. One query alone does nothing but read, which some CPUs foresee: there asking costs
/// a tenth of the speed (Zen 4). Others stop at every 4 KiB, and without asking a quarter of the speed is lost (a Xeon).
inline bool few_queries(std::size_t n_queries) { return n_queries <= 8 && (n_queries > 1 || !foresees_reading()); }
/// For level 2. Little by little, as rows are read: a core waits for some twenty lines at most, and all else waits behind these.
inline void ask_for(const std::uint8_t* bytes, std::size_t lines) {
  for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(bytes + 64 * line, 0, 2);
}

/// Of an InterleavedDot or a PlaneDot, for the rows of a block from out on.
template <int kQueries, class Job, class Sums>
inline void store_products(const Job& job, F scales, float* out, const Sums& sums, std::size_t first, int block = 0) {
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    const std::size_t query = first + static_cast<std::size_t>(q);
    store(mul(mul(to_float(sums.total(q, block)), scales), broadcast(job.query_units[query])), out + query * job.out_stride);
  }
}

/// 16 rows of an InterleavedDot.
struct DotBlock {
  const std::uint8_t* words;
  F scales;
  float* out;
};
inline DotBlock dot_block(const InterleavedDot& job, std::size_t b) {
  const std::size_t group = b / 2 * job.group_bytes, second = b % 2;
  const std::uint8_t* at = static_cast<const std::uint8_t*>(job.row_scales) + group + second * kLanes * (job.half_scales ? 2 : 4);
  F stored = broadcast(0.0F);
  if (job.half_scales) {
    stored = load_f16(at);
  } else {
    float floats[kLanes];
    __builtin_memcpy(floats, at, sizeof floats);
    stored = load(floats);
  }
  return {job.words + group + second * 64 * job.n_words, mul(stored, broadcast(job.step)), job.out + b * kLanes};
}
constexpr std::size_t kBytesAhead = 8192;
/// A single query asks as it reads.
inline bool asks_alone(const InterleavedDot& job) { return job.n_queries == 1 && few_queries(1); }
inline void ask_ahead(const InterleavedDot& job, const DotBlock& block, std::size_t n_blocks) {
  if (job.n_queries > 1 && few_queries(job.n_queries)) ask_for(block.words + kBytesAhead, n_blocks * job.n_words + 1);  // and a line of scales
}
template <int blocks>
struct BlockTile {
  static constexpr int kBlocks = blocks;
};
/// Calls take(BlockTile<n>, blocks) for kBlockTile blocks that lie one behind the other, then one by one for what is left. A single query
/// waits for memory, which reads one run faster than two.
template <class Take>
__attribute__((always_inline)) inline void for_block_tiles(const InterleavedDot& job, Take take) {
  std::size_t b = 0;
  for (; kBlockTile > 1 && job.n_queries > 1 && b + kBlockTile <= job.n_blocks; b += kBlockTile) {
    const DotBlock blocks[2] = {dot_block(job, b), dot_block(job, b + kBlockTile - 1)};
    ask_ahead(job, blocks[0], kBlockTile);
    take(BlockTile<kBlockTile>(), blocks);
  }
  for (; b < job.n_blocks; ++b) {
    const DotBlock block = dot_block(job, b);
    ask_ahead(job, block, 1);
    take(BlockTile<1>(), &block);
  }
}

/// All codes of kBlocks that lie one behind the other, into sums of products or into a panel.
template <unsigned bits, int kBlocks, class Sums>
__attribute__((always_inline)) inline void walk_codes(const InterleavedDot& job, const DotBlock* blocks, const ByteTable<bits>& table, bool asks, Sums& sums) {
  const std::size_t apart = 64 * job.n_words;
  std::size_t w = 0;
  const auto add_chunk = [&]() __attribute__((always_inline)) {
    if (asks) ask_for(blocks->words + 64 * w + kBytesAhead, bits);
    dot_chunk<bits, kBlocks>(blocks->words + 64 * w, bits, table, sums, apart);
    w += bits;
    sums.next_chunk();
  };
  while (kBlocks > 1 && w + 2 * bits <= job.n_words) {  // each turn costs some moves of that many registers
    add_chunk();
    add_chunk();
  }
  while (w + bits <= job.n_words) add_chunk();
  if (w < job.n_words) dot_chunk<bits, kBlocks>(blocks->words + 64 * w, job.n_words - w, table, sums, apart);
}

/// Products of kQueries from `first` on with kBlocks whose codes walk(sums) goes through.
template <int kQueries, int kBlocks, class Walk>
__attribute__((always_inline)) inline void dot_queries(const InterleavedDot& job, const DotBlock* blocks, std::size_t first, Walk walk) {
  DotSums<kQueries, kBlocks> sums;
  sums.start(job.query_sums + first);
  sums.queries = job.queries + first * job.query_stride;
  sums.stride = job.query_stride;
  walk(sums);
#pragma GCC unroll 2
  for (int b = 0; b < kBlocks; ++b) store_products<kQueries>(job, blocks[b].scales, blocks[b].out, sums, first, b);
}

#include "simd/panel_kernels.inl"

template <unsigned bits, int kQueries, int kBlocks>
void dot_coded_queries(const InterleavedDot& job, const DotBlock* blocks, const ByteTable<bits>& table, std::size_t first) {
  dot_queries<kQueries, kBlocks>(job, blocks, first, [&](auto& sums) __attribute__((always_inline)) {
    walk_codes<bits, kBlocks>(job, blocks, table, kQueries == 1 && asks_alone(job), sums);
  });
}

template <unsigned bits>
void dot_all_queries(const InterleavedDot& job) {
  const ByteTable<bits> table(job.table);
  for_block_tiles(job, [&](auto n_blocks, const DotBlock* blocks) {
    constexpr int kBlocks = decltype(n_blocks)::kBlocks;
    if (bits > kCheapLookup && wants_panel(job)) {
      Panel panel(job.panel);
      walk_codes<bits, kBlocks>(job, blocks, table, false, panel);
      panel.complete_chunk<kBlocks>();
      return dot_panel<kBlocks>(job, blocks, panel);
    }
    for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
      dot_coded_queries<bits, decltype(tile)::kQueries, kBlocks>(job, blocks, table, first);
    });
  });
}

void dot_interleaved(const InterleavedDot& job) {
  if (job.bits == 1) return dot_all_queries<1>(job);
  if (job.bits == 2) return dot_all_queries<2>(job);
  if (job.bits == 3) return dot_all_queries<3>(job);
  dot_all_queries<4>(job);
}

// ---- transposed codes

/// A query's weights of 32 rows times the scales of these.
struct ScaledWeights {
  ScaledWeights(const RowWeights& job, std::size_t query, std::size_t group) {
    const std::size_t at = group * 2 * kLanes;
    const float *weights = job.weights + query * job.weight_stride + at, *scales = job.scales + at;
    a = mul(load(weights), load(scales));
    b = mul(load(weights + kLanes), load(scales + kLanes));
  }
  /// Of two weights each: the bits of their sizes, among which those of a NaN are the largest.
  I sizes() const { return max(as_int(size_of(a)), as_int(size_of(b))); }
  F a, b;
};

/// Units of 16 groups from `group` on, and what their weights are multiplied by; false, and nothing done, where one has no unit.
inline bool find_sixteen_units(const RowWeights& job, std::size_t query, std::size_t group, float* factors) {
  F vectors[kLanes];
  for (std::size_t g = 0; g < kLanes; ++g) vectors[g] = as_float(ScaledWeights(job, query, group + g).sizes());
  reduce_lanes<8>(vectors, [](F a, F b) __attribute__((always_inline)) { return as_float(max(as_int(a), as_int(b))); });
  const F largest = vectors[0];
  if ((mask_greater(largest, broadcast(0x1p-100F)) & mask_greater(broadcast(0x1p100F), largest)) != 0xFFFF) return false;
  store(divide(broadcast(127.0F), largest), factors);
  float units[kLanes];
  store(divide(largest, broadcast(127.0F)), units);
  for (std::size_t g = 0; g < kLanes; ++g) job.units[(group + g) * job.n_queries + query] = units[g];
  return true;
}

inline void round_sixteen_groups(const RowWeights& job, std::size_t query, std::size_t group, const float* factors) {
  F vectors[kLanes];
  for (std::size_t g = 0; g < kLanes; ++g) {
    const ScaledWeights weights(job, query, group + g);
    const F factor = broadcast(factors[g]);
    const I low = round_to_int(mul(weights.a, factor)), high = round_to_int(mul(weights.b, factor));
    store_i8(low, high, job.bytes + ((group + g) * job.n_queries + query) * 2 * kLanes);
    vectors[g] = to_float(add(low, high));
  }
  reduce_lanes<8>(vectors, [](F a, F b) __attribute__((always_inline)) { return add(a, b); });  // at most 32 · 127: exact
  const I sums = round_to_int(vectors[0]);
  std::int32_t of_groups[kLanes];
  __builtin_memcpy(of_groups, &sums, sizeof sums);
  for (std::size_t g = 0; g < kLanes; ++g) job.sums[(group + g) * job.n_queries + query] = of_groups[g];
}

inline void round_group(const RowWeights& job, std::size_t query, std::size_t group) {
  float scaled[2 * kLanes];
  const ScaledWeights weights(job, query, group);
  store(weights.a, scaled);
  store(weights.b, scaled + kLanes);
  const std::size_t at = group * job.n_queries + query;
  to_bytes(scaled, 2 * kLanes, job.bytes + at * 2 * kLanes, &job.units[at], &job.sums[at]);
}

/// 16 groups at once, whose reductions then take a few instructions each; and units of some queries before their bytes: a unit comes out of
/// a chain of shuffles and a division, which the next query's do not wait for.
void weights_to_bytes(const RowWeights& job) {
  constexpr std::size_t kAhead = 4;
  for (std::size_t group = 0; group < job.n_groups; group += kLanes) {
    const bool sixteen = group + kLanes <= job.n_groups;
    for (std::size_t first = 0; first < job.n_queries; first += kAhead) {
      const std::size_t n = job.n_queries - first < kAhead ? job.n_queries - first : kAhead;
      float factors[kAhead][kLanes];
      bool together[kAhead];
      for (std::size_t i = 0; i < n; ++i) together[i] = sixteen && find_sixteen_units(job, first + i, group, factors[i]);
      for (std::size_t i = 0; i < n; ++i) {
        if (together[i]) {
          round_sixteen_groups(job, first + i, group, factors[i]);
          continue;
        }
        for (std::size_t g = group; g < job.n_groups && g < group + kLanes; ++g) round_group(job, first + i, g);
      }
    }
  }
}

/// Some queries from `first` on and some blocks from `block` on of a TransposedSum. Totals stay in memory: beside the sums of 8 queries and 2
/// blocks registers have no room for them.
struct TransposedTile {
  TransposedTile(const TransposedSum& of_job, std::size_t from_block, std::size_t from_query)
      : job(of_job), first(from_query), totals(job.sums + first * job.stride + from_block * kLanes) {}

  /// Sums of a unit that begins with group g.
  template <class Sums>
  __attribute__((always_inline)) void start(Sums& sums, std::size_t g) const {
    sums.start(job.weight_sums + g / job.unit_groups * job.n_queries + first);
    sums.queries = job.weights + (g * job.n_queries + first) * 32;
    sums.stride = 32;
    sums.chunk_stride = job.n_queries * 32;
  }
  template <int kQueries, int kBlocks>
  __attribute__((always_inline)) void add_unit(const DotSums<kQueries, kBlocks>& sums, std::size_t g) const {
    const float* units = job.weight_units + g / job.unit_groups * job.n_queries + first;
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const F unit = broadcast(units[q]);
#pragma GCC unroll 2
      for (int b = 0; b < kBlocks; ++b) {
        float* total = totals + static_cast<std::size_t>(q) * job.stride + static_cast<std::size_t>(b) * kLanes;
        store(add(load(total), mul(to_float(sums.total(q, b)), unit)), total);
      }
    }
  }

  const TransposedSum& job;
  std::size_t first;
  float* totals;
};

template <int kQueries, int kBlocks>
void sum_some_with(const TransposedSum& job, std::size_t block, std::size_t g, const Panel& panel, std::size_t first) {
  const TransposedTile tile(job, block, first);
  DotSums<kQueries, kBlocks> sums;
  tile.start(sums, g);
  panel.walk<kBlocks>(sums);
  tile.add_unit(sums, g);
}

/// The codes of the unit that begins with group g, of kBlocks from `block` on, into sums of products or into a panel.
template <unsigned bits, int kBlocks, class Sums>
__attribute__((always_inline)) inline void walk_unit(const TransposedSum& job, const ByteTable<bits>& table, std::size_t block, std::size_t g, Sums& sums) {
  const std::uint8_t* words = job.words + g * job.group_bytes + block * 64 * bits;
  const std::size_t ahead = job.n_groups * job.group_bytes;  // the groups of the next call
  const bool asks = few_queries(job.n_queries);
  const auto add_group = [&]() __attribute__((always_inline)) {
    if (asks) ask_for(words + ahead, kBlocks * bits);
    dot_chunk<bits, kBlocks>(words, bits, table, sums, 64 * bits);
    sums.next_chunk();
  };
  add_group();
  if (job.unit_groups == 1 || g + 1 == job.n_groups) return;
  words += job.group_bytes;
  add_group();
}

template <unsigned bits, int kQueries, int kBlocks>
void sum_some_transposed(const TransposedSum& job, const ByteTable<bits>& table, std::size_t block, std::size_t first) {
  const TransposedTile tile(job, block, first);
  DotSums<kQueries, kBlocks> sums;
  for (std::size_t g = 0; g < job.n_groups; g += job.unit_groups) {
    tile.start(sums, g);
    walk_unit<bits, kBlocks>(job, table, block, g, sums);
    tile.add_unit(sums, g);
  }
}

template <unsigned bits>
void sum_all_transposed(const TransposedSum& job) {
  const ByteTable<bits> table(job.table);
  std::size_t block = 0;
  const auto take = [&](auto n_blocks) {
    constexpr int kBlocks = decltype(n_blocks)::kBlocks;
    if (bits > kCheapLookup && job.n_queries > kQueryTile) {
      alignas(64) std::uint8_t room[2 * 8 * 64 * kBlocks];
      for (std::size_t g = 0; g < job.n_groups; g += job.unit_groups) {
        Panel panel(room);
        walk_unit<bits, kBlocks>(job, table, block, g, panel);
        for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
          sum_some_with<decltype(tile)::kQueries, kBlocks>(job, block, g, panel, first);
        });
      }
    } else {
      for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) {
        sum_some_transposed<bits, decltype(tile)::kQueries, kBlocks>(job, table, block, first);
      });
    }
    block += kBlocks;
  };
  while (block + kBlockTile <= job.n_blocks) take(BlockTile<kBlockTile>());
  while (block < job.n_blocks) take(BlockTile<1>());
}

void sum_transposed(const TransposedSum& job) {
  if (job.bits == 1) return sum_all_transposed<1>(job);
  if (job.bits == 2) return sum_all_transposed<2>(job);
  if (job.bits == 3) return sum_all_transposed<3>(job);
  sum_all_transposed<4>(job);
}

// ---- codes in two planes: their highest bit, and the others

/// Field f, whose codes' highest bits are bit f of each byte of `signs` and whose others stand in `words` as docs/layout.md has them for
/// one bit less.
template <unsigned bits, int f>
__attribute__((always_inline)) inline B joined_field(B signs, const B* words) {
  constexpr int kLow = static_cast<int>(bits) - 1;
  B sign;
  if constexpr (f >= kLow) {
    sign = down<f - kLow>(signs);
  } else {
    sign = up<kLow - f>(signs);
  }
  B low;
  if constexpr (kLow == 3 && f == 6) {
    low = pick<3>(down<6>(words[0]), down<4>(words[1]));
  } else if constexpr (kLow == 3 && f == 7) {
    low = pick<1>(down<7>(words[1]), down<5>(words[2]));
  } else {
    constexpr int kPerByte = 8 / kLow;
    low = down<f % kPerByte * kLow>(words[f / kPerByte]);
  }
  return pick<1U << kLow>(sign, low);
}

template <unsigned bits, class Take>
__attribute__((always_inline)) inline void for_joined_fields(B signs, const B* words, Take take) {
  take(0, joined_field<bits, 0>(signs, words));
  take(1, joined_field<bits, 1>(signs, words));
  take(2, joined_field<bits, 2>(signs, words));
  take(3, joined_field<bits, 3>(signs, words));
  take(4, joined_field<bits, 4>(signs, words));
  take(5, joined_field<bits, 5>(signs, words));
  take(6, joined_field<bits, 6>(signs, words));
  take(7, joined_field<bits, 7>(signs, words));
}

template <unsigned bits, int kQueries>
inline void dot_planes_with(const PlaneDot& job, const ByteTable<bits>& table, std::size_t first) {
  DotSums<kQueries> sums;
  sums.start(job.query_sums + first);
  sums.queries = job.queries + first * job.query_stride;
  sums.stride = job.query_stride;
  for (std::size_t c = 0; c < job.chunks; ++c, sums.queries += 32) {
    B words[bits - 1];
#pragma GCC unroll 3
    for (std::size_t w = 0; w < bits - 1; ++w) words[w] = load_bytes(job.words + 64 * (w * job.chunks + c));
    for_joined_fields<bits>(load_bytes(job.signs + 64 * c), words, [&](int f, B index) __attribute__((always_inline)) {
      sums.add_field(f, look_up(table, index));
    });
  }
  store_products<kQueries>(job, load(job.row_scales), job.out, sums, first);
}

template <unsigned bits>
void dot_planes_all(const PlaneDot& job) {
  const ByteTable<bits> table(job.table);
  for_query_tiles<kQueryTile>(job.n_queries, [&](auto tile, std::size_t first) { dot_planes_with<bits, decltype(tile)::kQueries>(job, table, first); });
}

void dot_planes(const PlaneDot& job) {
  if (job.bits == 2) return dot_planes_all<2>(job);
  if (job.bits == 3) return dot_planes_all<3>(job);
  dot_planes_all<4>(job);
}

/// The lanes are 16 chunks of the row.
template <unsigned bits>
inline void dot_single_rows(const PlaneRows& job) {
  constexpr std::size_t kAhead = 4;  // rows, which lie anywhere
  const ByteTable<bits> table(job.table);
  const std::size_t padded = (job.chunks + 15) / 16 * 16;
  for (std::size_t r = 0; r < job.n_rows; ++r) {
    const std::size_t row = job.rows[r];
    const std::size_t row_bytes = (bits - 1) * job.chunks * 4;
    const std::uint8_t *signs = job.signs + row / 16 * 64 * job.chunks + row % 16 * 4, *words = job.words + row * row_bytes;
    if (r + kAhead < job.n_rows) {
      const std::size_t next = job.rows[r + kAhead];
      for (std::size_t at = 0; at < row_bytes + 64; at += 64) __builtin_prefetch(job.words + next * row_bytes + at);
      __builtin_prefetch(job.row_scales + next);
    }
    I sums[4] = {broadcast(0), broadcast(0), broadcast(0), broadcast(0)};
    for (std::size_t c = 0; c < job.chunks; c += 16) {
      std::uint8_t four[64] = {};
      const std::size_t here = job.chunks - c < 16 ? job.chunks - c : 16;
      for (std::size_t i = 0; i < here; ++i) __builtin_memcpy(four + 4 * i, signs + 64 * (c + i), 4);
      B word[bits - 1];
#pragma GCC unroll 3
      for (std::size_t w = 0; w < bits - 1; ++w) word[w] = load_bytes(words + 4 * (w * job.chunks + c));
      for_joined_fields<bits>(load_bytes(four), word, [&](int f, B index) __attribute__((always_inline)) {
        const std::int8_t* query = job.query + 4 * (static_cast<std::size_t>(f) * padded + c);
        sums[f % 4] = dot4(sums[f % 4], look_up(table, index), load_bytes(reinterpret_cast<const std::uint8_t*>(query)));
      });
    }
    std::int32_t lanes[kLanes], total = -kDotBias * job.query_sum;
    const F sum = as_float(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
    __builtin_memcpy(lanes, &sum, sizeof lanes);
    for (const std::int32_t lane : lanes) total += lane;
    job.out[r] = static_cast<float>(total) * job.row_scales[row] * job.query_unit;
  }
}

void dot_plane_rows(const PlaneRows& job) {
  if (job.bits == 2) return dot_single_rows<2>(job);
  if (job.bits == 3) return dot_single_rows<3>(job);
  dot_single_rows<4>(job);
}

/// For 32 signs of a row two lookups and a sum of bytes, where eight products had been: about twice as fast.
template <int kQueries>
inline void scan_some(const SignScan& job, std::size_t first) {
  const std::uint8_t* words = job.words;
  for (std::size_t block = 0; block < job.n_blocks; ++block) {
    I sums[kQueries];
#pragma GCC unroll 8
    for (I& sum : sums) sum = broadcast(0);
    const std::uint8_t* tables = job.tables + first * job.table_stride;
    for (std::size_t c = 0; c < job.chunks; ++c, words += 64, tables += 128) {
      const B word = load_bytes(words);
      const Nibbles lower(word), upper(down<4>(word));
#pragma GCC unroll 8
      for (int q = 0; q < kQueries; ++q) {
        const std::uint8_t* table = tables + static_cast<std::size_t>(q) * job.table_stride;
        sums[q] = add4(sums[q], add_bytes(look_up(table, lower), look_up(table + 64, upper)));
      }
    }
    const F scales = load(job.scales + block * kLanes), errors = load(job.errors + block * kLanes);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const std::size_t query = first + static_cast<std::size_t>(q);
      const F sum = add(mul(to_float(sums[q]), broadcast(job.units[query])), broadcast(job.offsets[query]));
      store(add(mul(sum, scales), mul(broadcast(job.margins[query]), errors)), job.out + query * job.out_stride + block * kLanes);
    }
  }
}

template <std::size_t kMost>
inline void scan_tiles(const SignScan& job) {
  for_query_tiles<kMost>(job.n_queries, [&](auto tile, std::size_t first) { scan_some<decltype(tile)::kQueries>(job, first); });
}

/// As many queries at once as have their tables in the level-1 cache, and as many rows as stay in level 2 until all queries have met them.
void scan_signs(const SignScan& job) {
  constexpr std::size_t kTables = 24 << 10, kWords = 128 << 10;
  const std::size_t fitting = kTables / (128 * job.chunks), slab = kWords / (64 * job.chunks) + 1;
  SignScan part = job;
  for (std::size_t block = 0; block < job.n_blocks; block += slab) {
    part.n_blocks = job.n_blocks - block < slab ? job.n_blocks - block : slab;
    part.words = job.words + block * job.chunks * 64;
    part.scales = job.scales + block * kLanes;
    part.errors = job.errors + block * kLanes;
    part.out = job.out + block * kLanes;
    if (fitting >= kQueryTile) {
      scan_tiles<kQueryTile>(part);
    } else if (fitting >= 4) {
      scan_tiles<(kQueryTile < 4 ? kQueryTile : 4)>(part);
    } else {
      scan_tiles<2>(part);
    }
  }
}

std::size_t find_above(const float* x, std::size_t n, float threshold, std::uint32_t* found) {
  const F limit = broadcast(threshold);
  std::size_t count = 0;
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    unsigned mask = mask_greater(load_some(x + i, m), limit) & ((1U << m) - 1);
    for (; mask != 0; mask &= mask - 1) found[count++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(mask));
  });
  return count;
}
