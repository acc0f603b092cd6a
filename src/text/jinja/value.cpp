#include "text/jinja/value.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>

namespace tq::jinja {

void Text::append(std::string_view bytes, bool from_user) {
  if (from_user && marks_.empty()) marks_.assign(bytes_.size(), '\0');
  bytes_ += bytes;
  if (from_user || !marks_.empty()) marks_.resize(bytes_.size(), from_user ? '\1' : '\0');
}

void Text::append(const Text& text, std::size_t begin, std::size_t end) {
  const std::string_view bytes = text.bytes().substr(begin, end - begin);
  if (text.marks_.empty()) return append(bytes);
  if (marks_.empty()) marks_.assign(bytes_.size(), '\0');
  marks_.append(text.marks_, begin, end - begin);
  bytes_ += bytes;
}

Text Text::part(std::size_t begin, std::size_t end) const {
  Text part;
  part.append(*this, begin, end);
  return part;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = std::ranges::find_if(entries, [&](const Entry& entry) { return entry.key->bytes() == key; });
  return found == entries.end() ? nullptr : &found->value;
}

std::vector<Value> Arguments::bind(std::string_view callee, std::initializer_list<std::string_view> names) const {
  if (positional.size() > names.size())
    throw Failure{fmt::format("{} takes at most {} arguments, not {}", callee, names.size(), positional.size())};
  std::vector<Value> bound = positional;
  bound.resize(names.size());
  for (const auto& [name, value] : named) {
    const auto place = std::ranges::find(names, name);
    if (place == names.end()) throw Failure{fmt::format("{} has no argument '{}'", callee, name)};
    bound[static_cast<std::size_t>(place - names.begin())] = value;
  }
  return bound;
}

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    for (const auto& [known, value] : scope->variables) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(std::string_view name, const Value& value) {
  for (auto& [known, old] : variables) {
    if (known == name) {
      old = value;
      return;
    }
  }
  variables.emplace_back(name, value);
}

void Budget::spend(std::uint64_t count) {
  if (count > steps) throw Failure{"it runs for too long; does it loop without end?"};
  steps -= count;
}

void Budget::allocate(std::uint64_t bytes) {
  if (bytes > memory) throw Failure{"it needs too much memory; does a text in it grow without end?"};
  memory -= bytes;
  spend(bytes / 32 + 1);
}

const Text* Heap::text(Text text) {
  budget_.allocate(sizeof(Text) + text.allocated());
  return &texts_.emplace_back(std::move(text));
}

List* Heap::list(std::vector<Value> items, bool is_tuple) {
  budget_.allocate(sizeof(List) + items.size() * sizeof(Value));
  return &lists_.emplace_back(List{std::move(items), is_tuple});
}

Dict* Heap::dict() {
  budget_.allocate(sizeof(Dict));
  return &dicts_.emplace_back();
}

Loop* Heap::loop() {
  budget_.allocate(sizeof(Loop));
  return &loops_.emplace_back();
}

Scope* Heap::scope(Scope* parent) {
  budget_.allocate(sizeof(Scope) + 4 * sizeof(Value));
  return &scopes_.emplace_back(Scope{parent, {}});
}

const Callable* Heap::callable(Callable callable) {
  budget_.allocate(sizeof(Callable));
  return &callables_.emplace_back(callable);
}

void Heap::append(List& list, const Value& value) {
  budget_.allocate(2 * sizeof(Value));  // a vector that grows is up to twice as large as what it holds
  list.items.push_back(value);
}

void Heap::set(Dict& dict, const Text* key, const Value& value) {
  budget_.spend(dict.entries.size() / 8 + 1);
  for (Dict::Entry& entry : dict.entries) {
    if (entry.key->bytes() == key->bytes()) {
      entry.value = value;
      return;
    }
  }
  budget_.allocate(2 * sizeof(Dict::Entry));
  dict.entries.push_back({key, value});
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "an undefined value";
    case Kind::kNone:
      return "none";
    case Kind::kBool:
      return "a boolean";
    case Kind::kInt:
      return "an integer";
    case Kind::kFloat:
      return "a float";
    case Kind::kText:
      return "a string";
    case Kind::kList:
      return value.list().is_tuple ? "a tuple" : "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kNamespace:
      return "a namespace";
    case Kind::kLoop:
      return "the loop";
    case Kind::kCallable:
      return "a function";
  }
  return "";
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kText:
      return !value.text().empty();
    case Kind::kList:
      return !value.list().items.empty();
    case Kind::kDict:
      return !value.dict().entries.empty();
    case Kind::kNamespace:
    case Kind::kLoop:
    case Kind::kCallable:
      return true;
  }
  return false;
}

namespace {

void check_depth(int depth) {
  if (depth > kMaxValueDepth) throw Failure{fmt::format("a value is nested more than {} levels deep", kMaxValueDepth)};
}

bool is_equal_list(const List& a, const List& b, Budget& budget, int depth) {
  if (a.is_tuple != b.is_tuple || a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!is_equal(a.items[i], b.items[i], budget, depth + 1)) return false;
  }
  return true;
}

bool is_equal_dict(const Dict& a, const Dict& b, Budget& budget, int depth) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const Dict::Entry& entry : a.entries) {
    budget.spend(b.entries.size() / 8 + 1);
    const Value* other = b.find(entry.key->bytes());
    if (other == nullptr || !is_equal(entry.value, *other, budget, depth + 1)) return false;
  }
  return true;
}

}  // namespace

bool is_equal(const Value& a, const Value& b, Budget& budget, int depth) {
  check_depth(depth);
  budget.spend(1);
  if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kText:
      budget.spend_bytes(std::min(a.text().size(), b.text().size()));
      return a.text().bytes() == b.text().bytes();
    case Kind::kList:
      return is_equal_list(a.list(), b.list(), budget, depth);
    case Kind::kDict:
      return is_equal_dict(a.dict(), b.dict(), budget, depth);
    case Kind::kNamespace:
      return &a.dict() == &b.dict();
    case Kind::kLoop:
      return &a.loop() == &b.loop();
    case Kind::kCallable:
      return &a.callable() == &b.callable();
    default:
      return true;  // none, undefined
  }
}

int compare(const Value& a, const Value& b, Budget& budget, int depth) {
  check_depth(depth);
  budget.spend(1);
  if (a.is_integer() && b.is_integer()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
  if (a.is_number() && b.is_number()) return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  if (a.is(Kind::kText) && b.is(Kind::kText)) {
    budget.spend_bytes(std::min(a.text().size(), b.text().size()));
    return a.text().bytes().compare(b.text().bytes());  // UTF-8 sorts as its code points do
  }
  if (a.is(Kind::kList) && b.is(Kind::kList) && a.list().is_tuple == b.list().is_tuple) {
    const std::vector<Value>&x = a.list().items, &y = b.list().items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!is_equal(x[i], y[i], budget, depth + 1)) return compare(x[i], y[i], budget, depth + 1);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size() ? 1 : 0;
  }
  throw Failure{fmt::format("{} and {} have no order", type_name(a), type_name(b))};
}

std::size_t find_bytes(std::string_view text, std::string_view part, std::size_t from, Budget& budget) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  const void* found = ::memmem(text.data() + from, text.size() - from, part.data(), part.size());  // linear, always
  const std::size_t at = found == nullptr ? std::string_view::npos
                                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
  budget.spend_bytes(std::min(at, text.size()) - from + part.size());
  return at;
}

}  // namespace tq::jinja
