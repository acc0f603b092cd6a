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

/// For 64 rows, the largest of whose |scale| is `largest`: a byte of such a row stands for `unit` where the largest exponential of the 64 is 1,
/// and scales times `factor` reach ±127 · 256, so that a byte is the higher one of a word.
struct GroupUnit {
  explicit GroupUnit(float largest) {
    const bool usable = largest > 0x1p-100F && largest < 0x1p100F;
    factor = usable ? 127 * 256.0F / largest : 0.0F;
    unit = usable ? largest / 127.0F : largest < 1 ? 0.0F : __builtin_nanf("");
  }
  /// … of 32 rows.
  W factors(const float* scales) const {
    if (factor == 0) return repeat_word(0);
    const F up = broadcast(32768.0F), low = fma(load(scales), broadcast(factor), up), high = fma(load(scales + kLanes), broadcast(factor), up);
    I none = broadcast(0);
    return sub_words(round_to_words(low, high, &none), repeat_word(-32768));
  }
  float factor, unit;
};

/// The bits of the largest |scale| of 32 rows in some lane, those of a NaN above all.
inline I largest_pairs(const float* scales) { return max(as_int(size_of(load(scales))), as_int(size_of(load(scales + kLanes)))); }

constexpr std::size_t kHalf = 2 * kLanes, kUnitRows = 2 * kHalf, kUnits = 8;  // rows of a group, of two that share a unit; units of a job

/// Lane u, and lane kUnits + u, of the first vector become the reduction of all lanes of vector u.
template <class Combine>
__attribute__((always_inline)) inline F reduce_units(F* vectors, Combine combine) {
  reduce_lanes<4>(vectors, combine);
  return combine(vectors[0], swap<8>(vectors[0]));
}
inline F max_bits(F a, F b) { return as_float(max(as_int(a), as_int(b))); }
inline F take_larger(F a, F b) { return max(a, b); }
inline F add_bits(F a, F b) { return as_float(add(as_int(a), as_int(b))); }

constexpr float kLog2E = 1.44269504F;
constexpr float kLowest = -1e38F;  // of a score; −∞ minus itself would be no number

/// What all queries of a SoftmaxWeights share.
struct ScaledUnits {
  explicit ScaledUnits(const SoftmaxWeights& job) {
    F vectors[kUnits];
    for (std::size_t u = 0; u < kUnits; ++u) {
      I largest = broadcast(0);
      for (std::size_t g = 2 * u; g < 2 * u + 2 && g < job.n_groups; ++g) largest = max(largest, largest_pairs(job.scales + g * kHalf));
      vectors[u] = as_float(largest);
    }
    store(reduce_units(vectors, max_bits), units);
    for (float& score : none) score = kLowest;
    for (std::size_t g = 0; g < 2 * kUnits; ++g) {
      const GroupUnit unit(units[g / 2]);
      factors[g] = g < job.n_groups ? unit.factors(job.scales + g * kHalf) : repeat_word(0);
    }
    for (std::size_t u = 0; u < kUnits; ++u) units[u] = GroupUnit(units[u]).unit;
  }
  alignas(64) float units[kLanes];
  W factors[2 * kUnits];
  float none[kUnitRows];  ///< scores of what is not seen
};

/// The units, first … last − 1, of which one query sees some rows.
struct SeenUnits {
  /// A unit of which not all rows are seen: the others must not matter, not even by their scales.
  struct Edge {
    alignas(64) float scores[kUnitRows];
    W factors[2];
    float top;
  };

