// The project's only generator: the same stream on every platform and compiler.
#pragma once

#include <cstdint>

namespace tq {

/// SplitMix64 (Steele, Lea, Flood 2014). Any state is valid; the period is 2^64.
inline std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// Uniform in [0, 1), a multiple of 2⁻⁵³.
inline double next_uniform(std::uint64_t& state) { return static_cast<double>(next_random(state) >> 11) * 0x1p-53; }

/// The seed of one of several independent streams that belong to `seed`.
inline std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t purpose) {
  std::uint64_t state = seed ^ (purpose + 1) * 0xD6E8FEB86659FD93ULL;
  return next_random(state);
}

}  // namespace tq
