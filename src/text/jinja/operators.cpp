// What operators, dots and brackets do to values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/message.h"
#include "text/jinja/interpreter.h"

namespace tq::jinja {
namespace {

using Integer = std::int64_t;

[[noreturn]] void refuse_undefined(const Value& value) {
  const Text* name = value.undefined_name();
  throw Failure{name == nullptr ? "a value is undefined" : fmt::format("{} is undefined", in_quotes(name->bytes()))};
}

[[noreturn]] void refuse(std::string_view name, const Value& left, const Value& right) {
  if (left.is_undefined()) refuse_undefined(left);
  if (right.is_undefined()) refuse_undefined(right);
  throw Failure{fmt::format("'{}' does not work on {} and {}", name, type_name(left), type_name(right))};
}

void require_not_zero(bool is_zero) {
  if (is_zero) throw Failure{"a division by zero"};
}

Integer floor_division(Integer a, Integer b) {
  require_not_zero(b == 0);
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

Value power(Integer base, Integer exponent) {
  if (exponent < 0) return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  Integer result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) throw Failure{"an integer is too large"};
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) throw Failure{"an integer is too large"};
  }
  return Value(result);
}

Value integer_operation(std::string_view name, Integer a, Integer b) {
  Integer result = 0;
  bool overflow = false;
  if (name == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (name == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (name == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (name == "/") {
    require_not_zero(b == 0);
    return Value(static_cast<double>(a) / static_cast<double>(b));
  } else if (name == "**") {
    return power(a, b);
  } else {
    overflow = a == std::numeric_limits<Integer>::min() && b == -1;
    if (!overflow) result = name == "//" ? floor_division(a, b) : a - floor_division(a, b) * b;
  }
  if (overflow) throw Failure{"an integer is too large"};
  return Value(result);
}

Value float_operation(std::string_view name, double a, double b) {
  if (name == "+") return Value(a + b);
  if (name == "-") return Value(a - b);
  if (name == "*") return Value(a * b);
  if (name == "**") return Value(std::pow(a, b));
  require_not_zero(b == 0);
  if (name == "/") return Value(a / b);
  if (name == "//") return Value(std::floor(a / b));
  return Value(a - std::floor(a / b) * b);
}

/// A string or a list, `count` times over.
Value repeated(Interpreter& interpreter, const Value& value, Integer count) {
  count = std::max<Integer>(count, 0);
  const std::size_t size = value.is(Kind::kText) ? value.text().size() : value.list().items.size() * sizeof(Value);
  if (size == 0) count = 0;
  if (static_cast<std::uint64_t>(count) > interpreter.budget().memory / std::max<std::size_t>(size, 1))
    throw Failure{"it needs too much memory; does a text in it grow without end?"};
  if (value.is(Kind::kText)) {
    Text text;
    for (Integer i = 0; i < count; ++i) text.append(value.text());
    return interpreter.heap().string(std::move(text));
  }
  std::vector<Value> items;
  for (Integer i = 0; i < count; ++i) items.insert(items.end(), value.list().items.begin(), value.list().items.end());
  return Value(interpreter.heap().list(std::move(items), value.list().is_tuple));
}

Value joined(Interpreter& interpreter, const Value& left, const Value& right) {
  if (left.is(Kind::kText)) {
    Text text = left.text();
    text.append(right.text());
    return interpreter.heap().string(std::move(text));
  }
  std::vector<Value> items = left.list().items;
  items.insert(items.end(), right.list().items.begin(), right.list().items.end());
  return Value(interpreter.heap().list(std::move(items), left.list().is_tuple));
}

/// The indices that a slice of `size` things takes, as Python counts them.
std::vector<std::size_t> slice_indices(Integer size, const Value& start, const Value& stop, Integer step) {
  const auto bound = [&](const Value& value, Integer otherwise) {
    if (!value.is_integer()) return otherwise;
    const Integer lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
    const Integer index = value.integer() < 0 ? std::max(value.integer(), -size - 1) + size : value.integer();
    return std::clamp(index, lowest, highest);
  };
  const Integer first = bound(start, step > 0 ? 0 : size - 1), end = bound(stop, step > 0 ? size : -1);
  std::vector<std::size_t> indices;
  for (Integer i = first; step > 0 ? i < end : i > end; i += step) indices.push_back(static_cast<std::size_t>(i));
  return indices;
}

}  // namespace

Value binary(Interpreter& interpreter, std::string_view name, const Value& left, const Value& right) {
  if (left.is_integer() && right.is_integer()) return integer_operation(name, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return float_operation(name, left.number(), right.number());
  const auto is_sequence = [](const Value& value) { return value.is(Kind::kText) || value.is(Kind::kList); };
  if (name == "+" && left.kind() == right.kind() && is_sequence(left)) return joined(interpreter, left, right);
  if (name == "*" && is_sequence(left) && right.is_integer()) return repeated(interpreter, left, right.integer());
  if (name == "*" && is_sequence(right) && left.is_integer()) return repeated(interpreter, right, left.integer());
  if (name == "%" && left.is(Kind::kText)) {
    const bool is_tuple = right.is(Kind::kList) && right.list().is_tuple;
    return format_percent(interpreter, left.text(), is_tuple ? right.list().items : std::vector<Value>{right});
  }
  refuse(name, left, right);
}

Value slice(Interpreter& interpreter, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is_undefined()) refuse_undefined(object);
  if (!object.is(Kind::kText) && !object.is(Kind::kList))
    throw Failure{fmt::format("{} has no slices", type_name(object))};
  for (const Value* part : {&start, &stop, &step}) {
    if (!part->is_integer() && !part->is(Kind::kNone) && !part->is_undefined())
      throw Failure{fmt::format("a slice is cut at integers, not at {}", type_name(*part))};
  }
  constexpr Integer kMost = 1 << 30;  // larger steps would overflow, and go as far
  const Integer by = step.is_integer() ? std::clamp(step.integer(), -kMost, kMost) : 1;
  if (by == 0) throw Failure{"the step of a slice cannot be 0"};
  if (object.is(Kind::kList)) {
    std::vector<Value> items;
    const std::vector<Value>& all = object.list().items;
    for (const std::size_t i : slice_indices(static_cast<Integer>(all.size()), start, stop, by))
      items.push_back(all[i]);
    return Value(interpreter.heap().list(std::move(items), object.list().is_tuple));
  }
  const Text& text = object.text();
  interpreter.budget().allocate(16 * text.size());
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; at < text.size(); at += character_size(text.bytes(), at)) begins.push_back(at);
  Text part;
  for (const std::size_t i : slice_indices(static_cast<Integer>(begins.size()), start, stop, by))
    part.append(text, begins[i], begins[i] + character_size(text.bytes(), begins[i]));
  return interpreter.heap().string(std::move(part));
}

Value Interpreter::character(const Text& text, std::size_t at) {
  return heap_.string(text.part(at, at + character_size(text.bytes(), at)));
}

std::vector<Value> Interpreter::iterate(const Value& value) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined:
      return items;
    case Kind::kList:
      items = value.list().items;
      break;
    case Kind::kDict:
      for (const Dict::Entry& entry : value.dict().entries) items.emplace_back(entry.key);
      break;
    case Kind::kText: {
      const Text& text = value.text();
      for (std::size_t at = 0; at < text.size(); at += character_size(text.bytes(), at))
        items.push_back(character(text, at));
      break;
    }
    default:
      throw Failure{fmt::format("{} is not a list", type_name(value))};
  }
  budget_.allocate(items.size() * sizeof(Value));
  return items;
}

