// Weights of a softmax, from scores to bytes at once. A part of kernels.inl.

/// 2^x for x ≤ 0; below −30 the value of −30, NaN stays. A polynomial of degree 3 on |r| ≤ 1/2 with the smallest relative error, 8e-5:
/// a fiftieth of what rounding to a byte may cost.
inline F coarse_power(F x) {
  x = max(broadcast(-30.0F), x);
  const F magic = broadcast(0x1.8p23F + 127), t = add(x, magic), r = sub(x, sub(t, magic));
  F p = fma(broadcast(0.0551716691F), r, broadcast(0.242611122F));
  p = fma(p, r, broadcast(0.693260985F));
  p = fma(p, r, broadcast(0.999928074F));
  return mul(p, as_float(shift_left<23>(as_int(t))));
}

/// For 32 rows, the largest of whose |scale| is `largest`: scales times `factor` reach ±127, and a byte of such a row stands for `unit` where
/// the largest exponential of the 32 is 1.
struct GroupUnit {
  explicit GroupUnit(float largest) {
    const bool usable = largest > 0x1p-100F && largest < 0x1p100F;
    factor = usable ? 127.0F / largest : 0.0F;
    unit = usable ? largest / 127.0F : largest < 1 ? 0.0F : __builtin_nanf("");
  }
  void scale(const float* scales, float* factors) const {
    for (std::size_t i = 0; i < 2 * kLanes; i += kLanes) store(factor == 0 ? broadcast(0.0F) : mul(load(scales + i), broadcast(factor)), factors + i);
  }
  float factor, unit;
};

/// The bits of the largest |scale| in some lane, those of a NaN above all.
inline F largest_pairs(const float* scales) { return as_float(max(as_int(size_of(load(scales))), as_int(size_of(load(scales + kLanes))))); }

constexpr float kLowest = -1e38F;  // of a score; −∞ minus itself would be no number

/// What all queries of a SoftmaxWeights share.
struct ScaledGroups {
  explicit ScaledGroups(const SoftmaxWeights& job) {
    F vectors[kLanes];
    for (std::size_t g = 0; g < kLanes; ++g) vectors[g] = g < job.n_groups ? largest_pairs(job.scales + g * 2 * kLanes) : broadcast(0.0F);
    reduce_lanes<8>(vectors, [](F a, F b) __attribute__((always_inline)) { return as_float(max(as_int(a), as_int(b))); });
    store(vectors[0], units);
    for (float& score : none) score = kLowest;
    for (std::size_t g = 0; g < job.n_groups; ++g) {
      const GroupUnit group(units[g]);
      units[g] = group.unit;
      group.scale(job.scales + g * 2 * kLanes, factors + g * 2 * kLanes);
    }
  }
  alignas(64) float units[kLanes];
  float factors[kLanes * 2 * kLanes];
  float none[2 * kLanes];  ///< scores of a group that is not seen
};

constexpr float kLog2E = 1.44269504F;

/// The groups of 32 rows, first … last − 1, of which one query sees some.
struct SeenGroups {
  /// A group of which not all rows are seen: the others must not matter, not even by their scales.
  struct Edge {
    alignas(64) float scores[2 * kLanes], factors[2 * kLanes], top;
  };

  void find(const SoftmaxWeights& job, const ScaledGroups& groups, std::size_t query) {
    constexpr std::size_t kRows = 2 * kLanes;
    const std::size_t begin = job.begins[query], end = job.ends[query];
    scores = job.scores + query * job.score_stride;
    first = begin / kRows;
    last = begin < end ? (end + kRows - 1) / kRows : first;
    ragged_first = begin < end && (begin % kRows != 0 || (last == first + 1 && end % kRows != 0));
    ragged_last = last > first + 1 && end % kRows != 0;
    store(load(groups.units), units);

    if (ragged_first) cut(job, first, begin, end, head);
    if (ragged_last) cut(job, last - 1, begin, end, tail);

    const std::size_t whole = first + (ragged_first ? 1 : 0), n_whole = last - (ragged_last ? 1 : 0) - whole;
    F vectors[kLanes];
    for (std::size_t g = 0; g < kLanes; ++g) {
      const float* here = g - whole < n_whole ? scores + g * kRows : groups.none;
      vectors[g] = max(load(here), load(here + kLanes));
    }
    reduce_lanes<8>(vectors, [](F a, F b) __attribute__((always_inline)) { return max(a, b); });
    F largest = max(vectors[0], broadcast(kLowest));
    if (ragged_first || ragged_last) {
      float tops[kLanes];
      store(largest, tops);
      if (ragged_first) tops[first] = head.top;
      if (ragged_last) tops[last - 1] = tail.top;
      largest = load(tops);
    }
    const float top = reduce_max(largest);
    job.tops[query] = begin < end ? top : -__builtin_huge_valf();
    const F share = exponential(sub(largest, broadcast(top)));
    store(mul(largest, broadcast(-kLog2E)), offsets);
    store(share, shares);
    store(mul(load(units), share), units);
    for (std::size_t g = 0; g < first; ++g) units[g] = 0;
    for (std::size_t g = last; g < kLanes; ++g) units[g] = 0;
  }
  /// Calls take(group, its scores, its factors) for each group.
  template <class Take>
  __attribute__((always_inline)) inline void for_groups(const ScaledGroups& groups, Take take) const {
    constexpr std::size_t kRows = 2 * kLanes;
    std::size_t g = first;
    if (ragged_first) take(g++, head.scores, head.factors);
    const std::size_t whole = ragged_last ? last - 1 : last;
    const float *here = scores + g * kRows, *factors = groups.factors + g * kRows;
    for (; g < whole; ++g, here += kRows, factors += kRows) take(g, here, factors);
    if (ragged_last) take(g, tail.scores, tail.factors);
  }

