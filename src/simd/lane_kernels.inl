// Kernels that code 16 rows at once: lane r of vector i is value i of row r. A part of kernels.inl.

/// Of a 16 x 16 matrix, exchanges the quarters of every 2h x 2h block that lie off its diagonal.
template <int h>
__attribute__((always_inline)) inline void exchange(F* v) {
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r) {
    if ((r & h) != 0) continue;
    const F a = v[r], b = v[r + h];
    v[r] = take_swapped<h, true>(a, b);
    v[r + h] = take_swapped<h, false>(b, a);
  }
}

__attribute__((always_inline)) inline void transpose(F* v) {
  exchange<8>(v);
  exchange<4>(v);
  exchange<2>(v);
  exchange<1>(v);
}

void to_lanes(const float* rows, std::size_t stride, std::size_t n_rows, std::size_t n, float* lanes) {
  const std::size_t end = (n_rows - 1) * stride + n;  // of what may be read
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    F v[kLanes];
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kLanes; ++r) {
      const std::size_t at = r * stride + i;
      v[r] = r >= n_rows ? broadcast(0.0F) : at + kLanes <= end ? load(rows + at) : load_tail(rows + at, m);
    }
    transpose(v);
    if (m == kLanes) {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < kLanes; ++j) store(v[j], lanes + (i + j) * kLanes);
    } else {
#pragma GCC unroll 16
      for (std::size_t j = 0; j < kLanes; ++j) {
        if (j < m) store(v[j], lanes + (i + j) * kLanes);
      }
    }
  });
}

/// Stages of a transform that one pass over memory does: 2^n vectors that stay in registers.
constexpr int kMostStages = kTileRows * kTileVectors >= 16 ? 4 : 3;

/// The stages h, 2h, … of transforms that lie side by side, log2(kRadix) of them.
template <std::size_t kRadix, bool signed_, bool scaled>
inline void butterflies(float* lanes, std::size_t n, std::size_t h, const float* signs, float factor) {
  for (std::size_t block = 0; block < n; block += kRadix * h) {
    for (std::size_t i = block; i < block + h; ++i) {
      F v[kRadix];
#pragma GCC unroll 16
      for (std::size_t j = 0; j < kRadix; ++j) {
        v[j] = load(lanes + (i + j * h) * kLanes);
        if constexpr (signed_) v[j] = mul(v[j], broadcast(signs[i + j * h]));
      }
      butterflies_between<kRadix>(v);
#pragma GCC unroll 16
      for (std::size_t j = 0; j < kRadix; ++j) store(scaled ? mul(v[j], broadcast(factor)) : v[j], lanes + (i + j * h) * kLanes);
    }
  }
}

template <std::size_t kRadix>
inline void butterflies(float* lanes, std::size_t n, std::size_t h, const float* signs, float factor) {
  if (signs != nullptr && factor != 1) return butterflies<kRadix, true, true>(lanes, n, h, signs, factor);
  if (signs != nullptr) return butterflies<kRadix, true, false>(lanes, n, h, signs, factor);
  if (factor != 1) return butterflies<kRadix, false, true>(lanes, n, h, signs, factor);
  butterflies<kRadix, false, false>(lanes, n, h, signs, factor);
}

inline void some_stages(int stages, float* lanes, std::size_t n, std::size_t h, const float* signs, float factor) {
  if (stages == 0) return butterflies<1>(lanes, n, h, signs, factor);
  if (stages == 1) return butterflies<2>(lanes, n, h, signs, factor);
  if (stages == 2) return butterflies<4>(lanes, n, h, signs, factor);
  if (stages == 3) return butterflies<8>(lanes, n, h, signs, factor);
  if constexpr (kMostStages == 4) butterflies<16>(lanes, n, h, signs, factor);
}

void hadamard_lanes(float* lanes, std::size_t n, std::size_t n_runs, const float* signs, float factor) {
  const int all = __builtin_ctzll(n), passes = (all + kMostStages - 1) / kMostStages;
  if (passes <= 1) return some_stages(all, lanes, n * n_runs, 1, signs, factor);
  for (std::size_t run = 0; run < n_runs; ++run, lanes += n * kLanes) {
    const float* first_signs = signs == nullptr ? nullptr : signs + run * n;
    for (int pass = 0, done = 0; pass < passes; ++pass) {
      const int stages = (all - done + passes - pass - 1) / (passes - pass);  // as even as can be
      some_stages(stages, lanes, n, std::size_t{1} << done, pass == 0 ? first_signs : nullptr, pass + 1 == passes ? factor : 1.0F);
      done += stages;
    }
  }
}

void measure_lanes(float* lanes, std::size_t n, float* largest) {
  F top = broadcast(0.0F);
  for (std::size_t i = 0; i < n; ++i) {
    const F x = load(lanes + i * kLanes);
    const F finite = as_float(if_nan(sub(x, x), broadcast(0), as_int(x)));  // ∞ − ∞ is a NaN too
    store(finite, lanes + i * kLanes);
    top = max(top, as_float(bit_and(as_int(finite), broadcast(0x7FFFFFFF))));
  }
  store(top, largest);
}

