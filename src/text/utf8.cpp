#include "text/utf8.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

namespace tq {
namespace {

// Unicode's stream-safe format (UAX #15) allows 30.
constexpr int kMaxMarks = 64;

const utf8proc_uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

struct Character {
  utf8proc_int32_t code_point = -1;
  std::size_t size = 0;
};

Character first_character(std::string_view text) {
  Character first;
  const auto available = static_cast<utf8proc_ssize_t>(text.size() < 4 ? text.size() : 4);
  const utf8proc_ssize_t size = available == 0 ? 0 : utf8proc_iterate(bytes_of(text), available, &first.code_point);
  first.size = size > 0 ? static_cast<std::size_t>(size) : 0;
  return first;
}

bool has_sane_marks(std::string_view utf8) {
  int marks = 0;
  while (!utf8.empty()) {
    const Character character = first_character(utf8);
    marks = utf8proc_get_property(character.code_point)->combining_class == 0 ? 0 : marks + 1;
    if (marks > kMaxMarks) return false;
    utf8.remove_prefix(character.size);
  }
  return true;
}

bool is_ascii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  return all < 0x80;
}

}  // namespace

std::size_t utf8_character(std::string_view text) { return first_character(text).size; }

Utf8Run utf8_run(std::string_view text) {
  Utf8Run run;
  while (run.size < text.size()) {
    const std::size_t size = utf8_character(text.substr(run.size));
    if (run.size == 0) run.is_valid = size > 0;
    if (run.is_valid != (size > 0)) break;
    run.size += run.is_valid ? size : 1;
  }
  return run;
}

Utf8Character first_utf8_character(std::string_view text) {
  const Character first = first_character(text);
  return first.size == 0 ? Utf8Character{} : Utf8Character{first.code_point, first.size};
}

Utf8Character last_utf8_character(std::string_view text) {
  for (std::size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    const Character last = first_character(text.substr(text.size() - size));
    if (last.size == size) return {last.code_point, size};
  }
  return {};
}

bool is_white_space(std::int32_t code_point) {
  if (code_point < 0) return false;
  if ((code_point >= '\t' && code_point <= '\r') || code_point == 0x85) return true;
  const utf8proc_category_t category = utf8proc_category(code_point);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
}

bool is_word_character(std::int32_t code_point) {
  if (code_point < 0) return false;
  if (code_point == 0x200C || code_point == 0x200D) return true;
  const utf8proc_category_t category = utf8proc_category(code_point);
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC;
}

std::size_t unfinished_utf8(std::string_view text) {
  for (std::size_t size = 1; size <= 3 && size <= text.size(); ++size) {
    const auto lead = static_cast<unsigned char>(text[text.size() - size]);
    if ((lead & 0xC0U) == 0x80U) continue;
    const std::size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 1;
    if (lead > 0xF4 || size >= whole) return 0;
    // What no continuation makes valid (too long, a surrogate, beyond U+10FFFF) is not waited for.
    std::string candidate(text.substr(text.size() - size));
    const bool needs_high = size == 1 && (lead == 0xE0 || lead == 0xF0);
    while (candidate.size() < whole) candidate += needs_high && candidate.size() == 1 ? '\xA0' : '\x80';
    return first_character(candidate).size == whole ? size : 0;
  }
  return 0;
}

namespace {

std::string normalize_utf8(std::string_view utf8, NormalizationForm form) {
  if (is_ascii(utf8) || !has_sane_marks(utf8)) return std::string(utf8);
  const bool composes = form == NormalizationForm::kNfc || form == NormalizationForm::kNfkc;
  const bool compatible = form == NormalizationForm::kNfkc || form == NormalizationForm::kNfkd;
  const int options =
      UTF8PROC_STABLE | (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(bytes_of(utf8), static_cast<utf8proc_ssize_t>(utf8.size()), &raw,
                                             static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> normalized(raw, &std::free);
  if (size < 0) return std::string(utf8);  // out of memory
  return std::string(reinterpret_cast<const char*>(normalized.get()), static_cast<std::size_t>(size));
}

}  // namespace

std::string normalize(std::string_view text, NormalizationForm form) {
  std::string result;
  while (!text.empty()) {
    const Utf8Run run = utf8_run(text);
    const std::string_view part = text.substr(0, run.size);
    result += run.is_valid ? normalize_utf8(part, form) : std::string(part);
    text.remove_prefix(run.size);
  }
  return result;
}

}  // namespace tq
