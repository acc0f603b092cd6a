#include "cli/printable.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>

namespace tq::cli {
namespace {

bool is_bidirectional_control(utf8proc_int32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

bool is_control(utf8proc_int32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029; }

/// Reads one character at the front of `text` (not empty): its length in bytes, or a negative number if it is not
/// UTF-8.
std::ptrdiff_t first_character(std::string_view text, utf8proc_int32_t& c) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  return utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size(), 4)), &c);
}

std::string escaped(std::string_view text, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const std::ptrdiff_t length = first_character(text, c);
    if (length <= 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
      continue;
    }
    const bool keep = length == 1 && kept.find(text.front()) != std::string_view::npos;
    if (!keep && (is_control(c) || is_bidirectional_control(c))) {
      out += c < 0x100 ? fmt::format("\\x{:02x}", c) : fmt::format("\\u{:04x}", c);
    } else {
      out += text.substr(0, static_cast<std::size_t>(length));
    }
    text.remove_prefix(static_cast<std::size_t>(length));
  }
  return out;
}

}  // namespace

std::string one_line(std::string_view text) { return escaped(text, ""); }

std::string printable(std::string_view text) { return escaped(text, "\n\t"); }

}  // namespace tq::cli
