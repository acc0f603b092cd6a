#include "quant/blocks.h"

#include "simd/kernels.h"

namespace tq {

void unpack_plane(const std::byte* block, const Plane& plane, std::size_t n, unsigned shift, std::uint8_t* codes) {
  kernels().unpack_plane(reinterpret_cast<const std::uint8_t*>(block + plane.at), plane.bits, plane.run, n, shift, codes);
}

void pack_plane(const std::uint8_t* codes, const Plane& plane, std::size_t n, unsigned shift, std::byte* block) {
  auto* bytes = reinterpret_cast<std::uint8_t*>(block + plane.at);
  const auto mask = static_cast<std::uint8_t>((1U << plane.bits) - 1);
  for (std::size_t i = 0; i < n; bytes += plane.run) {
    std::memset(bytes, 0, plane.run);
    for (unsigned up = 0; up < 8; up += plane.bits, i += plane.run) {
      for (std::size_t j = 0; j < plane.run; ++j) {
        bytes[j] = static_cast<std::uint8_t>(bytes[j] | (codes[i + j] >> shift & mask) << up);
      }
    }
  }
}

}  // namespace tq
