// Products with codes of 5 to 9 bits: centroids and queries in two bytes each (docs/layout.md, "Wide codes"). A part of kernels.inl.

/// x = (254 · high + low) · unit, both from −127 to 127.
constexpr float kHighByte = 254;

/// What to_words and weights_to_words do with 16 values, already in units.
struct TwoBytes {
  I high, low;
};
inline TwoBytes two_bytes(F in_units) {
  const F whole = to_float(round_to_int(in_units));  // at most 32384: exact in all that follows
  const I high = round_to_int(mul(whole, broadcast(1.0F / kHighByte)));
  return {high, round_to_int(sub(whole, mul(to_float(high), broadcast(kHighByte))))};
}
constexpr float kMostUnits = 127 * kHighByte + 126;  // 127 more would be half way to a high byte of 128

inline void store_some_i8(I bytes, std::size_t m, std::int8_t* out) {
  if (m == kLanes) return store_i8(bytes, out);
  std::int8_t rounded[kLanes];
  store_i8(bytes, rounded);
  __builtin_memcpy(out, rounded, m);
}

void to_words(const float* x, std::size_t n, std::int8_t* high, std::int8_t* low, float* unit, std::int32_t* sums) {
  const float largest = largest_size(x, n);
  const bool usable = largest > 0x1p-100F && largest < 0x1p100F;
  const F factor = broadcast(usable ? kMostUnits / largest : 0.0F), zero = broadcast(0.0F);
  I high_sums = broadcast(0), low_sums = broadcast(0);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const TwoBytes bytes = two_bytes(usable ? mul(load_some(x + i, m), factor) : zero);
    high_sums = add(high_sums, bytes.high);
    low_sums = add(low_sums, bytes.low);
    store_some_i8(bytes.high, m, high + i);
    store_some_i8(bytes.low, m, low + i);
  });
  *unit = usable ? largest / kMostUnits : largest < 1 ? 0.0F : __builtin_nanf("");
  sums[0] = static_cast<std::int32_t>(reduce_add(to_float(high_sums)));  // at most 127 · 65536 < 2^24: exact
  sums[1] = static_cast<std::int32_t>(reduce_add(to_float(low_sums)));
}

void weights_to_words(const RowWeights& job) {
  const std::size_t plane = job.n_groups * job.n_queries;
  for (std::size_t at = 0; at < plane; ++at) {
    float scaled[2 * kLanes];
    const ScaledWeights weights(job, at % job.n_queries, at / job.n_queries);
    store(weights.a, scaled);
    store(weights.b, scaled + kLanes);
    std::int8_t* high = job.bytes + at * 2 * kLanes;
    std::int32_t sums[2];
    to_words(scaled, 2 * kLanes, high, high + plane * 2 * kLanes, &job.units[at], sums);
    job.sums[at] = sums[0];
    job.sums[plane + at] = sums[1];
  }
}

/// The high and the low bytes of 2^bits centroids.
template <unsigned bits>
struct WideTable {
  explicit WideTable(const std::int8_t* values) : high(values), low(values + (std::size_t{1} << bits)) {}
  ByteTable<bits> high, low;

  template <class Sums>
  __attribute__((always_inline)) void add_field(int field, B index, B, Sums& sums) const {
    sums.add_field(field, look_up(high, index), look_up(low, index));
  }
};
/// 9 bits: the ninth ones of field f are bit f of a word of their own.
template <>
struct WideTable<9> {
  explicit WideTable(const std::int8_t* values) : high(values), high_above(values + 256), low(values + 512), low_above(values + 768) {}
  ByteTable<8> high, high_above, low, low_above;

  template <class Sums>
  __attribute__((always_inline)) void add_field(int field, B index, B ninth, Sums& sums) const {
    sums.add_field(field, choose(ninth, look_up(high, index), look_up(high_above, index)), choose(ninth, look_up(low, index), look_up(low_above, index)));
  }
};

