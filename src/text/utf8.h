// Text from outside as characters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tq {

/// The bytes of the character at the front of `text`; 0 when they are not UTF-8, or there are none.
std::size_t utf8_character(std::string_view text);

/// The bytes at the front of `text` that are all UTF-8, or none of them: a run as long as possible.
struct Utf8Run {
  std::size_t size = 0;
  bool is_valid = false;
};
Utf8Run utf8_run(std::string_view text);

/// Normalization form C of UTF-8. A text with more combining marks in a row than any language has stays as it is, since
/// sorting them takes quadratic time.
std::string normalize_nfc(std::string_view utf8);

}  // namespace tq
