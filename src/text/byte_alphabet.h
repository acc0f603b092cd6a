// The alphabet in which byte-level BPE spells tokens: a printable character for each byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tq {

/// Bytes that are printable in Latin-1 stand for themselves, the other 68 for U+0100 and up, in order. So all
/// characters have one or two bytes in UTF-8.
struct ByteAlphabet {
  static std::string spell(std::uint8_t byte);
  /// The bytes that `text` spells; nothing when it has other characters.
  static std::optional<std::string> read(std::string_view text);
};

}  // namespace tq
