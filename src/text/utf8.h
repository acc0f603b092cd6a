// Text from outside as characters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tq {

/// The bytes of the character at the front of `text`; 0 when they are not UTF-8, or there are none.
std::size_t utf8_character(std::string_view text);

/// The character at the front of `text`, and the one at its end; -1, of one byte, where there is no UTF-8. `text` is
/// not empty.
struct Utf8Character {
  std::int32_t code_point = -1;
  std::size_t size = 1;
};
Utf8Character first_utf8_character(std::string_view text);
Utf8Character last_utf8_character(std::string_view text);

bool is_white_space(std::int32_t code_point);     ///< White_Space of Unicode since 6.3
bool is_word_character(std::int32_t code_point);  ///< `\w`: letters, marks, decimal digits, connectors, joiners

/// How many bytes at the end of `text` begin a character and do not finish it: 0 to 3.
std::size_t unfinished_utf8(std::string_view text);

/// The bytes at the front of `text` that are all UTF-8, or none of them: a run as long as possible.
struct Utf8Run {
  std::size_t size = 0;
  bool is_valid = false;
};
Utf8Run utf8_run(std::string_view text);

enum class NormalizationForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

/// A text of any bytes in a normalization form; those that are not UTF-8 stay. So does a stretch of UTF-8 with more
/// combining marks in a row than any language has, since sorting them takes quadratic time.
std::string normalize(std::string_view text, NormalizationForm form);

}  // namespace tq
