// The discrete Hartley transform across runs of values, by halves: what lies symmetrically is added and subtracted first, so that sums meet
// cosines and differences sines. A part of kernels.inl.

/// A vector of run `run` from value i on, of m values. `whole`: m is 16.
template <bool whole>
__attribute__((always_inline)) inline F load_run(const HartleyRuns& job, std::size_t run, std::size_t i, std::size_t m) {
  const std::size_t at = run * job.n + i;
  if constexpr (whole) return load(job.x + at);
  // Whole vectors where there is something behind the run, since a copy costs more than all else.
  return at + kLanes <= job.count * job.n ? load(job.x + at) : load_tail(job.x + at, m);
}

template <bool whole>
__attribute__((always_inline)) inline void store_run(F a, const HartleyRuns& job, std::size_t run, std::size_t i, std::size_t m) {
  float* y = job.y + run * job.stride + i;
  if constexpr (whole) return store(a, y);
  store_some(a, m, y);
}

/// Few runs stay in registers.
template <int kHalf, bool whole>
__attribute__((always_inline)) inline void mix_few(const HartleyRuns& job, std::size_t i, std::size_t m) {
  constexpr std::size_t kCount = 2 * kHalf + 1;
  F sums[kHalf], differences[kHalf];
  F sum = load_run<whole>(job, 0, i, m);
  const F unit = broadcast(job.unit), start = mul(unit, sum);
#pragma GCC unroll 4
  for (std::size_t k = 0; k < kHalf; ++k) {
    const F a = load_run<whole>(job, k + 1, i, m), b = load_run<whole>(job, kCount - 1 - k, i, m);
    sums[k] = add(a, b);
    differences[k] = sub(a, b);
    sum = add(sum, sums[k]);
  }
  store_run<whole>(mul(unit, sum), job, 0, i, m);
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kHalf; ++j) {
    F even = add(start, mul(broadcast(job.cosines[j * kHalf]), sums[0])), odd = mul(broadcast(job.sines[j * kHalf]), differences[0]);
#pragma GCC unroll 4
    for (std::size_t k = 1; k < kHalf; ++k) {
      even = add(even, mul(broadcast(job.cosines[j * kHalf + k]), sums[k]));
      odd = add(odd, mul(broadcast(job.sines[j * kHalf + k]), differences[k]));
    }
    store_run<whole>(add(even, odd), job, j + 1, i, m);
    store_run<whole>(sub(even, odd), job, kCount - 1 - j, i, m);
  }
}

/// kPairs of the runs of y from j on, and those that lie symmetrically; with the first ones run 0. kVectors vectors of each from value i on.
template <int kPairs, int kVectors, bool first, bool whole>
inline void mix_block(const HartleyRuns& job, std::size_t j, std::size_t i, std::size_t m) {
  const std::size_t half = job.count / 2;
  F even[kPairs][kVectors], odd[kPairs][kVectors], sum[kVectors];
  const auto at = [i](int v) { return i + static_cast<std::size_t>(v) * kLanes; };
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = load_run<whole>(job, 0, at(v), m);
    const F start = mul(broadcast(job.unit), sum[v]);
#pragma GCC unroll 4
    for (int p = 0; p < kPairs; ++p) {
      even[p][v] = start;
      odd[p][v] = broadcast(0.0F);
    }
  }
  for (std::size_t k = 1; k <= half; ++k) {
    F sums[kVectors], differences[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const F a = load_run<whole>(job, k, at(v), m), b = load_run<whole>(job, job.count - k, at(v), m);
      sums[v] = add(a, b);
      differences[v] = sub(a, b);
      if constexpr (first) sum[v] = add(sum[v], sums[v]);
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPairs; ++p) {
      const std::size_t entry = (j - 1 + static_cast<std::size_t>(p)) * half + k - 1;
      const F cosine = broadcast(job.cosines[entry]), sine = broadcast(job.sines[entry]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        even[p][v] = add(even[p][v], mul(cosine, sums[v]));
        odd[p][v] = add(odd[p][v], mul(sine, differences[v]));
      }
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    if constexpr (first) store_run<whole>(mul(broadcast(job.unit), sum[v]), job, 0, at(v), m);
#pragma GCC unroll 4
    for (int p = 0; p < kPairs; ++p) {
      const std::size_t run = j + static_cast<std::size_t>(p);
      store_run<whole>(add(even[p][v], odd[p][v]), job, run, at(v), m);
      store_run<whole>(sub(even[p][v], odd[p][v]), job, job.count - run, at(v), m);
    }
  }
}

template <int kPairs, bool first>
inline void mix_some(const HartleyRuns& job, std::size_t j) {
  constexpr int kVectors = kTileRows * kTileVectors >= 16 ? 2 : 1;
  std::size_t i = 0;
  for (; i + kVectors * kLanes <= job.n; i += kVectors * kLanes) mix_block<kPairs, kVectors, first, true>(job, j, i, kLanes);
  for (; i + kLanes <= job.n; i += kLanes) mix_block<kPairs, 1, first, true>(job, j, i, kLanes);
  if (i < job.n) mix_block<kPairs, 1, first, false>(job, j, i, job.n - i);
}

