#include "text/byte_alphabet.h"

#include <array>

namespace tq {
namespace {

constexpr unsigned kEnd = 0x100 + 68;  // of the code points in use

struct Tables {
  std::array<std::uint16_t, 256> code_point{};  ///< by byte
  std::array<std::int16_t, kEnd> byte{};        ///< by code point; -1 for those not in use
};

constexpr bool is_printable(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Tables make_tables() {
  Tables tables;
  tables.byte.fill(-1);
  unsigned next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const unsigned code_point = is_printable(byte) ? byte : next++;
    tables.code_point[byte] = static_cast<std::uint16_t>(code_point);
    tables.byte[code_point] = static_cast<std::int16_t>(byte);
  }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::string ByteAlphabet::spell(std::uint8_t byte) {
  const unsigned code_point = kTables.code_point[byte];
  if (code_point < 0x80) return std::string(1, static_cast<char>(code_point));
  return {static_cast<char>(0xC0U | code_point >> 6), static_cast<char>(0x80U | (code_point & 0x3FU))};
}

std::optional<std::string> ByteAlphabet::read(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code_point = static_cast<unsigned char>(text[i]);
    if (code_point >= 0x80) {
      if ((code_point & 0xE0U) != 0xC0U || i + 1 == text.size()) return std::nullopt;
      const unsigned low = static_cast<unsigned char>(text[++i]);
      if ((low & 0xC0U) != 0x80U) return std::nullopt;
      code_point = (code_point & 0x1FU) << 6 | (low & 0x3FU);
    }
    if (code_point >= kEnd || kTables.byte[code_point] < 0) return std::nullopt;
    bytes += static_cast<char>(kTables.byte[code_point]);
  }
  return bytes;
}

}  // namespace tq
