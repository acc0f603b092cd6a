// Kernels of the window trellis. A part of kernels.inl.

/// The last `left` bytes of a stream of `total_bits` bits, and one or two behind it: the first codes again, or zeros.
inline void copy_end(const std::uint8_t* packed, std::size_t total_bits, std::size_t left, bool closed, std::uint8_t* padded) {
  const std::size_t bytes = (total_bits + 7) / 8;
  __builtin_memcpy(padded, packed + (bytes - left), left);
  if (!closed) return;
  const unsigned used = static_cast<unsigned>(total_bits % 8);  // bits of the last byte
  const unsigned first = (packed[0] | (bytes > 1 ? unsigned{packed[1]} : 0U) << 8) << used;
  const std::size_t end = used == 0 ? left : left - 1;
  padded[end] = static_cast<std::uint8_t>(padded[end] | first);
  padded[end + 1] = static_cast<std::uint8_t>(first >> 8);
}

void decode_windows(const CodedRows& rows, unsigned window, const std::int8_t* table, bool closed) {
  constexpr std::size_t kBlock = 4 * kLanes;
  const unsigned bits = rows.bits;
  const WindowTable entries(table, bits, window);
  const std::size_t n = rows.n, bytes = (n * bits + 7) / 8;
  F values[4];
  for (std::size_t r = 0; r < rows.n_rows; ++r) {
    const std::uint8_t* packed = rows.packed + r * rows.stride;
    const F scale = broadcast(rows.scales[r]);
    float* out = rows.out + r * n;
    std::size_t i = 0, at = 0;
    for (; at + kBlock <= bytes; i += kBlock, at += 8 * bits) {
      look_up(entries, packed + at, values);
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part) store(mul(scale, values[part]), out + i + part * kLanes);
    }
    if (i >= n) continue;
    std::uint8_t padded[2 * kBlock] = {};  // the last block begins before byte 63
    copy_end(packed, n * bits, bytes - at, closed, padded);
    for (const std::uint8_t* end = padded; i < n; i += kBlock, end += 8 * bits) {
      look_up(entries, end, values);
      for (std::size_t part = 0; part < 4 && i + part * kLanes < n; ++part) {
        const std::size_t from = i + part * kLanes;
        store_some(mul(scale, values[part]), n - from < kLanes ? n - from : kLanes, out + from);
      }
    }
  }
}

/// costs −= the smallest of them: the float keeps its low bits for what differs between paths.
inline void subtract_smallest(float* costs, std::size_t states) {
  I smallest = as_int(load(costs));
  for (std::size_t s = kLanes; s < states; s += kLanes) smallest = min(smallest, as_int(load(costs + s)));
  const F shift = broadcast(-reduce_max(sub(broadcast(0.0F), as_float(smallest))));
  for (std::size_t s = 0; s < states; s += kLanes) store(sub(load(costs + s), shift), costs + s);
}

/// The costs are positive floats and so compare like their bits taken as integers.
template <std::size_t kVectors>
inline void search_states(const WindowSearch& job) {
  constexpr std::size_t kStates = kVectors * kLanes;
  const std::size_t per_state = std::size_t{1} << job.bits;
  std::uint8_t lanes[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) lanes[i] = static_cast<std::uint8_t>(i >> job.bits);
  const I lane_state = load_u8(lanes), low_bits = broadcast(static_cast<int>(per_state - 1));
  float costs[kStates + kLanes] = {};  // spread() may read behind the last state
  for (std::size_t v = 0; v < kVectors; ++v) store(load(job.costs + v * kLanes), costs + v * kLanes);

  for (std::size_t i = job.n, step = 0; i-- > 0; ++step) {
    if (step % 64 == 0) subtract_smallest(costs, kStates);
    const F x = broadcast(job.x[i]);
    I best[kVectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) best[v] = broadcast(0x7FFFFFFF);
    for (std::size_t top = 0, w = 0; top < per_state; ++top) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kVectors; ++v, w += kLanes) {
        const F distance = sub(x, load(job.values + w));
        const F cost = add(spread(costs + (w >> job.bits), lane_state), mul(distance, distance));
        best[v] = min(best[v], merge(low_bits, broadcast(static_cast<int>(top)), as_int(cost)));
      }
    }
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) {
      store(as_float(best[v]), costs + v * kLanes);
      store_i8(bit_and(best[v], low_bits), job.choices + i * kStates + v * kLanes);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) store(load(costs + v * kLanes), job.costs + v * kLanes);
}

void search_windows(const WindowSearch& job) {
  switch (job.window - job.bits) {
    case 4: return search_states<1>(job);
    case 5: return search_states<2>(job);
    case 6: return search_states<4>(job);
    case 7: return search_states<8>(job);
    default: __builtin_unreachable();
  }
}
