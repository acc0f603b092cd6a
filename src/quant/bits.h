// Codes of 1 to 9 bits as a little-endian bit stream: the only place that writes the layout. Kernels::decode_codes reads it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tq {

/// Bytes of n codes.
constexpr std::size_t packed_bytes(std::size_t n, unsigned bits) { return (n * bits + 7) / 8; }

/// codes[i] < 2^bits becomes bits [i·bits, (i+1)·bits) of the stream; what is left of the last byte is zero.
void pack_codes(const std::uint16_t* codes, std::size_t n, unsigned bits, std::byte* packed);

}  // namespace tq
