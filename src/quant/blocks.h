// What the block types of GGUF share: where the bits of a code lie, and how scales are held.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/float16.h"

namespace tq {

/// Some bits of every code of a block. A run of bytes holds `run` values in its lowest bits, the next `run` in the bits above them, and
/// so on up; then comes the next run of bytes.
struct Plane {
  std::size_t at;     ///< offset in the block
  unsigned bits = 0;  ///< of a code in this plane: 1, 2 or 4; 0: there is no such plane
  std::size_t run = 1;
};

/// codes[i] |= the plane's bits of value i, moved up by `shift`.
void unpack_plane(const std::byte* block, const Plane& plane, std::size_t n, unsigned shift, std::uint8_t* codes);
/// The way back, for whole bytes of the plane.
void pack_plane(const std::uint8_t* codes, const Plane& plane, std::size_t n, unsigned shift, std::byte* block);

inline float load_half(const std::byte* bytes) { return half_to_float(load_u16(bytes)); }
/// Clipped to the largest finite half.
inline void store_half(float value, std::byte* bytes) {
  const std::uint16_t half = float_to_half(std::clamp(value, -65504.0F, 65504.0F));
  std::memcpy(bytes, &half, sizeof half);
}
/// What load_half() makes of what store_half() stores.
inline float as_stored(float value) { return half_to_float(float_to_half(std::clamp(value, -65504.0F, 65504.0F))); }

inline float reciprocal(float scale) { return scale != 0 ? 1.0F / scale : 0.0F; }

/// NaN, and what an infinite reciprocal makes of a denormal block, ends at the lower bound instead of undefined behaviour.
inline float bounded(float value, float low, float high) { return std::min(std::max(low, value), high); }

/// Copies n values for an encoder that compares squared errors: what is not finite counts as 0, and sizes end at 1e9, beyond the reach
/// of any half scale and far from overflow.
inline void tame(const float* x, std::size_t n, float* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = std::isfinite(x[i]) ? std::clamp(x[i], -1e9F, 1e9F) : 0.0F;
}

}  // namespace tq
