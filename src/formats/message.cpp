#include "formats/message.h"

#include <simdjson.h>

namespace tq {
namespace {

constexpr std::size_t kLongestQuote = 80;

/// Bytes of the character that `text` begins with; 0 when it is a control character or not UTF-8.
std::size_t character_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first < 0x20 || first == 0x7F ? 0 : 1;
  const std::size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < size || !simdjson::validate_utf8(text.data(), size)) return 0;
  const bool is_c1_control = first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
  return is_c1_control ? 0 : size;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  std::string quoted = "'";
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = character_size(text.substr(i));
    const std::string shown =
        size == 0 ? fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i])) : std::string(text.substr(i, size));
    if (quoted.size() + shown.size() > kLongestQuote + 1) {
      quoted += "…";
      break;
    }
    quoted += shown;
    i += size == 0 ? 1 : size;
  }
  return quoted + "'";
}

bool is_name(std::string_view text) {
  for (std::size_t i = 0, size = 0; i < text.size(); i += size) {
    size = character_size(text.substr(i));
    if (size == 0) return false;
  }
  return !text.empty();
}

}  // namespace tq
