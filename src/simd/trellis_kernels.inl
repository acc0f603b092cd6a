// Kernels of the window trellis. A part of kernels.inl.

template <class Table>
inline void decode_windows_of(const CodedRows& rows, const WindowValues& windows, const Table& entries) {
  constexpr std::size_t kBlock = 4 * kLanes;  // values, and the bytes that look_up() may read
  const unsigned bits = rows.bits;
  const std::size_t n = rows.n, total = n * bits, bytes = (total + 7) / 8, whole = total / 8;
  StreamEnd end(entries, whole);
  const auto used = static_cast<unsigned>(total % 8);  // bits of the last byte
  for (std::size_t r = 0; r < rows.n_rows; ++r) {
    const std::uint8_t* packed = rows.packed + r * rows.stride;
    const std::size_t readable = (rows.n_rows - 1 - r) * rows.stride + bytes;  // the following rows are
    const F scale = broadcast(rows.scales[r]);
    float* out = rows.out + r * n;
    F values[4];
    const auto put = [&](std::size_t i) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part) store(mul(scale, values[part]), out + i + part * kLanes);
    };
    const auto put_some = [&](std::size_t i) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (std::size_t part = 0; part < 4; ++part) {
        const std::size_t first = i + part * kLanes;
        if (first < n) store_some(mul(scale, values[part]), n - first < kLanes ? n - first : kLanes, out + first);
      }
    };
    std::size_t i = 0, at = 0;
    for (; (i + kBlock - 1) * bits + windows.bits <= total && at + kBlock <= readable; i += kBlock, at += 8 * bits) {
      look_up(entries, packed + at, values);
      put(i);
    }
    if (i == n) continue;
    // Behind the last bit stand the first eight again, or zeros.
    const unsigned behind = (used > 0 ? packed[whole] & ((1U << used) - 1) : 0U) | (windows.closed ? unsigned{packed[0]} << used : 0U);
    for (; i < n; i += kBlock, at += 8 * bits) {
      if (end.n != whole - at) [[unlikely]] end = StreamEnd(entries, whole - at);
      look_up(entries, end, packed + at, readable - at, behind, values);
      if (i + kBlock <= n) [[likely]] {
        put(i);
      } else {
        put_some(i);
      }
    }
  }
}

void decode_windows(const CodedRows& rows, const WindowValues& windows) {
  with_window_table(windows, rows.bits, [&](const auto& table) { decode_windows_of(rows, windows, table); });
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
