#include "quant/bits.h"

namespace tq {

void pack_codes(const std::uint16_t* codes, std::size_t n, unsigned bits, std::byte* packed) {
  std::uint32_t pending = 0;  // at most 7 bits wait for their byte when the next 9 arrive
  unsigned pending_bits = 0;
  for (std::size_t i = 0; i < n; ++i) {
    pending |= static_cast<std::uint32_t>(codes[i]) << pending_bits;
    pending_bits += bits;
    while (pending_bits >= 8) {
      *packed++ = static_cast<std::byte>(pending & 0xFFU);
      pending >>= 8;
      pending_bits -= 8;
    }
  }
  if (pending_bits > 0) *packed = static_cast<std::byte>(pending);
}

}  // namespace tq
