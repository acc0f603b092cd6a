// The values of a template: strings that remember who wrote each byte, numbers, lists and dicts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tq::jinja {

/// Thrown within src/text/jinja alone; parse() and render() turn it into an Error.
struct Failure {
  std::string message;
  std::size_t line = 0;  ///< 0: not known where it was thrown
};

/// Bytes, each of which was written by the template or came with the conversation. Every operation keeps that apart.
class Text {
 public:
  Text() = default;
  explicit Text(std::string_view bytes, bool from_user = false)
      : bytes_(bytes), marks_(from_user ? bytes.size() : 0, '\1') {}

  std::string_view bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool from_user(std::size_t i) const { return !marks_.empty() && marks_[i] != '\0'; }
  bool has_user_bytes() const { return marks_.find('\1') != std::string::npos; }
  std::size_t allocated() const { return bytes_.capacity() + marks_.capacity(); }

  void append(std::string_view bytes, bool from_user = false);
  void append(const Text& text) { append(text, 0, text.size()); }
  void append(const Text& text, std::size_t begin, std::size_t end);
  Text part(std::size_t begin, std::size_t end) const;

 private:
  std::string bytes_, marks_;  // marks_ is as long as bytes_, or empty: all of it is the template's
};

class Interpreter;
struct Arguments;
struct Callable;
struct Dict;
struct List;
struct Loop;

enum class Kind : std::uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kText,
  kList,
  kDict,
  kNamespace,
  kLoop,
  kCallable
};

/// Small and copied freely; what it points to belongs to a Heap or to the template.
class Value {
 public:
  constexpr Value() : integer_(0) {}
  static Value none() { return Value(Kind::kNone); }
  /// An undefined value that can say its name.
  static Value undefined(const Text* name) {
    Value value;
    value.text_ = name;
    return value;
  }
  explicit Value(bool boolean) : kind_(Kind::kBool), integer_(boolean ? 1 : 0) {}
  explicit Value(std::int64_t integer) : kind_(Kind::kInt), integer_(integer) {}
  explicit Value(double number) : kind_(Kind::kFloat), number_(number) {}
  explicit Value(const Text* text) : kind_(Kind::kText), text_(text) {}
  explicit Value(List* list) : kind_(Kind::kList), list_(list) {}
  explicit Value(Dict* dict, Kind kind = Kind::kDict) : kind_(kind), dict_(dict) {}
  explicit Value(Loop* loop) : kind_(Kind::kLoop), loop_(loop) {}
  explicit Value(const Callable* callable) : kind_(Kind::kCallable), callable_(callable) {}

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  /// Python counts bool among the integers.
  bool is_integer() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integer() || kind_ == Kind::kFloat; }

  std::int64_t integer() const { return integer_; }
  double number() const { return kind_ == Kind::kFloat ? number_ : static_cast<double>(integer_); }
  const Text& text() const { return *text_; }
  const Text* undefined_name() const { return text_; }
  List& list() const { return *list_; }
  Dict& dict() const { return *dict_; }
  Loop& loop() const { return *loop_; }
  const Callable& callable() const { return *callable_; }

 private:
  explicit Value(Kind kind) : kind_(kind), integer_(0) {}

  Kind kind_ = Kind::kUndefined;
  union {
    std::int64_t integer_;
    double number_;
    const Text* text_;
    List* list_;
    Dict* dict_;
    Loop* loop_;
    const Callable* callable_;
  };
};

struct List {
  std::vector<Value> items;
  bool is_tuple = false;
};

/// In the order of insertion. Keys are strings.
struct Dict {
  struct Entry {
    const Text* key;
    Value value;
  };
  std::vector<Entry> entries;

  const Value* find(std::string_view key) const;
};

/// What `loop` is inside a for statement.
struct Loop {
  std::size_t index = 0;  ///< from 0
  std::size_t depth = 1;
  const std::vector<Value>* items = nullptr;
  Value changed_from = {};  ///< the last argument of loop.changed()
  bool has_changed = false;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;

  /// One value for each of `names`, undefined where none was given. Fails when there are more, or others.
  std::vector<Value> bind(std::string_view callee, std::initializer_list<std::string_view> names) const;
};

using Native = Value (*)(Interpreter& interpreter, const Value& self, const Arguments& arguments);

struct MacroStatement;
struct Scope;

/// A method bound to its object, a global function, or a macro with the scope that it was defined in.
struct Callable {
  std::string_view name;
  Native native = nullptr;
  Value self = {};
  const MacroStatement* macro = nullptr;
  Scope* scope = nullptr;
};

struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables;

  const Value* find(std::string_view name) const;  ///< here or further out
  void set(std::string_view name, const Value& value);
};

/// What a run may cost. Reached limits are failures.
struct Budget {
  std::uint64_t steps = 0, memory = 0;

  void spend(std::uint64_t count);
  /// Work that touches `bytes` bytes.
  void spend_bytes(std::size_t bytes) { spend(bytes / 32 + 1); }
  void allocate(std::uint64_t bytes);
};

/// Owns everything that a run makes until its end: cycles do no harm, and destroying a deep value does not recurse.
class Heap {
 public:
  explicit Heap(Budget& budget) : budget_(budget) {}

  const Text* text(Text text);
  Value string(std::string_view bytes) { return Value(text(Text(bytes))); }
  Value string(Text bytes) { return Value(text(std::move(bytes))); }
  List* list(std::vector<Value> items = {}, bool is_tuple = false);
  Dict* dict();
  Loop* loop();
  Scope* scope(Scope* parent);
  const Callable* callable(Callable callable);

  void append(List& list, const Value& value);
  void set(Dict& dict, const Text* key, const Value& value);

 private:
  Budget& budget_;
  std::deque<Text> texts_;
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Loop> loops_;
  std::deque<Scope> scopes_;
  std::deque<Callable> callables_;
};

/// "str", "list", … for messages.
std::string_view type_name(const Value& value);
bool is_true(const Value& value);
/// Python's ==. Fails on values that are nested too deep.
bool is_equal(const Value& a, const Value& b, Budget& budget, int depth = 0);
/// Negative, 0 or positive; fails for values that have no order.
int compare(const Value& a, const Value& b, Budget& budget, int depth = 0);
/// Where `part` begins in `text` at or after `from`, in linear time; npos when nowhere.
std::size_t find_bytes(std::string_view text, std::string_view part, std::size_t from, Budget& budget);

/// Deepest nesting of values that is printed, compared or read.
constexpr int kMaxValueDepth = 100;

}  // namespace tq::jinja
