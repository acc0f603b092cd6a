#include "text/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "formats/message.h"

namespace tq::jinja {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool goes_on_name(char c) { return begins_name(c) || is_digit(c); }

std::string with_plain_newlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
    } else if (i + 1 == source.size() || source[i + 1] != '\n') {
      text += '\n';
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void append_utf8(std::string& text, std::uint32_t c) {
  const auto byte = [&](std::uint32_t value) { text += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_plain_newlines(source)), text_(source_) {}

  std::vector<Lexeme> run() {
    while (at_ < text_.size()) read_data();
    add(TokenType::kEnd);
    return std::move(lexemes_);
  }

 private:
  [[noreturn]] void refuse(std::string message) const { throw Failure{std::move(message), line_}; }

  Lexeme& add(TokenType type, std::string_view text = {}) {
    return lexemes_.emplace_back(Lexeme{.type = type, .text = std::string(text), .line = line_});
  }

  /// Moves on, counting lines.
  void skip_to(std::size_t end) {
    line_ += static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                 text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }

  bool has(std::size_t at, std::string_view word) const {
    return text_.substr(std::min(at, text_.size())).starts_with(word);
  }

  /// The next `{{`, `{%` or `{#` at or after `from`.
  std::size_t find_tag(std::size_t from) const {
    for (std::size_t at = text_.find('{', from); at != kNowhere; at = text_.find('{', at + 1)) {
      if (has(at, "{{") || has(at, "{%") || has(at, "{#")) return at;
    }
    return kNowhere;
  }

  void add_data(std::size_t begin, std::size_t end) {
    if (end > begin) add(TokenType::kData, text_.substr(begin, end - begin));
  }

  /// Where the text before a tag at `tag` ends: `-` takes all white space before it, and a tag that is no print and
  /// stands first on its line takes the blanks before it unless a `+` says no.
  std::size_t end_of_data(std::size_t begin, std::size_t tag) const {
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    std::size_t end = tag;
    if (sign == '-') {
      while (end > begin && is_space(text_[end - 1])) --end;
      return end;
    }
    if (sign == '+' || text_[tag + 1] == '{') return tag;
    while (end > begin && is_space(text_[end - 1]) && text_[end - 1] != '\n') --end;
    const bool first_on_line = end == begin ? line_begins_ : text_[end - 1] == '\n';
    return first_on_line ? end : tag;
  }

  void read_data() {
    const std::size_t tag = find_tag(at_);
    if (tag == kNowhere) {
      add_data(at_, text_.size());
      at_ = text_.size();
      return;
    }
    add_data(at_, end_of_data(at_, tag));
    skip_to(tag);
    const char kind = text_[tag + 1];
    at_ += 2;
    if (kind == '#') return skip_comment();
    if (has(at_, "-") || has(at_, "+")) ++at_;
    if (kind == '%' && skip_raw()) return;
    add(kind == '{' ? TokenType::kPrintBegin : TokenType::kBlockBegin);
    read_inside(kind == '{' ? "}}" : "%}");
  }

  /// What follows the end of a tag: `-` takes all white space, and the first newline goes after all but prints.
  void finish_tag(char sign, bool is_print) {
    std::size_t end = at_;
    if (sign == '-') {
      while (end < text_.size() && is_space(text_[end])) ++end;
    } else if (!is_print && sign != '+' && has(end, "\n")) {
      ++end;
    }
    line_begins_ = end > 0 && text_[end - 1] == '\n';
    skip_to(end);
  }

  void skip_comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == kNowhere) refuse("the comment that begins with {# has no end");
    const char sign = end > at_ ? text_[end - 1] : '\0';
    skip_to(end + 2);
    finish_tag(sign, false);
  }

  /// `{% raw %} … {% endraw %}`; behind `{%`.
  bool skip_raw() {
    const std::optional<std::size_t> open = end_of_simple_tag(at_, "raw");
    if (!open) return false;
    const char open_sign = text_[*open - 3];
    skip_to(*open);
    finish_tag(open_sign, false);
    for (std::size_t tag = text_.find("{%", at_); tag != kNowhere; tag = text_.find("{%", tag + 2)) {
      const std::size_t inside = tag + 2 + (has(tag + 2, "-") || has(tag + 2, "+") ? 1 : 0);
      const std::optional<std::size_t> close = end_of_simple_tag(inside, "endraw");
      if (!close) continue;
      add_data(at_, end_of_data(at_, tag));
      const char close_sign = text_[*close - 3];
      skip_to(*close);
      finish_tag(close_sign, false);
      return true;
    }
    refuse("{% raw %} has no {% endraw %}");
  }

  /// The position behind `%}` when nothing but `word` stands before it.
  std::optional<std::size_t> end_of_simple_tag(std::size_t at, std::string_view word) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    if (!has(at, word)) return std::nullopt;
    at += word.size();
    while (at < text_.size() && is_space(text_[at])) ++at;
    if (has(at, "-") || has(at, "+")) ++at;
    return has(at, "%}") ? std::optional(at + 2) : std::nullopt;
  }

  void read_inside(std::string_view end) {
    std::string brackets;  // an end inside brackets is none: {{ {'a': {}} }}
    while (true) {
      while (at_ < text_.size() && is_space(text_[at_])) skip_to(at_ + 1);
      if (at_ >= text_.size()) refuse(fmt::format("a tag has no end ({})", end));
      const bool is_print = end == "}}";
      const bool with_sign = has(at_, "-") || (!is_print && has(at_, "+"));
      if (brackets.empty() && has(at_ + (with_sign ? 1 : 0), end)) {
        const char sign = with_sign ? text_[at_] : '\0';
        add(is_print ? TokenType::kPrintEnd : TokenType::kBlockEnd);
        at_ += (with_sign ? 1 : 0) + 2;
        return finish_tag(sign, is_print);
      }
      read_token(brackets);
    }
  }

  void read_token(std::string& brackets) {
    const char c = text_[at_];
    if (begins_name(c)) {
      std::size_t end = at_;
      while (end < text_.size() && goes_on_name(text_[end])) ++end;
      add(TokenType::kName, text_.substr(at_, end - at_));
      at_ = end;
    } else if (is_digit(c)) {
      read_number();
    } else if (c == '"' || c == '\'') {
      read_string(c);
    } else {
      read_operator(brackets);
    }
  }

  void read_number() {
    std::string digits;
    bool is_float = false;
    std::size_t end = at_;
    for (; end < text_.size(); ++end) {
      const char c = text_[end], next = end + 1 < text_.size() ? text_[end + 1] : '\0';
      const bool digit_follows = is_digit(next);
      const bool sign_follows = (next == '+' || next == '-') && end + 2 < text_.size() && is_digit(text_[end + 2]);
      if (c == '_' && digit_follows) continue;
      if (c == '.' && !is_float && digit_follows) {
        is_float = true;
      } else if ((c == 'e' || c == 'E') && (digit_follows || sign_follows)) {
        is_float = true;
        digits += c;
        if (sign_follows) digits += text_[++end];
        continue;
      } else if (!is_digit(c)) {
        break;
      }
      digits += c;
    }
    Lexeme& lexeme = add(is_float ? TokenType::kFloat : TokenType::kInteger, text_.substr(at_, end - at_));
    const char *first = digits.data(), *last = first + digits.size();
    const auto [stop, error] =
        is_float ? std::from_chars(first, last, lexeme.number) : std::from_chars(first, last, lexeme.integer);
    if (error != std::errc() || stop != last)
      refuse(fmt::format("the number {} is out of range", in_quotes(lexeme.text)));
    at_ = end;
  }

  void read_string(char quote) {
    std::string value;
    std::size_t i = at_ + 1;
    for (; i < text_.size() && text_[i] != quote; ++i) {
      if (text_[i] == '\\' && i + 1 < text_.size()) {
        i = read_escape(i + 1, value);
      } else {
        value += text_[i];
      }
    }
    if (i >= text_.size()) refuse("a string has no end");
    add(TokenType::kString, value);
    skip_to(i + 1);
  }

  /// The escape whose letter stands at `at`; returns its last byte.
  std::size_t read_escape(std::size_t at, std::string& value) const {
    constexpr std::string_view kLetters = "nrtbfav0\\'\"", kMeanings("\n\r\t\b\f\a\v\0\\'\"", 11);
    const char c = text_[at];
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
      std::uint32_t code = 0;
      const std::string_view hex = text_.substr(at + 1, digits);
      const auto [stop, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      const bool is_surrogate = code >= 0xD800 && code < 0xE000;
      if (error != std::errc() || stop != hex.data() + digits || code > 0x10FFFF || is_surrogate)
        refuse(fmt::format("the escape \\{}{} is not a character", c, in_quotes(hex)));
      append_utf8(value, code);
      return at + digits;
    }
    const std::size_t letter = kLetters.find(c);
    if (letter != kNowhere) {
      value += kMeanings[letter];
    } else if (c != '\n') {
      value += '\\';
      value += c;
    }
    return at;
  }

  void read_operator(std::string& brackets) {
    static constexpr std::array<std::string_view, 26> kOperators = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                                                    "/",  "%",  "~",  "<",  ">",  "=",  ".", ",", ":",
                                                                    "|",  "(",  ")",  "[",  "]",  "{",  "}", ";"};
    const auto found = std::ranges::find_if(kOperators, [&](std::string_view text) { return has(at_, text); });
    if (found == kOperators.end())
      refuse(fmt::format("the character {} has no meaning here", in_quotes(text_.substr(at_, 1))));
    const char c = found->front();
    if (c == '(' || c == '[' || c == '{') brackets += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (brackets.empty() || brackets.back() != c) refuse(fmt::format("a '{}' closes nothing", c));
      brackets.pop_back();
    }
    add(TokenType::kOperator, *found);
    at_ += found->size();
  }

  std::string source_;
  std::string_view text_;
  std::size_t at_ = 0, line_ = 1;
  bool line_begins_ = true;  ///< at_ stands at the beginning of a line, counting what tags have taken away
  std::vector<Lexeme> lexemes_;
};

}  // namespace

std::vector<Lexeme> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace tq::jinja