Value Interpreter::attribute(const Value& object, const Text& name) {
  if (object.is_undefined()) {
    const Text* known = object.undefined_name();
    throw Failure{fmt::format("{} is undefined, so it has no {}",
                              known == nullptr ? "the value" : in_quotes(known->bytes()), in_quotes(name.bytes()))};
  }
  if (object.is(Kind::kLoop)) {
    const Loop& loop = object.loop();
    const std::size_t size = loop.items->size();
    const std::string_view part = name.bytes();
    const auto number = [](std::size_t value) { return Value(static_cast<Integer>(value)); };
    if (part == "index") return number(loop.index + 1);
    if (part == "index0") return number(loop.index);
    if (part == "revindex") return number(size - loop.index);
    if (part == "revindex0") return number(size - loop.index - 1);
    if (part == "first") return Value(loop.index == 0);
    if (part == "last") return Value(loop.index + 1 == size);
    if (part == "length") return number(size);
    if (part == "depth") return number(loop.depth);
    if (part == "depth0") return number(loop.depth - 1);
    if (part == "previtem") return loop.index == 0 ? Value::undefined(&name) : (*loop.items)[loop.index - 1];
    if (part == "nextitem") return loop.index + 1 >= size ? Value::undefined(&name) : (*loop.items)[loop.index + 1];
  }
  if (const Native method = find_method(object, name.bytes()))
    return Value(heap_.callable({.name = name.bytes(), .native = method, .self = object}));
  if (object.is(Kind::kDict) || object.is(Kind::kNamespace)) {
    budget_.spend(object.dict().entries.size() / 8 + 1);
    if (const Value* found = object.dict().find(name.bytes())) return *found;
  }
  return Value::undefined(&name);
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is_undefined()) refuse_undefined(object);
  if (key.is(Kind::kText)) {
    if (object.is(Kind::kDict)) {
      budget_.spend(object.dict().entries.size() / 8 + 1);
      if (const Value* found = object.dict().find(key.text().bytes())) return *found;
    }
    return attribute(object, key.text());
  }
  if (!key.is_integer()) return Value();
  const auto place = [&](std::size_t size) {
    const Integer index = key.integer() < 0 ? key.integer() + static_cast<Integer>(size) : key.integer();
    return index < 0 || static_cast<std::uint64_t>(index) >= size ? size : static_cast<std::size_t>(index);
  };
  if (object.is(Kind::kList)) {
    const std::vector<Value>& items = object.list().items;
    const std::size_t at = place(items.size());
    return at == items.size() ? Value() : items[at];
  }
  if (object.is(Kind::kText)) {
    const Text& text = object.text();
    budget_.spend_bytes(2 * text.size());
    const std::size_t count = count_characters(text.bytes());
    std::size_t left = place(count), at = 0;
    if (left == count) return Value();
    for (; left > 0; --left) at += character_size(text.bytes(), at);
    return character(text, at);
  }
  return Value();
}

bool Interpreter::contains(const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kText:
      if (!item.is(Kind::kText)) refuse("in", item, container);
      return find_bytes(container.text().bytes(), item.text().bytes(), 0, budget_) != std::string_view::npos;
    case Kind::kDict:
      budget_.spend(container.dict().entries.size() / 8 + 1);
      return item.is(Kind::kText) && container.dict().find(item.text().bytes()) != nullptr;
    case Kind::kList:
      return std::ranges::any_of(container.list().items,
                                 [&](const Value& value) { return is_equal(value, item, budget_); });
    default:
      refuse("in", item, container);
  }
}

}  // namespace tq::jinja