/// By value, here and below: what a store might have changed is read again.
template <int kHalf>
inline void mix_all(HartleyRuns job) {
  std::size_t i = 0;
  for (; i + kLanes <= job.n; i += kLanes) mix_few<kHalf, true>(job, i, kLanes);
  if (i < job.n) mix_few<kHalf, false>(job, i, job.n - i);
}

template <int half>
struct Half {
  static constexpr int kHalf = half;
};

/// Calls step(Half<half>).
template <class Step>
inline void with_half(std::size_t half, Step step) {
  switch (half) {
    case 1: return step(Half<1>{});
    case 2: return step(Half<2>{});
    case 3: return step(Half<3>{});
    case 4: return step(Half<4>{});
    default: __builtin_unreachable();
  }
}

void mix_runs(const HartleyRuns& job) {
  const std::size_t half = job.count / 2;
  if (job.count <= HartleyRuns::kMostInPlace) {
    return with_half(half, [&](auto constant) { mix_all<decltype(constant)::kHalf>(job); });
  }
  mix_some<4, true>(job, 1);
  std::size_t j = 5;
  for (; j + 3 <= half; j += 4) mix_some<4, false>(job, j);
  if (half - j == 2) mix_some<3, false>(job, j);
  if (half - j == 1) mix_some<2, false>(job, j);
  if (half == j) mix_some<1, false>(job, j);
}

/// The runs of one of a pair.
template <int kHalf>
struct Halves {
  F first, sums[kHalf], differences[kHalf];
};

/// Run j of `of`, with the differences of `other`, goes to run j + `kBehind` of y, or to the first ones behind the last.
template <int kHalf, std::size_t kBehind, bool whole>
__attribute__((always_inline)) inline void mix_halves(const Halves<kHalf>& of, const Halves<kHalf>& other, const HartleyRuns& job, std::size_t i, std::size_t m) {
  constexpr std::size_t kCount = 2 * kHalf + 1;
  const F unit = broadcast(job.unit), start = mul(unit, of.first);
  F sum = of.first;
#pragma GCC unroll 4
  for (std::size_t k = 0; k < kHalf; ++k) sum = add(sum, of.sums[k]);
  store_run<whole>(mul(unit, sum), job, (kCount - kBehind) % kCount, i, m);
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kHalf; ++j) {
    F even = add(start, mul(broadcast(job.cosines[j * kHalf]), of.sums[0])), odd = mul(broadcast(job.sines[j * kHalf]), other.differences[0]);
#pragma GCC unroll 4
    for (std::size_t k = 1; k < kHalf; ++k) {
      even = add(even, mul(broadcast(job.cosines[j * kHalf + k]), of.sums[k]));
      odd = add(odd, mul(broadcast(job.sines[j * kHalf + k]), other.differences[k]));
    }
    store_run<whole>(add(even, odd), job, j + 1 - kBehind, i, m);
    store_run<whole>(sub(even, odd), job, kCount - 1 - j - kBehind, i, m);
  }
}

template <int kHalf, bool whole>
__attribute__((always_inline)) inline void mix_pair(const HartleyPairs& job, const HartleyRuns& mirrored, std::size_t i, std::size_t m) {
  constexpr std::size_t kCount = 2 * kHalf + 1;
  Halves<kHalf> p, q;
  p.first = load_run<whole>(job.runs, 0, i, m);
  q.first = load_run<whole>(mirrored, 0, i, m);
  const auto turned = [&](std::size_t k, F& x, F& y) __attribute__((always_inline)) {
    const F cosine = broadcast(job.turns[2 * k - 2]), sine = broadcast(job.turns[2 * k - 1]);
    const F a = load_run<whole>(job.runs, k, i, m), b = load_run<whole>(mirrored, k, i, m);
    x = add(mul(cosine, a), mul(sine, b));
    y = sub(mul(cosine, b), mul(sine, a));
  };
#pragma GCC unroll 4
  for (std::size_t k = 0; k < kHalf; ++k) {
    F left_p, left_q, right_p, right_q;
    turned(k + 1, left_p, left_q);
    turned(kCount - 1 - k, right_p, right_q);
    p.sums[k] = add(left_p, right_p);
    p.differences[k] = sub(left_p, right_p);
    q.sums[k] = add(left_q, right_q);
    q.differences[k] = sub(left_q, right_q);
  }
  mix_halves<kHalf, 0, whole>(p, q, job.runs, i, m);
  mix_halves<kHalf, 1, whole>(q, p, mirrored, i, m);
}

template <int kHalf>
inline void mix_all_pairs(HartleyPairs job) {
  HartleyRuns mirrored = job.runs;
  mirrored.x = job.mirrored;
  mirrored.y = job.out;
  std::size_t i = 0;
  for (; i + kLanes <= job.runs.n; i += kLanes) mix_pair<kHalf, true>(job, mirrored, i, kLanes);
  if (i < job.runs.n) mix_pair<kHalf, false>(job, mirrored, i, job.runs.n - i);
}

void mix_pairs(const HartleyPairs& job) {
  with_half(job.runs.count / 2, [&](auto constant) { mix_all_pairs<decltype(constant)::kHalf>(job); });
}
