// Runs a template.
#pragma once

#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/syntax.h"
#include "text/jinja/value.h"

namespace tq::jinja {

/// What a run may cost, at least and for each byte of the conversation. Real templates touch each byte ten times or so.
struct Limits {
  std::uint64_t steps = 2'000'000;  ///< of the interpreter, each some ten nanoseconds
  std::uint64_t memory = std::uint64_t{24} << 20;
  std::uint64_t output = std::uint64_t{2} << 20;

  static Limits for_input(std::size_t bytes) {
    Limits limits;
    limits.steps += 4 * std::uint64_t{bytes};
    limits.memory += 64 * std::uint64_t{bytes};
    limits.output += 8 * std::uint64_t{bytes};
    return limits;
  }
};

/// Evaluation of one template over one set of variables. Throws Failure.
class Interpreter {
 public:
  Interpreter(const Limits& limits, std::time_t now);

  /// Before run(): what the template finds by name.
  void set(std::string_view name, const Value& value) { globals_->set(name, value); }
  Text run(const Template& parsed);

  Heap& heap() { return heap_; }
  Budget& budget() { return budget_; }
  std::time_t now() const { return now_; }

  Value filter(std::string_view name, const Value& value, const Arguments& arguments);
  bool test(std::string_view name, const Value& value, const Arguments& arguments);
  Value call(const Value& callee, const Arguments& arguments);
  /// A list of what `for` would go through. Fails for what it cannot.
  std::vector<Value> iterate(const Value& value);

  Value attribute(const Value& object, const Text& name);
  Value item(const Value& object, const Value& key);
  bool contains(const Value& container, const Value& item);
  /// What {{ value }} writes; the value itself when it is a string.
  const Text* string(const Value& value);
  /// One character of `text`, which begins at `at`.
  Value character(const Text& text, std::size_t at);

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };
  class Depth;

  Value evaluate(const Expression& expression, Scope& scope);
  Value evaluate_operation(const Expression& expression, Scope& scope);
  Value evaluate_call(const Expression& expression, Scope& scope);
  Value evaluate_compare(const Expression& expression, Scope& scope);
  Value evaluate_collection(const Expression& expression, Scope& scope);
  Value evaluate_slice(const Expression& expression, Scope& scope);
  Value evaluate_concat(const Expression& expression, Scope& scope);
  Value lookup(const Expression& name, const Scope& scope);
  Arguments arguments_of(const Expression& expression, Scope& scope);

  Flow run_body(const Body& body, Scope& scope, Text& out);
  Flow run_statement(const Statement& statement, Scope& scope, Text& out);
  Flow run_if(const Statement& statement, Scope& scope, Text& out);
  Flow run_for(const Statement& statement, Scope& scope, Text& out);
  void run_set(const Statement& statement, Scope& scope);
  void run_set_block(const Statement& statement, Scope& scope);
  void run_call_block(const Statement& statement, Scope& scope, Text& out);
  void run_filter_block(const Statement& statement, Scope& scope, Text& out);
  Flow run_with(const Statement& statement, Scope& scope, Text& out);
  Value apply(const std::vector<Expression>& filters, Value value, Scope& scope);
  Value call_macro(const Callable& callable, const Arguments& arguments);
  void assign(const std::vector<std::string>& targets, const Value& value, Scope& scope);
  void write(const Value& value, Text& out);
  void append(Text& out, const Text& text);

  Budget budget_;
  Heap heap_;
  Scope* globals_;
  std::uint64_t output_limit_;
  std::size_t loop_depth_ = 0;
  std::time_t now_;
  int depth_ = 0;
};

/// `+ - * / // % **` of numbers, strings and lists.
Value binary(Interpreter& interpreter, std::string_view name, const Value& left, const Value& right);
/// Python's s[start:stop:step]; each part may be undefined.
Value slice(Interpreter& interpreter, const Value& object, const Value& start, const Value& stop, const Value& step);
/// `text % arguments` with %s, %d, %i, %f and their like.
Value format_percent(Interpreter& interpreter, const Text& format, const std::vector<Value>& values);

/// The method of a string, list, dict or loop; null when there is none of that name.
Native find_method(const Value& object, std::string_view name);
/// range, dict, namespace, raise_exception, strftime_now; undefined for others.
Value find_global(Interpreter& interpreter, std::string_view name);

/// Appends what Python's str() gives, or repr() for what is inside of lists and dicts.
void print(Text& out, const Value& value, Budget& budget, bool quoted = false, int depth = 0);
/// How json.dumps writes a value: no ASCII escapes, in the given order.
struct JsonStyle {
  int indent = -1;  ///< blanks a level; negative: all on one line
  std::string item_separator = ", ", key_separator = ": ";
  bool sorts_keys = false;
};
void print_json(Text& out, const Value& value, const JsonStyle& style, Budget& budget, int depth = 0);
/// As Python writes a float.
std::string float_text(double number);

/// White space as Python's strip() knows it, from both ends or one.
Text strip(const Text& text, bool left, bool right);
Text strip(const Text& text, std::string_view characters, bool left, bool right);
/// The beginning and end of each line, without what ends it.
std::vector<std::pair<std::size_t, std::size_t>> lines_of(std::string_view text);
bool is_white(std::string_view character);
/// Characters of UTF-8; bytes that are none count one each.
std::size_t count_characters(std::string_view text);
/// The bytes of the character at `at`, at least one.
std::size_t character_size(std::string_view text, std::size_t at);
Text in_upper_case(const Text& text);
Text in_lower_case(const Text& text);
/// Words begin after what is no letter, or, for the filter `title`, after white space, `-` and opening brackets.
Text in_title_case(const Text& text, bool as_filter);
Text capitalized(const Text& text);
bool is_upper_case(std::string_view text);
bool is_lower_case(std::string_view text);
/// Every `from` becomes `to`, at most `count` times where that is not negative.
Text replaced(Interpreter& interpreter, const Text& text, const Text& from, const Text& to, std::int64_t count);

}  // namespace tq::jinja