/// Σ high · high and Σ (high · low + low · high); low · low is at most 1/64516 of what one product can be, and left out. Where queries are few
/// the two products of the middle have a sum each, and a single query two for each product: one waits about four cycles for the one before it.
/// Not beside the tables of 9 bits, which fill half of the registers.
template <int kQueries, unsigned bits, int kMiddles = 2>
struct WideSums {
  static constexpr int kChains = kQueries == 1 && bits < 9 ? 2 : 1;
  I top[kQueries][kChains], middle[kQueries][kChains][kMiddles];
  const std::int8_t* queries;
  std::size_t stride, low;  ///< from one query to the next, and from its high bytes to its low ones

  void clear() {
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 2
      for (int chain = 0; chain < kChains; ++chain) {
        top[q][chain] = broadcast(0);
#pragma GCC unroll 2
        for (int i = 0; i < kMiddles; ++i) middle[q][chain][i] = broadcast(0);
      }
    }
  }
  __attribute__((always_inline)) void add_field(int field, B high_values, B low_values) {
    const int chain = field % kChains;
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const std::int8_t* high_query = queries + static_cast<std::size_t>(q) * stride + 4 * field;
      const B high = repeat_four(high_query);
      I &upper = middle[q][chain][0], &lower = middle[q][chain][kMiddles - 1];
      top[q][chain] = dot4(top[q][chain], high_values, high);
      upper = dot4(upper, high_values, high_query + low);
      lower = dot4(lower, low_values, high);
    }
  }
  __attribute__((always_inline)) void next_chunk() { queries += 32; }
  /// In units of 254 · step · unit.
  F total(int q, std::int32_t high_sum, std::int32_t low_sum) const {
    I high = broadcast(-kDotBias * high_sum), both = broadcast(-kDotBias * (high_sum + low_sum));
#pragma GCC unroll 2
    for (int chain = 0; chain < kChains; ++chain) {
      high = add(high, top[q][chain]);
#pragma GCC unroll 2
      for (int i = 0; i < kMiddles; ++i) both = add(both, middle[q][chain][i]);
    }
    return add(mul(to_float(high), broadcast(kHighByte)), to_float(both));
  }
};

/// A field whose codes are spread over the tops of words: bits `from` and up of each, the first in word 0 (interleave.cpp, Shape).
template <unsigned bits, unsigned field, unsigned w = 0>
__attribute__((always_inline)) inline B scattered_field(const B* word, B so_far) {
  constexpr unsigned kSpare = 8 - bits, kFirst = (field - bits) * bits, kLast = kFirst + bits;  // of the stream of spare bits
  constexpr unsigned kFrom = w * kSpare > kFirst ? w * kSpare : kFirst, kTo = (w + 1) * kSpare < kLast ? (w + 1) * kSpare : kLast;
  if constexpr (w == bits) {
    return so_far;
  } else if constexpr (kFrom >= kTo) {
    return scattered_field<bits, field, w + 1>(word, so_far);
  } else {
    constexpr unsigned kAt = bits + kFrom - w * kSpare, kWanted = kFrom - kFirst, kMask = ((1U << (kTo - kFrom)) - 1) << kWanted;
    B moved;
    if constexpr (kAt >= kWanted) {
      moved = down<kAt - kWanted>(word[w]);
    } else {
      moved = up<kWanted - kAt>(word[w]);
    }
    return scattered_field<bits, field, w + 1>(word, pick<kMask>(moved, so_far));
  }
}

template <unsigned bits, unsigned field, class Sums>
__attribute__((always_inline)) inline void add_scattered(const B* word, const WideTable<bits>& table, Sums& sums) {
  if constexpr (field < 8) {
    table.add_field(static_cast<int>(field), scattered_field<bits, field>(word, word[0]), word[0], sums);
    add_scattered<bits, field + 1>(word, table, sums);
  }
}

