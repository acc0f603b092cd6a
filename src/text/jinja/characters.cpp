// Strings as sequences of characters, with the marks of who wrote them.
#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>

#include "text/jinja/interpreter.h"
#include "text/utf8.h"

namespace tq::jinja {
namespace {

/// Negative for a byte that is no character.
utf8proc_int32_t code_point(std::string_view character) {
  utf8proc_int32_t code = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(character.data());
  return utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(character.size()), &code) > 0 ? code : -1;
}

bool is_white(utf8proc_int32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// The last character that ends at `end`, which is not 0.
std::string_view last_character(std::string_view text, std::size_t end) {
  for (std::size_t size = 2; size <= std::min<std::size_t>(4, end); ++size) {
    if (character_size(text, end - size) == size && utf8_character(text.substr(end - size)) == size)
      return text.substr(end - size, size);
  }
  return text.substr(end - 1, 1);
}

/// Each character through `map`, which is told the one before it, or -1.
Text mapped(const Text& text, const std::function<utf8proc_int32_t(utf8proc_int32_t, utf8proc_int32_t)>& map) {
  Text out;
  utf8proc_int32_t before = -1;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text.bytes(), at);
    const utf8proc_int32_t code = code_point(text.bytes().substr(at, size));
    const utf8proc_int32_t changed = code < 0 ? code : map(code, before);
    if (changed == code) {
      out.append(text, at, at + size);
    } else {
      utf8proc_uint8_t bytes[4];
      const auto length = static_cast<std::size_t>(utf8proc_encode_char(changed, bytes));
      out.append({reinterpret_cast<const char*>(bytes), length}, text.from_user(at));
    }
    before = code;
    at += size;
  }
  return out;
}

bool is_letter(utf8proc_int32_t code) {
  if (code < 0) return false;
  const utf8proc_category_t category = utf8proc_category(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool has_case(std::string_view text, bool wants_upper) {
  bool found = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text, at);
    const utf8proc_int32_t code = code_point(text.substr(at, size));
    if (code >= 0 && utf8proc_toupper(code) != utf8proc_tolower(code)) {
      if ((utf8proc_toupper(code) == code) != wants_upper) return false;
      found = true;
    }
    at += size;
  }
  return found;
}

bool has_long_number(std::string_view specification) {
  std::size_t digits = 0;
  for (const char c : specification) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > 2) return true;
  }
  return false;
}

/// What C's formats make of a number; `flags` have at most two digits each of width and precision, so that it fits.
template <class Number>
std::string formatted(const std::string& flags, std::string_view conversion, Number number) {
  std::array<char, 512> buffer = {};
  const std::string format = "%" + flags + std::string(conversion);
  const int size = std::snprintf(buffer.data(), buffer.size(), format.c_str(), number);
  return {buffer.data(), static_cast<std::size_t>(std::clamp(size, 0, 511))};
}

std::string formatted_integer(const std::string& flags, char letter, const Value& value) {
  const double number = value.number();
  if (!value.is_integer() && !(number > -9e18 && number < 9e18)) throw Failure{"an integer is too large"};
  const long long integer = value.is_integer() ? value.integer() : static_cast<long long>(number);
  const bool is_decimal = letter == 'd' || letter == 'i' || letter == 'u';
  if (!is_decimal && integer < 0) throw Failure{fmt::format("%{} of a negative number is not built", letter)};
  return formatted(flags, std::string("ll") + (is_decimal ? 'd' : letter), integer);
}

/// `%5s` and `%-5s`.
void append_padded(Text& out, const std::string& flags, const Value& value, Budget& budget) {
  Text text;
  print(text, value, budget);
  const bool is_left = flags.starts_with('-');
  const std::string digits = flags.substr(is_left ? 1 : 0);
  if (digits.find_first_not_of("0123456789") != digits.npos) throw Failure{"a format with %s takes a width alone"};
  const std::size_t width = digits.empty() ? 0 : std::stoul(digits), have = count_characters(text.bytes());
  const std::string blanks(width > have ? width - have : 0, ' ');
  if (!is_left) out.append(blanks);
  out.append(text);
  if (is_left) out.append(blanks);
}

/// One conversion of a format, without `%`: flags, width and precision of two digits at most, and a letter.
void append_formatted(Text& out, std::string_view specification, const Value& value, Budget& budget) {
  const char letter = specification.back();
  const std::string flags(specification.substr(0, specification.size() - 1));
  if (letter == 's') return append_padded(out, flags, value, budget);
  if (letter == 'r' && flags.empty()) return print(out, value, budget, true);
  if (letter == 'r' || !value.is_number())
    throw Failure{fmt::format("%{} needs a number, not {}", letter, type_name(value))};
  const bool is_integer = std::string_view("diuxXo").find(letter) != std::string_view::npos;
  out.append(is_integer ? formatted_integer(flags, letter, value) : formatted(flags, {&letter, 1}, value.number()));
}

}  // namespace

