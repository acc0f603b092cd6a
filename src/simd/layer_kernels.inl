// Kernels of float formats, GGUF blocks and the layers of a model. A part of kernels.inl.
// ---- float formats and blocks

/// The same through a padded copy for what is left over at the end: `step` reads and writes 16 values.
template <class In, class Out, class Step>
inline void convert(const void* in, std::size_t n, void* out, Step step) {
  const auto* from = static_cast<const unsigned char*>(in);
  auto* to = static_cast<unsigned char*>(out);
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) step(from + i * sizeof(In), to + i * sizeof(Out));
  if (i == n) return;
  unsigned char padded_in[kLanes * sizeof(In)] = {}, padded_out[kLanes * sizeof(Out)];
  __builtin_memcpy(padded_in, from + i * sizeof(In), (n - i) * sizeof(In));
  step(padded_in, padded_out);
  __builtin_memcpy(to + i * sizeof(Out), padded_out, (n - i) * sizeof(Out));
}

void f16_to_f32(const void* in, std::size_t n, float* out) {
  convert<std::uint16_t, float>(in, n, out, [](const void* from, void* to) { store(load_f16(from), static_cast<float*>(to)); });
}

void f32_to_f16(const float* in, std::size_t n, void* out) {
  convert<float, std::uint16_t>(in, n, out, [](const void* from, void* to) { store_f16(load(static_cast<const float*>(from)), to); });
}

void bf16_to_f32(const void* in, std::size_t n, float* out) {
  convert<std::uint16_t, float>(in, n, out, [](const void* from, void* to) {
    store(as_float(shift_left<16>(load_u16(from))), static_cast<float*>(to));
  });
}

void f32_to_bf16(const float* in, std::size_t n, void* out) {
  convert<float, std::uint16_t>(in, n, out, [](const void* from, void* to) {
    const F x = load(static_cast<const float*>(from));
    const I bits = as_int(x);
    const I odd = bit_and(shift_right<16>(bits), broadcast(1));
    // A NaN must not be rounded up to infinity: its bits are cut off, and the quiet bit set.
    const I rounded = shift_right<16>(add(bits, add(odd, broadcast(0x7FFF))));
    store_u16(if_nan(x, bit_or(shift_right<16>(bits), broadcast(0x40)), rounded), to);
  });
}

void decode_q8_0(const void* blocks, std::size_t n, float* out) {
  const auto* block = static_cast<const unsigned char*>(blocks);
  for (std::size_t i = 0; i < n; i += 32, block += 34) {
    const F factor = broadcast_f16(block);
    store(mul(to_float(load_i8(block + 2)), factor), out + i);
    store(mul(to_float(load_i8(block + 18)), factor), out + i + kLanes);
  }
}

void decode_q4_0(const void* blocks, std::size_t n, float* out) {
  const auto* block = static_cast<const unsigned char*>(blocks);
  for (std::size_t i = 0; i < n; i += 32, block += 18) {
    const F factor = broadcast_f16(block);
    const I nibbles = load_u8(block + 2);
    const I low = add(bit_and(nibbles, broadcast(15)), broadcast(-8)), high = add(shift_right<4>(nibbles), broadcast(-8));
    store(mul(to_float(low), factor), out + i);
    store(mul(to_float(high), factor), out + i + kLanes);
  }
}

// ---- layers

void rms_norm(const float* x, const float* weight, std::size_t n, float eps, float* y) {
  F squares = broadcast(0.0F);
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const F a = load_some(x + i, m);
    squares = fma(a, a, squares);
  });
  const F factor = broadcast(1.0F / __builtin_sqrtf(reduce_add(squares) / static_cast<float>(n) + eps));
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    store_some(mul(mul(load_some(x + i, m), factor), load_some(weight + i, m)), m, y + i);
  });
}