/// One chunk, as dot_chunk: 32 codes of each row, or those of as many fields as `here` words have.
template <unsigned bits, class Sums>
__attribute__((always_inline)) inline void dot_wide_chunk(const std::uint8_t* words, std::size_t here, const WideTable<bits>& table, Sums& sums) {
  constexpr unsigned kWords = bits < 8 ? bits : 8;
  B word[kWords], ninth{};
  if constexpr (bits == 9) ninth = load_once(words + 64 * --here);
#pragma GCC unroll 8
  for (unsigned w = 0; w < kWords; ++w) {
    if (w >= here) return;
    word[w] = load_once(words + 64 * w);
    table.add_field(static_cast<int>(w), word[w], ninth, sums);
    if constexpr (bits == 9) ninth = down<1>(ninth);
  }
  if constexpr (bits < 8) add_scattered<bits, bits>(word, table, sums);
}

constexpr std::size_t kWideTile = kQueryTile < 4 ? kQueryTile : 4;       // three sums for each query
constexpr std::size_t kWidePanelTile = kQueryTile * kBlockTile / 2;  // two

/// As walk_codes, of one block.
template <unsigned bits, class Sums>
__attribute__((always_inline)) inline void walk_wide(const InterleavedDot& job, const std::uint8_t* words, const WideTable<bits>& table, bool asks, Sums& sums) {
  std::size_t w = 0;
  for (; w + bits <= job.n_words; w += bits, sums.next_chunk()) {
    if (asks) ask_for(words + 64 * w + kBytesAhead, bits);
    dot_wide_chunk<bits>(words + 64 * w, bits, table, sums);
  }
  if (w < job.n_words) dot_wide_chunk<bits>(words + 64 * w, job.n_words - w, table, sums);
}

template <int kQueries, class Sums, class Walk>
__attribute__((always_inline)) inline void dot_wide_queries(const InterleavedDot& job, const DotBlock& block, std::size_t first, Sums& sums, Walk walk) {
  sums.clear();
  sums.queries = job.queries + first * job.query_stride;
  sums.stride = job.query_stride;
  sums.low = job.query_stride / 2;
  walk();
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    const std::size_t query = first + static_cast<std::size_t>(q);
    const F total = sums.total(q, job.query_sums[2 * query], job.query_sums[2 * query + 1]);
    store(mul(mul(total, block.scales), broadcast(job.query_units[query])), block.out + query * job.out_stride);
  }
}
template <unsigned bits, int kQueries>
void dot_wide_coded(const InterleavedDot& job, const DotBlock& block, const WideTable<bits>& table, std::size_t first) {
  WideSums<kQueries, bits> sums;
  dot_wide_queries<kQueries>(job, block, first, sums, [&]() __attribute__((always_inline)) {
    walk_wide<bits>(job, block.words, table, kQueries == 1 && asks_alone(job), sums);
  });
}
template <int kQueries>
void dot_wide_panel(const InterleavedDot& job, const DotBlock& block, const Panel& panel, std::size_t first) {
  WideSums<kQueries, 9, 1> sums;
  dot_wide_queries<kQueries>(job, block, first, sums, [&]() __attribute__((always_inline)) { panel.walk<2>(sums); });
}

template <unsigned bits>
void dot_wide_of(const InterleavedDot& job) {
  const WideTable<bits> table(job.table);
  for (std::size_t b = 0; b < job.n_blocks; ++b) {
    const DotBlock block = dot_block(job, b);
    ask_ahead(job, block, 1);
    if (job.panel != nullptr && job.n_queries > kWideTile) {
      Panel panel(job.panel);
      walk_wide<bits>(job, block.words, table, false, panel);
      panel.complete_chunk<2>();
      for_query_tiles<kWidePanelTile>(job.n_queries, [&](auto tile, std::size_t first) {
        dot_wide_panel<decltype(tile)::kQueries>(job, block, panel, first);
      });
      continue;
    }
    for_query_tiles<kWideTile>(job.n_queries, [&](auto tile, std::size_t first) {
      dot_wide_coded<bits, decltype(tile)::kQueries>(job, block, table, first);
    });
  }
}

void dot_wide(const InterleavedDot& job) {
  if (job.bits == 5) return dot_wide_of<5>(job);
  if (job.bits == 6) return dot_wide_of<6>(job);
  if (job.bits == 7) return dot_wide_of<7>(job);
  if (job.bits == 8) return dot_wide_of<8>(job);
  dot_wide_of<9>(job);
}