  const float* scores;
  std::size_t first, last;
  bool ragged_first, ragged_last;
  Edge head, tail;
  /// For each group: what brings its scores, in octaves, down to 0 at most; exp(its largest score − top); its unit.
  alignas(64) float offsets[kLanes], shares[kLanes], units[kLanes];

 private:
  void cut(const SoftmaxWeights& job, std::size_t g, std::size_t begin, std::size_t end, Edge& edge) {
    float scales[2 * kLanes];
    for (std::size_t i = 0; i < 2 * kLanes; ++i) {
      const std::size_t row = g * 2 * kLanes + i;
      const bool is_seen = row >= begin && row < end;
      edge.scores[i] = is_seen ? scores[row] : -__builtin_huge_valf();
      scales[i] = is_seen ? job.scales[row] : 0.0F;
    }
    std::int32_t pairs[kLanes], bits = 0;
    const F sizes = largest_pairs(scales);
    __builtin_memcpy(pairs, &sizes, sizeof pairs);
    for (const std::int32_t pair : pairs) bits = pair > bits ? pair : bits;
    float largest = 0;
    __builtin_memcpy(&largest, &bits, sizeof largest);
    const GroupUnit group(largest);
    units[g] = group.unit;
    group.scale(scales, edge.factors);
    edge.top = reduce_max(max(max(load(edge.scores), load(edge.scores + kLanes)), broadcast(kLowest)));
  }
};

inline void round_softmax(const SoftmaxWeights& job, const ScaledGroups& groups, const SeenGroups& seen, std::size_t query) {
  std::int8_t* bytes = job.bytes + query * 2 * kLanes;
  const std::size_t stride = job.n_queries * 2 * kLanes;
  const F log2e = broadcast(kLog2E);
  F vectors[kLanes], total = broadcast(0.0F);
  for (std::size_t g = 0; g < seen.first; ++g) vectors[g] = broadcast(0.0F);
  for (std::size_t g = seen.last; g < kLanes; ++g) vectors[g] = broadcast(0.0F);
  seen.for_groups(groups, [&](std::size_t g, const float* scores, const float* factors) __attribute__((always_inline)) {
    const F offset = broadcast(seen.offsets[g]);
    const F a = coarse_power(fma(load(scores), log2e, offset)), b = coarse_power(fma(load(scores + kLanes), log2e, offset));
    total = fma(add(a, b), broadcast(seen.shares[g]), total);
    const I low = round_to_int(mul(a, load(factors))), high = round_to_int(mul(b, load(factors + kLanes)));
    store_i8(low, high, bytes + g * stride);
    vectors[g] = as_float(add(low, high));
  });
  reduce_lanes<8>(vectors, [](F a, F b) __attribute__((always_inline)) { return as_float(add(as_int(a), as_int(b))); });
  std::int32_t sums[kLanes];
  __builtin_memcpy(sums, &vectors[0], sizeof sums);
  for (std::size_t g = 0; g < seen.first; ++g) __builtin_memset(bytes + g * stride, 0, 2 * kLanes);
  for (std::size_t g = seen.last; g < job.n_groups; ++g) __builtin_memset(bytes + g * stride, 0, 2 * kLanes);
  for (std::size_t g = 0; g < job.n_groups; ++g) {
    job.units[g * job.n_queries + query] = seen.units[g];
    job.sums[g * job.n_queries + query] = sums[g];
  }
  job.totals[query] = seen.first < seen.last ? reduce_add(total) : 0.0F;
}

/// Tops of some queries before their bytes: a top comes out of a chain of shuffles, which the next query's do not wait for.
void softmax_weights(const SoftmaxWeights& job) {
  constexpr std::size_t kAhead = 4;
  const ScaledGroups groups(job);
  for (std::size_t first = 0; first < job.n_queries; first += kAhead) {
    const std::size_t n = job.n_queries - first < kAhead ? job.n_queries - first : kAhead;
    SeenGroups seen[kAhead];
    for (std::size_t i = 0; i < n; ++i) seen[i].find(job, groups, first + i);
    for (std::size_t i = 0; i < n; ++i) round_softmax(job, groups, seen[i], first + i);
  }
}