  void find(const SoftmaxWeights& job, const ScaledUnits& shared, std::size_t query) {
    const std::size_t begin = job.begins[query], end = job.ends[query];
    scores = job.scores + query * job.score_stride;
    first = begin / kUnitRows;
    last = begin < end ? (end + kUnitRows - 1) / kUnitRows : first;
    ragged_first = begin < end && (begin % kUnitRows != 0 || (last == first + 1 && end % kUnitRows != 0));
    ragged_last = last > first + 1 && end % kUnitRows != 0;
    store(load(shared.units), units);
    for (std::size_t u = 0; u < first; ++u) units[u] = 0;
    for (std::size_t u = last; u < kUnits; ++u) units[u] = 0;

    if (ragged_first) cut(job, first, begin, end, head);
    if (ragged_last) cut(job, last - 1, begin, end, tail);

    const std::size_t whole = first_whole(), n_whole = end_whole() - whole;
    F vectors[kUnits];
    if (n_whole == kUnits) {
      for (std::size_t u = 0; u < kUnits; ++u) vectors[u] = largest_in_lanes(scores + u * kUnitRows);
    } else {
      for (std::size_t u = 0; u < kUnits; ++u) vectors[u] = largest_in_lanes(u - whole < n_whole ? scores + u * kUnitRows : shared.none);
    }
    store(max(reduce_units(vectors, take_larger), broadcast(kLowest)), tops);
    if (ragged_first) {
      tops[first] = tops[first + kUnits] = head.top;
    }
    if (ragged_last) {
      tops[last - 1] = tops[last - 1 + kUnits] = tail.top;
    }
  }
  /// After find(): what follows from the largest scores.
  void share_out(const SoftmaxWeights& job, std::size_t query) {
    const F largest = load(tops), pairs = max(largest, swap<1>(largest)), fours = max(pairs, swap<2>(pairs)), top = max(fours, swap<4>(fours));
    const F share = exponential(sub(largest, top));
    store(mul(largest, broadcast(kLog2E * kOctave)), offsets);
    store(share, shares);
    store(mul(load(units), share), units);
    float lanes[kLanes];
    store(top, lanes);
    job.tops[query] = first < last ? lanes[0] : -__builtin_huge_valf();
  }
  std::size_t first_whole() const { return first + (ragged_first ? 1 : 0); }
  std::size_t end_whole() const { return last - (ragged_last ? 1 : 0); }

  const float* scores;
  std::size_t first, last;
  bool ragged_first, ragged_last;
  Edge head, tail;
  /// Of unit u, in lanes u and kUnits + u: its largest score, the same in units of t, exp(largest − top), and (lane u alone) what a byte stands for.
  alignas(64) float tops[kLanes], offsets[kLanes], shares[kLanes], units[kLanes];

 private:
  static F largest_in_lanes(const float* rows) {
    return max(max(load(rows), load(rows + kLanes)), max(load(rows + kHalf), load(rows + kHalf + kLanes)));
  }
  void cut(const SoftmaxWeights& job, std::size_t u, std::size_t begin, std::size_t end, Edge& edge) {
    float scales[kUnitRows];
    for (std::size_t i = 0; i < kUnitRows; ++i) {
      const std::size_t row = u * kUnitRows + i;
      const bool is_seen = row >= begin && row < end;
      edge.scores[i] = is_seen ? scores[row] : -__builtin_huge_valf();
      scales[i] = is_seen ? job.scales[row] : 0.0F;
    }
    std::int32_t lanes[kLanes], bits = 0;
    const I sizes = max(largest_pairs(scales), largest_pairs(scales + kHalf));
    __builtin_memcpy(lanes, &sizes, sizeof lanes);
    for (const std::int32_t lane : lanes) bits = lane > bits ? lane : bits;
    float largest = 0;
    __builtin_memcpy(&largest, &bits, sizeof largest);
    const GroupUnit unit(largest);
    units[u] = unit.unit;
    for (std::size_t half = 0; half < 2; ++half) edge.factors[half] = unit.factors(scales + half * kHalf);
    edge.top = reduce_max(max(largest_in_lanes(edge.scores), broadcast(kLowest)));
  }
};

/// Bytes of one query.
class SoftmaxRounding {
 public:
  SoftmaxRounding(const SoftmaxWeights& job, const ScaledUnits& shared, const SeenUnits& seen, std::size_t query)
      : job_(job), shared_(shared), seen_(seen), query_(query) {}

  void round() {
    I invalid = broadcast(0);
    F total = round_units([&](std::size_t g, I* powers, F*) __attribute__((always_inline)) {
      const float* scores = seen_.scores + g * kHalf;
      const F offset = broadcast(seen_.offsets[g / 2]), octave = broadcast(-kLog2E * kOctave);
      const W t = round_to_words(fma(load(scores), octave, offset), fma(load(scores + kLanes), octave, offset), &invalid);
      return weigh(t, shared_.factors[g], powers);
    });
    if (any_negative(invalid)) {
      total = round_units([&](std::size_t g, I* powers, F* sum) { return carefully(seen_.scores + g * kHalf, shared_.factors[g], g / 2, powers, sum); });
    }
    job_.totals[query_] = seen_.first < seen_.last ? reduce_add(total) * (1.0F / kOne) : 0.0F;
  }