/// Weights of kQueries from `first` on for the rows of group g.
template <class Sums>
__attribute__((always_inline)) inline void start_wide(const TransposedSum& job, std::size_t g, std::size_t first, Sums& sums) {
  sums.clear();
  sums.queries = job.weights + (g * job.n_queries + first) * 32;
  sums.stride = 32;
  sums.low = job.n_groups * job.n_queries * 32;
}
/// What the group adds to a total of query first + q.
template <class Sums>
__attribute__((always_inline)) inline F add_wide(const TransposedSum& job, std::size_t g, std::size_t first, int q, const Sums& sums, F total) {
  const std::size_t at = g * job.n_queries + first + static_cast<std::size_t>(q);
  const std::int32_t* of_query = job.weight_sums + at;
  return add(total, mul(sums.total(q, of_query[0], of_query[job.n_groups * job.n_queries]), broadcast(job.weight_units[at])));
}

template <unsigned bits, int kQueries>
void sum_wide_coded(const TransposedSum& job, const WideTable<bits>& table, std::size_t block, std::size_t first) {
  float* totals = job.sums + first * job.stride + block * kLanes;
  F total[kQueries];
#pragma GCC unroll 4
  for (int q = 0; q < kQueries; ++q) total[q] = load(totals + static_cast<std::size_t>(q) * job.stride);
  WideSums<kQueries, bits> sums;
  const std::uint8_t* words = job.words + block * 64 * bits;
  for (std::size_t g = 0; g < job.n_groups; ++g, words += job.group_bytes) {
    start_wide(job, g, first, sums);
    if (few_queries(job.n_queries)) ask_for(words + job.n_groups * job.group_bytes, bits);
    dot_wide_chunk<bits>(words, bits, table, sums);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) total[q] = add_wide(job, g, first, q, sums, total[q]);
  }
#pragma GCC unroll 4
  for (int q = 0; q < kQueries; ++q) store(total[q], totals + static_cast<std::size_t>(q) * job.stride);
}
template <int kQueries>
void sum_wide_panel(const TransposedSum& job, const Panel& panel, std::size_t block, std::size_t g, std::size_t first) {
  float* totals = job.sums + first * job.stride + block * kLanes;
  WideSums<kQueries, 9, 1> sums;
  start_wide(job, g, first, sums);
  panel.walk<2>(sums);
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
    float* total = totals + static_cast<std::size_t>(q) * job.stride;
    store(add_wide(job, g, first, q, sums, load(total)), total);
  }
}

template <unsigned bits>
void sum_wide_of(const TransposedSum& job) {
  const WideTable<bits> table(job.table);
  for (std::size_t block = 0; block < job.n_blocks; ++block) {
    if (bits <= kCheapLookup || job.n_queries <= kWideTile) {
      for_query_tiles<kWideTile>(job.n_queries, [&](auto tile, std::size_t first) {
        sum_wide_coded<bits, decltype(tile)::kQueries>(job, table, block, first);
      });
      continue;
    }
    for (std::size_t g = 0; g < job.n_groups; ++g) {
      alignas(64) std::uint8_t room[2 * 8 * 64];
      Panel panel(room);
      const std::uint8_t* words = job.words + g * job.group_bytes + block * 64 * bits;
      if (few_queries(job.n_queries)) ask_for(words + job.n_groups * job.group_bytes, bits);
      dot_wide_chunk<bits>(words, bits, table, panel);
      for_query_tiles<kWidePanelTile>(job.n_queries, [&](auto tile, std::size_t first) {
        sum_wide_panel<decltype(tile)::kQueries>(job, panel, block, g, first);
      });
    }
  }
}

void sum_wide(const TransposedSum& job) {
  if (job.bits == 5) return sum_wide_of<5>(job);
  if (job.bits == 6) return sum_wide_of<6>(job);
  if (job.bits == 7) return sum_wide_of<7>(job);
  if (job.bits == 8) return sum_wide_of<8>(job);
  sum_wide_of<9>(job);
}
