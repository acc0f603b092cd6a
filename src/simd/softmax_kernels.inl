// Weights of a softmax, from scores to bytes at once. A part of kernels.inl.

constexpr float kOctave = 4096;  // in units of t
constexpr int kOne = 32767;      // 1 in 16 bits

/// 2^−t of words from 0 to 65535, in units of 1/kOne. A polynomial of degree 2 that is 1 at 0, with the smallest relative error else: 2.3e-3,
/// where rounding to a byte may cost 4e-3. Below 2^−16 nothing is left.
inline W power_of_half(W t) {
  const W fraction = up_words<4>(t);
  const W slope = sub_words(repeat_word(22034), multiply_high(fraction, repeat_word(5687)));
  return down_words(sub_words(repeat_word(kOne), multiply_high(fraction, slope)), down_words<12>(t));
}

/// For 32 rows, the largest of whose |scale| is `largest`: a byte of such a row stands for `unit` where the largest exponential of the 32 is 1,
/// and scales times `factor` reach ±127 · 256, so that a byte is the higher one of a word.
struct GroupUnit {
  explicit GroupUnit(float largest) {
    const bool usable = largest > 0x1p-100F && largest < 0x1p100F;
    factor = usable ? 127 * 256.0F / largest : 0.0F;
    unit = usable ? largest / 127.0F : largest < 1 ? 0.0F : __builtin_nanf("");
  }
  W factors(const float* scales) const {
    if (factor == 0) return repeat_word(0);
    const F up = broadcast(32768.0F), low = fma(load(scales), broadcast(factor), up), high = fma(load(scales + kLanes), broadcast(factor), up);
    I none = broadcast(0);
    return sub_words(round_to_words(low, high, &none), repeat_word(-32768));
  }
  float factor, unit;
};

/// The bits of the largest |scale| in some lane, those of a NaN above all.
inline F largest_pairs(const float* scales) { return as_float(max(as_int(size_of(load(scales))), as_int(size_of(load(scales + kLanes))))); }

constexpr float kLog2E = 1.44269504F;
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
      factors[g] = group.factors(job.scales + g * 2 * kLanes);
    }
  }
  alignas(64) float units[kLanes];
  W factors[kLanes];
  float none[2 * kLanes];  ///< scores of a group that is not seen
};

/// The groups of 32 rows, first … last − 1, of which one query sees some.
struct SeenGroups {
  /// A group of which not all rows are seen: the others must not matter, not even by their scales.
  struct Edge {
    alignas(64) float scores[2 * kLanes];
    W factors;
    float top;
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

    const std::size_t whole = first_whole(), n_whole = end_whole() - whole;
    F vectors[kLanes];
    if (n_whole == kLanes) {
      for (std::size_t g = 0; g < kLanes; ++g) vectors[g] = max(load(scores + g * kRows), load(scores + g * kRows + kLanes));
    } else {
      for (std::size_t g = 0; g < kLanes; ++g) {
        const float* here = g - whole < n_whole ? scores + g * kRows : groups.none;
        vectors[g] = max(load(here), load(here + kLanes));
      }
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
    store(mul(largest, broadcast(kLog2E * kOctave)), offsets);
    store(share, shares);
    store(mul(load(units), share), units);
    for (std::size_t g = 0; g < first; ++g) units[g] = 0;
    for (std::size_t g = last; g < kLanes; ++g) units[g] = 0;
  }
  std::size_t first_whole() const { return first + (ragged_first ? 1 : 0); }
  std::size_t end_whole() const { return last - (ragged_last ? 1 : 0); }
  bool is_whole(std::size_t g) const { return g >= first_whole() && g < end_whole(); }

  const float* scores;
  std::size_t first, last;
  bool ragged_first, ragged_last;
  Edge head, tail;
  /// For each group: its largest score in units of t; exp(that − top); its unit.
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
    edge.factors = group.factors(scales);
    edge.top = reduce_max(max(max(load(edge.scores), load(edge.scores + kLanes)), broadcast(kLowest)));
  }
};

/// Bytes of one query, of two groups at a time.
class SoftmaxRounding {
 public:
  SoftmaxRounding(const SoftmaxWeights& job, const ScaledGroups& groups, const SeenGroups& seen, std::size_t query)
      : job_(job), groups_(groups), seen_(seen), query_(query) {}

  void round() {
    I invalid = broadcast(0);
    F total = round_pairs([&](std::size_t g, F* sum) __attribute__((always_inline)) {
      const float *scores = seen_.scores + g * 2 * kLanes;
      const F offset = broadcast(seen_.offsets[g]), octave = broadcast(-kLog2E * kOctave);
      const W t = round_to_words(fma(load(scores), octave, offset), fma(load(scores + kLanes), octave, offset), &invalid);
      return weigh(t, groups_.factors[g], g, sum);
    });
    if (any_negative(invalid)) {
      total = round_pairs([&](std::size_t g, F* sum) { return carefully(seen_.scores + g * 2 * kLanes, groups_.factors[g], g, sum); });
    }
    job_.totals[query_] = seen_.first < seen_.last ? reduce_add(total) * (1.0F / kOne) : 0.0F;
  }