/// e^x for x in [−87, 88]; smaller and larger x are taken for these ends (larger ones only if `clamped`), NaN stays. x = k·ln 2 + r, and a
/// polynomial of degree 5 on |r| ≤ ln 2 / 2, fitted to the smallest relative error with p(0) = 1: below 3e-7, roundings included.
template <bool clamped = true>
inline F exponential(F x) {
  x = max(broadcast(-87.0F), x);
  if constexpr (clamped) x = sub(broadcast(0.0F), max(broadcast(-88.0F), sub(broadcast(0.0F), x)));
  // A sum of this size has steps of 1: its last bits are k + 127, an exponent's field.
  const F magic = broadcast(0x1.8p23F + 127), t = fma(x, broadcast(1.44269504088896341F), magic), k = sub(t, magic);
  const F r = fma(k, broadcast(2.12194440e-4F), fma(k, broadcast(-0.693359375F), x));  // ln 2 in two parts: the first product is exact
  F p = broadcast(8.2976548e-3F);
  p = fma(p, r, broadcast(4.1915383e-2F));
  p = fma(p, r, broadcast(1.6667575e-1F));
  p = fma(p, r, broadcast(4.9998894e-1F));
  p = fma(p, r, broadcast(9.9999970e-1F));
  p = fma(p, r, broadcast(1.0F));
  return mul(p, as_float(shift_left<23>(as_int(t))));
}

float exponentials(float* x, std::size_t n, float* sum) {
  F largest = broadcast(-__builtin_huge_valf());
  std::size_t whole = n / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) largest = max(largest, load(x + i));
  float top = reduce_max(largest);
  for (std::size_t i = whole; i < n; ++i) top = top > x[i] ? top : x[i];

  F total = broadcast(0.0F);
  for (std::size_t i = 0; i < whole; i += kLanes) {
    const F e = exponential<false>(sub(load(x + i), broadcast(top)));
    total = add(total, e);
    store(e, x + i);
  }
  if (whole < n) {
    // Lanes beyond the end would add e^−87 each, which is far below a rounding of the sum (at least 1).
    float padded[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) padded[i] = i < n - whole ? x[whole + i] - top : -87.0F;
    const F e = exponential(load(padded));
    total = add(total, e);
    store_tail(e, n - whole, x + whole);
  }
  *sum = reduce_add(total);
  return top;
}

float softmax(float* x, std::size_t n) {
  float sum = 0;
  const float top = exponentials(x, n, &sum);
  scale(x, 1.0F / sum, n);
  return top + __builtin_logf(sum);
}

void merge_softmax(const SoftmaxSums& added, std::size_t n, std::size_t dim, const SoftmaxSums& all) {
  for (std::size_t first = 0; first < n; first += kLanes) {
    const std::size_t here = n - first < kLanes ? n - first : kLanes;
    float shares[2 * kLanes] = {};  // of what there was, of what is added
    for (std::size_t i = 0; i < here; ++i) {
      float& top = all.tops[first + i];
      const float before = top, other = added.tops[first + i];
      if (other > top) top = other;
      shares[i] = before - top;
      shares[kLanes + i] = other - top;
    }
    store(exponential(load(shares)), shares);
    store(exponential(load(shares + kLanes)), shares + kLanes);
    for (std::size_t i = 0; i < here; ++i) {
      const std::size_t q = first + i;
      if (added.totals[q] == 0) continue;  // not seen
      all.totals[q] = all.totals[q] * shares[i] + added.totals[q] * shares[kLanes + i];
      const F before = broadcast(shares[i]), share = broadcast(shares[kLanes + i]);
      float* values = all.values + q * dim;
      const float* others = added.values + q * dim;
      for_vectors(dim, [&](std::size_t j, std::size_t m) {
        store_some(fma(load_some(values + j, m), before, mul(load_some(others + j, m), share)), m, values + j);
      });
    }
  }
}

void silu_multiply(float* gate, const float* up, std::size_t n) {
  for_vectors(n, [&](std::size_t i, std::size_t m) {
    const F g = load_some(gate + i, m);
    const F silu = divide(g, add(broadcast(1.0F), exponential(sub(broadcast(0.0F), g))));
    store_some(mul(silu, load_some(up + i, m)), m, gate + i);
  });
}