 private:
  /// The words of a group, whose higher bytes are the weights; adds its exponentials to *powers, in units of 1/kOne of the largest.
  __attribute__((always_inline)) inline W weigh(W t, W factors, I* powers) const {
    const W power = power_of_half(t);
    *powers = add2(*powers, power);
    return add_words(multiply_round(power, factors), repeat_word(128));
  }
  /// Scores that may be far below the largest one, −∞, or no number: then *sum is none either.
  W carefully(const float* scores, W factors, std::size_t u, I* powers, F* sum) const {
    const F offset = broadcast(-seen_.offsets[u]), octave = broadcast(kLog2E * kOctave), least = broadcast(-65535.0F);
    const F low = max(least, fma(load(scores), octave, offset)), high = max(least, fma(load(scores + kLanes), octave, offset));
    *sum = add(*sum, add(sub(low, low), sub(high, high)));
    I invalid = broadcast(0);
    const F zero = broadcast(0.0F);
    return weigh(round_to_words(sub(zero, low), sub(zero, high), &invalid), factors, powers);
  }
  /// … of a group whose unit is not seen as a whole.
  W at_edge(std::size_t g, I* powers, F* sum) const {
    const std::size_t u = g / 2;
    if (u < seen_.first || u >= seen_.last) return repeat_word(0);
    const SeenUnits::Edge& edge = u == seen_.first && seen_.ragged_first ? seen_.head : seen_.tail;
    return carefully(edge.scores + g % 2 * kHalf, edge.factors[g % 2], u, powers, sum);
  }

  /// Returns the sum of exponentials in units of 1/kOne.
  template <class Whole>
  __attribute__((always_inline)) inline F round_units(Whole whole) const {
    std::int8_t* bytes = job_.bytes + query_ * kHalf;
    const std::size_t stride = job_.n_queries * kHalf;
    F sum = broadcast(0.0F), sums[kUnits];
    const auto add_unit = [&](std::size_t u, I powers) __attribute__((always_inline)) {
      sum = fma(to_float(powers), broadcast(seen_.shares[u]), sum);
    };
    const auto round_edge = [&](std::size_t u) {
      I powers = broadcast(0);
      const W even = at_edge(2 * u, &powers, &sum), odd = at_edge(2 * u + 1, &powers, &sum);
      add_unit(u, powers);
      alignas(64) std::int8_t behind[kHalf];  // of a group that is not there
      sums[u] = as_float(store_high_bytes(even, odd, 2 * u < job_.n_groups ? bytes + 2 * u * stride : behind,
                                          2 * u + 1 < job_.n_groups ? bytes + (2 * u + 1) * stride : behind));
    };
    std::size_t u = 0;
    for (; u < seen_.first_whole(); ++u) round_edge(u);
    for (; u < seen_.end_whole(); ++u) {
      I powers = broadcast(0);
      const W even = whole(2 * u, &powers, &sum), odd = whole(2 * u + 1, &powers, &sum);
      add_unit(u, powers);
      sums[u] = as_float(store_high_bytes(even, odd, bytes + 2 * u * stride, bytes + (2 * u + 1) * stride));
    }
    for (; u < kUnits; ++u) round_edge(u);
    const F of_units = reduce_units(sums, add_bits);
    std::int32_t lanes[kLanes];
    __builtin_memcpy(lanes, &of_units, sizeof lanes);
    for (u = 0; u < (job_.n_groups + 1) / 2; ++u) {
      job_.units[u * job_.n_queries + query_] = seen_.units[u];
      job_.sums[u * job_.n_queries + query_] = lanes[u];
    }
    return sum;
  }

  const SoftmaxWeights& job_;
  const ScaledUnits& shared_;
  const SeenUnits& seen_;
  std::size_t query_;
};

/// Some queries go step by step together: a step is a chain of shuffles or products, which the next query's does not wait for.
void softmax_weights(const SoftmaxWeights& job) {
  constexpr std::size_t kAhead = 4;
  const ScaledUnits shared(job);
  for (std::size_t first = 0; first < job.n_queries; first += kAhead) {
    const std::size_t n = job.n_queries - first < kAhead ? job.n_queries - first : kAhead;
    SeenUnits seen[kAhead];
    for (std::size_t i = 0; i < n; ++i) seen[i].find(job, shared, first + i);
    for (std::size_t i = 0; i < n; ++i) seen[i].share_out(job, first + i);
    for (std::size_t i = 0; i < n; ++i) SoftmaxRounding(job, shared, seen[i], first + i).round();
  }
}
