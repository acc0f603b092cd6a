// Kernels of the window trellis. A part of kernels.inl.

/// Decodes the codes whose windows reach behind the end of their row, where the first codes stand again, or zeros.
inline void decode_end(const CodedRows& rows, std::size_t r, unsigned window, const std::int8_t* table, bool closed) {
  const std::uint8_t* packed = rows.packed + r * rows.stride;
  const std::size_t total = rows.n * rows.bits, bytes = (total + 7) / 8;
  if (total == 0) return;
  const auto two_bytes = [&](std::size_t at) { return packed[at] | (at + 1 < bytes ? unsigned{packed[at + 1]} : 0U) << 8; };
  const std::size_t first = total < 8 ? 0 : (total - 8) / 8;  // byte; such windows begin in the last 8 bits
  const auto left = static_cast<unsigned>(total - 8 * first);
  const unsigned stream = (two_bytes(first) & ((1U << left) - 1)) | (closed ? two_bytes(0) : 0U) << left;
  const unsigned mask = (1U << window) - 1;
  float* out = rows.out + r * rows.n;
  for (std::size_t i = rows.n; i > 0 && (i - 1) * rows.bits + window > total; --i) {
    out[i - 1] = rows.scales[r] * static_cast<float>(table[stream >> ((i - 1) * rows.bits - 8 * first) & mask]);
  }
}

void decode_windows(const CodedRows& rows, unsigned window, const std::int8_t* table, bool closed) {
  constexpr std::size_t kBlock = 4 * kLanes;  // values, and the bytes that look_up() may read
  const unsigned bits = rows.bits;
  const WindowTable entries(table, bits, window);
  const std::size_t n = rows.n, bytes = (n * bits + 7) / 8;
  for (std::size_t r = 0; r < rows.n_rows; ++r) {
    const std::uint8_t* packed = rows.packed + r * rows.stride;
    const std::size_t readable = (rows.n_rows - 1 - r) * rows.stride + bytes;  // the following rows are
    const F scale = broadcast(rows.scales[r]);
    float* out = rows.out + r * n;
    const auto decode_block = [&](const std::uint8_t* from, std::size_t i) __attribute__((always_inline)) {
      F values[4];
      look_up(entries, from, values);
      if (i + kBlock <= n) {
#pragma GCC unroll 4
        for (std::size_t part = 0; part < 4; ++part) store(mul(scale, values[part]), out + i + part * kLanes);
        return;
      }
      for (std::size_t part = 0; part < 4 && i + part * kLanes < n; ++part) {
        const std::size_t at = i + part * kLanes;
        store_some(mul(scale, values[part]), n - at < kLanes ? n - at : kLanes, out + at);
      }
    };
    std::size_t i = 0, at = 0;
    for (; i < n && at + kBlock <= readable; i += kBlock, at += 8 * bits) decode_block(packed + at, i);
    if (i < n) {
      std::uint8_t padded[2 * kBlock] = {};  // less than a block is left
      __builtin_memcpy(padded, packed + at, bytes - at);
      for (const std::uint8_t* end = padded; i < n; i += kBlock, end += 8 * bits) decode_block(end, i);
    }
    decode_end(rows, r, window, table, closed);
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
