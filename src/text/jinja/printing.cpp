// Values as Python prints them, and as JSON.
#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/utf8.h"

namespace tq::jinja {
namespace {

void check_depth(int depth) {
  if (depth > kMaxValueDepth) throw Failure{fmt::format("a value is nested more than {} levels deep", kMaxValueDepth)};
}

void put(Text& out, std::string_view bytes, Budget& budget, bool from_user = false) {
  budget.allocate(bytes.size());
  out.append(bytes, from_user);
}

/// Whether Python's repr() shows a character as it is.
bool is_printable(std::string_view character) {
  utf8proc_int32_t code = 0;
  if (utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                       static_cast<utf8proc_ssize_t>(character.size()), &code) <= 0) {
    return false;
  }
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return code == ' ';
    default:
      return true;
  }
}

std::string escaped(std::string_view character) {
  if (character == "\n") return "\\n";
  if (character == "\r") return "\\r";
  if (character == "\t") return "\\t";
  utf8proc_int32_t code = 0;
  const bool is_valid = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                                         static_cast<utf8proc_ssize_t>(character.size()), &code) > 0;
  if (!is_valid) code = static_cast<unsigned char>(character[0]);
  if (code < 0x100) return fmt::format("\\x{:02x}", code);
  return code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
}

void print_quoted(Text& out, const Text& text, Budget& budget) {
  const std::string_view bytes = text.bytes();
  const char quote = bytes.find('\'') != bytes.npos && bytes.find('"') == bytes.npos ? '"' : '\'';
  budget.allocate(2 * bytes.size() + 2);
  out.append(std::string_view(&quote, 1));
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = character_size(bytes, at);
    const std::string_view character = bytes.substr(at, size);
    if (character[0] == quote || character[0] == '\\') {
      out.append("\\", text.from_user(at));
      out.append(text, at, at + size);
    } else if (is_printable(character)) {
      out.append(text, at, at + size);
    } else {
      out.append(escaped(character), text.from_user(at));
    }
    at += size;
  }
  out.append(std::string_view(&quote, 1));
}

void print_items(Text& out, const List& list, Budget& budget, int depth) {
  out.append(list.is_tuple ? "(" : "[");
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) put(out, ", ", budget);
    print(out, list.items[i], budget, true, depth + 1);
  }
  out.append(!list.is_tuple ? "]" : list.items.size() == 1 ? ",)" : ")");
}

void print_entries(Text& out, const Dict& dict, Budget& budget, int depth) {
  out.append("{");
  for (std::size_t i = 0; i < dict.entries.size(); ++i) {
    if (i > 0) put(out, ", ", budget);
    print_quoted(out, *dict.entries[i].key, budget);
    put(out, ": ", budget);
    print(out, dict.entries[i].value, budget, true, depth + 1);
  }
  out.append("}");
}

void print_json_string(Text& out, const Text& text, Budget& budget) {
  const std::string_view bytes = text.bytes();
  budget.allocate(2 * bytes.size() + 2);
  out.append("\"");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view kSpecial = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
    const char c = bytes[i];
    const std::size_t special = kSpecial.find(c);
    if (special != kSpecial.npos) {
      out.append(fmt::format("\\{}", kLetters[special]), text.from_user(i));
    } else if (c >= 0 && c < 0x20) {
      out.append(fmt::format("\\u{:04x}", c), text.from_user(i));
    } else {
      out.append(text, i, i + 1);
    }
  }
  out.append("\"");
}

/// Between brackets: separators and, with an indent, a line for each.
class JsonLines {
 public:
  JsonLines(Text& out, const JsonStyle& style, Budget& budget, int depth)
      : out_(out), style_(style), budget_(budget), depth_(depth) {}

  void begin_item() {
    if (!is_first_) put(out_, style_.item_separator, budget_);
    is_first_ = false;
    break_line(depth_ + 1);
  }
  void finish() {
    if (!is_first_) break_line(depth_);
  }

 private:
  void break_line(int depth) {
    if (style_.indent < 0) return;
    put(out_, "\n" + std::string(static_cast<std::size_t>(style_.indent * depth), ' '), budget_);
  }

  Text& out_;
  const JsonStyle& style_;
  Budget& budget_;
  int depth_;
  bool is_first_ = true;
};

void print_json_dict(Text& out, const Dict& dict, const JsonStyle& style, Budget& budget, int depth) {
  std::vector<Dict::Entry> entries = dict.entries;
  if (style.sorts_keys) {
    std::stable_sort(entries.begin(), entries.end(), [&](const Dict::Entry& a, const Dict::Entry& b) {
      budget.spend(1);
      return a.key->bytes() < b.key->bytes();
    });
  }
  JsonLines lines(out, style, budget, depth);
  out.append("{");
  for (const Dict::Entry& entry : entries) {
    lines.begin_item();
    print_json_string(out, *entry.key, budget);
    put(out, style.key_separator, budget);
    print_json(out, entry.value, style, budget, depth + 1);
  }
  lines.finish();
  out.append("}");
}

}  // namespace

std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == text.npos) text += ".0";
  return text;
}

void print(Text& out, const Value& value, Budget& budget, bool quoted, int depth) {
  check_depth(depth);
  switch (value.kind()) {
    case Kind::kUndefined:
      return put(out, quoted ? "Undefined" : "", budget);
    case Kind::kNone:
      return put(out, "None", budget);
    case Kind::kBool:
      return put(out, value.integer() != 0 ? "True" : "False", budget);
    case Kind::kInt:
      return put(out, fmt::format("{}", value.integer()), budget);
    case Kind::kFloat:
      return put(out, float_text(value.number()), budget);
    case Kind::kText:
      if (quoted) return print_quoted(out, value.text(), budget);
      budget.allocate(value.text().size());
      return out.append(value.text());
    case Kind::kList:
      return print_items(out, value.list(), budget, depth);
    case Kind::kDict:
    case Kind::kNamespace:
      return print_entries(out, value.dict(), budget, depth);
    case Kind::kLoop:
      return put(out, "<loop>", budget);
    case Kind::kCallable:
      return put(out, "<function>", budget);
  }
}

void print_json(Text& out, const Value& value, const JsonStyle& style, Budget& budget, int depth) {
  check_depth(depth);
  switch (value.kind()) {
    case Kind::kNone:
      return put(out, "null", budget);
    case Kind::kBool:
      return put(out, value.integer() != 0 ? "true" : "false", budget);
    case Kind::kInt:
      return put(out, fmt::format("{}", value.integer()), budget);
    case Kind::kFloat:
      if (std::isnan(value.number())) return put(out, "NaN", budget);
      if (std::isinf(value.number())) return put(out, value.number() < 0 ? "-Infinity" : "Infinity", budget);
      return put(out, float_text(value.number()), budget);
    case Kind::kText:
      return print_json_string(out, value.text(), budget);
    case Kind::kDict:
      return print_json_dict(out, value.dict(), style, budget, depth);
    case Kind::kList: {
      JsonLines lines(out, style, budget, depth);
      out.append("[");
      for (const Value& item : value.list().items) {
        lines.begin_item();
        print_json(out, item, style, budget, depth + 1);
      }
      lines.finish();
      return out.append("]");
    }
    default:
      throw Failure{fmt::format("{} cannot be written as JSON", type_name(value))};
  }
}

}  // namespace tq::jinja