/// Calls step(i, j) for the values i of 16 rows and their lane j = i % 16 of ordered_dot, four of these at a time: as many sums as
/// stay in registers.
template <class Step, class Finish>
__attribute__((always_inline)) inline void for_fields(std::size_t n, Step step, Finish finish) {
  for (std::size_t first = 0; first < kLanes; first += 4) {
    for (std::size_t i = first; i < n; i += kLanes) step(i, n - i < 4 ? n - i : 4);
    finish(first);
  }
}

/// reduce_add of each row.
inline F add_lanes(F* sum) {
#pragma GCC unroll 4
  for (std::size_t h = kLanes / 2; h > 0; h /= 2) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < h; ++i) sum[i] = add(sum[i], sum[i + h]);
  }
  return sum[0];
}

/// Four of the 16 sums of each row.
struct FourSums {
  FourSums() { clear(); }
  void clear() {
#pragma GCC unroll 4
    for (F& lane : sum) lane = broadcast(0.0F);
  }
  void take(F* all) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) all[j] = sum[j];
    clear();
  }
  F sum[4];
};

void scale_lanes(float* lanes, std::size_t n, const float* factors, float* squares) {
  const F factor = load(factors);
  F all[kLanes];
  FourSums four;
  const auto one = [&](std::size_t i, std::size_t j) __attribute__((always_inline)) {
    const F x = mul(load(lanes + i * kLanes), factor);
    store(x, lanes + i * kLanes);
    four.sum[j] = add(four.sum[j], mul(x, x));
  };
  for_fields(
      n,
      [&](std::size_t i, std::size_t m) __attribute__((always_inline)) {
        if (m == 4) {
#pragma GCC unroll 4
          for (std::size_t j = 0; j < 4; ++j) one(i + j, j);
        } else {
          for (std::size_t j = 0; j < m; ++j) one(i + j, j);
        }
      },
      [&](std::size_t first) { four.take(all + first); });
  store(add_lanes(all), squares);
}

template <std::size_t n_codes, bool kSquaresOfX>
inline void quantize_all_lanes(const LaneQuantizer& job) {
  const Table boundaries(job.boundaries, n_codes - 1), centroids(job.centroids, n_codes);
  const F factor = load(job.factors), middle = broadcast(job.boundaries[n_codes / 2 - 1]);
  F all_products[kLanes], all_squares[kLanes];
  FourSums products, squares;
  const auto code_of = [&](std::size_t i, std::size_t j) __attribute__((always_inline)) {
    const F x = mul(load(job.x + i * kLanes), factor);
    // As quantize() does it.
    I code = add_if_greater(broadcast(0), x, middle, static_cast<int>(n_codes / 2));
#pragma GCC unroll 4
    for (std::size_t step = n_codes / 4; step > 0; step /= 2) {
      const int distance = static_cast<int>(step);
      code = add_if_greater(code, x, look_up(boundaries, add(code, broadcast(distance - 1))), distance);
    }
    const F centroid = look_up(centroids, code), squared = kSquaresOfX ? x : centroid;
    products.sum[j] = add(products.sum[j], mul(centroid, x));
    squares.sum[j] = add(squares.sum[j], mul(squared, squared));
    return code;
  };
  for_fields(
      job.n,
      [&](std::size_t i, std::size_t m) __attribute__((always_inline)) {
        I field = code_of(i, 0);
        if (m > 1) field = bit_or(field, shift_left<8>(code_of(i + 1, 1)));
        if (m > 2) field = bit_or(field, shift_left<16>(code_of(i + 2, 2)));
        if (m > 3) field = bit_or(field, shift_left<24>(code_of(i + 3, 3)));
        const F bits = as_float(field);
        __builtin_memcpy(job.fields + i / 4 * sizeof bits, &bits, sizeof bits);
      },
      [&](std::size_t first) {
        products.take(all_products + first);
        squares.take(all_squares + first);
      });
  store(add_lanes(all_products), job.products);
  store(add_lanes(all_squares), job.squares);
}

void quantize_lanes(const LaneQuantizer& job) {
  switch (job.bits) {
    case 1: return job.squares_of_x ? quantize_all_lanes<2, true>(job) : quantize_all_lanes<2, false>(job);
    case 2: return job.squares_of_x ? quantize_all_lanes<4, true>(job) : quantize_all_lanes<4, false>(job);
    case 3: return job.squares_of_x ? quantize_all_lanes<8, true>(job) : quantize_all_lanes<8, false>(job);
    case 4: return job.squares_of_x ? quantize_all_lanes<16, true>(job) : quantize_all_lanes<16, false>(job);
    default: __builtin_unreachable();
  }
}