std::size_t character_size(std::string_view text, std::size_t at) {
  if (static_cast<unsigned char>(text[at]) < 0x80) return 1;
  return std::max<std::size_t>(utf8_character(text.substr(at, 4)), 1);
}

std::size_t count_characters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += character_size(text, at)) ++count;
  return count;
}

bool is_white(std::string_view character) { return is_white(code_point(character)); }

namespace {

Text stripped(const Text& text, bool left, bool right, const std::function<bool(std::string_view)>& goes) {
  const std::string_view bytes = text.bytes();
  std::size_t begin = 0, end = bytes.size();
  while (left && begin < end) {
    const std::size_t size = character_size(bytes, begin);
    if (!goes(bytes.substr(begin, size))) break;
    begin += size;
  }
  while (right && end > begin) {
    const std::string_view character = last_character(bytes, end);
    if (character.size() > end - begin || !goes(character)) break;
    end -= character.size();
  }
  return text.part(begin, end);
}

}  // namespace

Text strip(const Text& text, bool left, bool right) {
  return stripped(text, left, right, [](std::string_view character) { return is_white(character); });
}

Text strip(const Text& text, std::string_view characters, bool left, bool right) {
  return stripped(text, left, right,
                  [&](std::string_view character) { return characters.find(character) != characters.npos; });
}

std::vector<std::pair<std::size_t, std::size_t>> lines_of(std::string_view text) {
  std::vector<std::pair<std::size_t, std::size_t>> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = character_size(text, at);
    const utf8proc_int32_t c = code_point(text.substr(at, size));
    const bool ends = (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    const std::size_t end = at;
    at += size;
    if (!ends) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(begin, end);
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(begin, text.size());
  return lines;
}

Text in_upper_case(const Text& text) {
  return mapped(text, [](auto code, auto) { return utf8proc_toupper(code); });
}

Text in_lower_case(const Text& text) {
  return mapped(text, [](auto code, auto) { return utf8proc_tolower(code); });
}

Text in_title_case(const Text& text, bool as_filter) {
  return mapped(text, [&](auto code, auto before) {
    const bool opens = before == '-' || before == '(' || before == '[' || before == '{' || before == '<';
    const bool begins = as_filter ? before < 0 || opens || is_white(before) : !is_letter(before);
    return begins ? utf8proc_toupper(code) : utf8proc_tolower(code);
  });
}

Text capitalized(const Text& text) {
  return mapped(text,
                [](auto code, auto before) { return before < 0 ? utf8proc_toupper(code) : utf8proc_tolower(code); });
}

bool is_upper_case(std::string_view text) { return has_case(text, true); }
bool is_lower_case(std::string_view text) { return has_case(text, false); }

Text replaced(Interpreter& interpreter, const Text& text, const Text& from, const Text& to, std::int64_t count) {
  Budget& budget = interpreter.budget();
  Text out;
  std::size_t done = 0;
  const std::string_view bytes = text.bytes();
  for (std::size_t at = 0; count != 0; --count) {
    const std::size_t found = find_bytes(bytes, from.bytes(), at, budget);
    if (found == bytes.npos) break;
    budget.allocate(found - done + to.size());
    out.append(text, done, found);
    out.append(to);
    done = found + from.size();
    at = done;
    if (from.empty()) {  // between all characters
      if (done >= bytes.size()) break;
      at += character_size(bytes, done);
      out.append(text, done, at);
      done = at;
    }
  }
  out.append(text, done, bytes.size());
  return out;
}

Value format_percent(Interpreter& interpreter, const Text& format, const std::vector<Value>& values) {
  const std::string_view bytes = format.bytes();
  Text out;
  std::size_t used = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t percent = std::min(bytes.find('%', at), bytes.size());
    out.append(format, at, percent);
    if (percent == bytes.size()) break;
    std::size_t end = percent + 1;
    while (end < bytes.size() && end < percent + 7 &&
           std::string_view("-+ #0123456789.").find(bytes[end]) != bytes.npos)
      ++end;
    const std::string_view specification = bytes.substr(percent + 1, end - percent);
    if (specification == "%") {
      out.append(format, percent, percent + 1);
    } else {
      const bool is_known =
          !specification.empty() && std::string_view("sdiuxXofFeEgGr").find(specification.back()) != bytes.npos;
      if (!is_known || end - percent > 6) throw Failure{"a format with % is not understood; %s, %d and %f are built"};
      if (has_long_number(specification)) throw Failure{"a number in a format has more than two digits"};
      if (used == values.size()) throw Failure{"a format with % needs more values"};
      append_formatted(out, specification, values[used++], interpreter.budget());
    }
    at = end + 1;
  }
  if (used != values.size()) throw Failure{"a format with % has more values than it uses"};
  return interpreter.heap().string(std::move(out));
}

}  // namespace tq::jinja
