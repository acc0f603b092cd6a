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

std::string normalize_nfc(std::string_view utf8) {
  if (is_ascii(utf8) || !has_sane_marks(utf8)) return std::string(utf8);
  utf8proc_uint8_t* raw = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const utf8proc_ssize_t size = utf8proc_map(bytes_of(utf8), static_cast<utf8proc_ssize_t>(utf8.size()), &raw, options);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> normalized(raw, &std::free);
  if (size < 0) return std::string(utf8);  // out of memory
  return std::string(reinterpret_cast<const char*>(normalized.get()), static_cast<std::size_t>(size));
}

}  // namespace tq