 private:
  /// The words of a group, whose higher bytes are the weights; adds its exponentials to *sum.
  __attribute__((always_inline)) inline W weigh(W t, W factors, std::size_t g, F* sum) const {
    const W power = power_of_half(t);
    *sum = fma(to_float(add2(power)), broadcast(seen_.shares[g]), *sum);
    return add_words(multiply_round(power, factors), repeat_word(128));
  }
  /// Scores that may be far below the largest one, −∞, or no number: then *sum is none either.
  W carefully(const float* scores, W factors, std::size_t g, F* sum) const {
    const F offset = broadcast(-seen_.offsets[g]), octave = broadcast(kLog2E * kOctave), least = broadcast(-65535.0F);
    const F low = max(least, fma(load(scores), octave, offset)), high = max(least, fma(load(scores + kLanes), octave, offset));
    *sum = add(*sum, add(sub(low, low), sub(high, high)));
    I invalid = broadcast(0);
    const F zero = broadcast(0.0F);
    return weigh(round_to_words(sub(zero, low), sub(zero, high), &invalid), factors, g, sum);
  }
  /// … of a group that is not seen as a whole.
  W at_edge(std::size_t g, F* sum) const {
    if (g < seen_.first || g >= seen_.last) return repeat_word(0);
    const SeenGroups::Edge& edge = g == seen_.first && seen_.ragged_first ? seen_.head : seen_.tail;
    return carefully(edge.scores, edge.factors, g, sum);
  }

  /// Returns the sum of exponentials in units of 1/kOne.
  template <class Whole>
  __attribute__((always_inline)) inline F round_pairs(Whole whole) const {
    std::int8_t* bytes = job_.bytes + query_ * 2 * kLanes;
    const std::size_t stride = job_.n_queries * 2 * kLanes;
    F sum = broadcast(0.0F), sums[kLanes / 2];
    const auto round_whole = [&](std::size_t g) __attribute__((always_inline)) {
      const W even = whole(g, &sum), odd = whole(g + 1, &sum);
      sums[g / 2] = as_float(store_high_bytes(even, odd, bytes + g * stride, bytes + (g + 1) * stride));
    };
    const auto round_edge = [&](std::size_t g) {
      W pair[2];
      for (std::size_t i = 0; i < 2; ++i) pair[i] = seen_.is_whole(g + i) ? whole(g + i, &sum) : at_edge(g + i, &sum);
      alignas(64) std::int8_t behind[2 * kLanes];  // of a group that is not there
      sums[g / 2] = as_float(store_high_bytes(pair[0], pair[1], g < job_.n_groups ? bytes + g * stride : behind,
                                              g + 1 < job_.n_groups ? bytes + (g + 1) * stride : behind));
    };
    std::size_t g = 0;
    for (; g < seen_.first_whole(); g += 2) round_edge(g);
    for (; g + 2 <= seen_.end_whole(); g += 2) round_whole(g);
    for (; g < kLanes; g += 2) round_edge(g);
    reduce_lanes<4>(sums, [](F a, F b) __attribute__((always_inline)) { return as_float(add(as_int(a), as_int(b))); });
    std::int32_t of_pairs[kLanes];  // even groups, then odd ones
    __builtin_memcpy(of_pairs, &sums[0], sizeof of_pairs);
    for (g = 0; g < job_.n_groups; ++g) {
      job_.units[g * job_.n_queries + query_] = seen_.units[g];
      job_.sums[g * job_.n_queries + query_] = of_pairs[g % 2 * kLanes / 2 + g / 2];
    }
    return sum;
  }

  const SoftmaxWeights& job_;
  const ScaledGroups& groups_;
  const SeenGroups& seen_;
  std::size_t query_;
};

/// Tops of some queries before their bytes: a top comes out of a chain of shuffles, which the next query's do not wait for.
void softmax_weights(const SoftmaxWeights& job) {
  constexpr std::size_t kAhead = 4;
  const ScaledGroups groups(job);
  for (std::size_t first = 0; first < job.n_queries; first += kAhead) {
    const std::size_t n = job.n_queries - first < kAhead ? job.n_queries - first : kAhead;
    SeenGroups seen[kAhead];
    for (std::size_t i = 0; i < n; ++i) seen[i].find(job, groups, first + i);
    for (std::size_t i = 0; i < n; ++i) SoftmaxRounding(job, groups, seen[i], first + i).round();
  }
}
