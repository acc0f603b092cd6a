// THE list of tests: what may stand behind `is`.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "formats/message.h"
#include "text/jinja/interpreter.h"

namespace tq::jinja {
namespace {

using Test = bool (*)(Interpreter& run, const Value& value, const Value& other);

template <Kind kKind>
bool is_kind(Interpreter&, const Value& value, const Value&) {
  return value.is(kKind);
}

bool is_iterable(const Value& value) {
  return value.is(Kind::kText) || value.is(Kind::kList) || value.is(Kind::kDict) || value.is_undefined();
}

std::int64_t integer_of(const Value& value) {
  if (!value.is_integer()) throw Failure{fmt::format("this test needs an integer, not {}", type_name(value))};
  return value.integer();
}

bool divides(const Value& value, const Value& by) {
  if (integer_of(by) == 0) throw Failure{"a division by zero"};
  return integer_of(by) == -1 || integer_of(value) % integer_of(by) == 0;
}

struct Row {
  std::string_view name;
  bool needs_other;
  Test holds;
};

bool equal(Interpreter& run, const Value& value, const Value& other) { return is_equal(value, other, run.budget()); }
bool unequal(Interpreter& run, const Value& value, const Value& other) { return !equal(run, value, other); }
bool greater(Interpreter& run, const Value& value, const Value& other) {
  return compare(value, other, run.budget()) > 0;
}
bool at_least(Interpreter& run, const Value& value, const Value& other) {
  return compare(value, other, run.budget()) >= 0;
}
bool less(Interpreter& run, const Value& value, const Value& other) { return compare(value, other, run.budget()) < 0; }
bool at_most(Interpreter& run, const Value& value, const Value& other) {
  return compare(value, other, run.budget()) <= 0;
}

constexpr std::array kTests = {
    Row{"!=", true, unequal},
    Row{"<", true, less},
    Row{"<=", true, at_most},
    Row{"==", true, equal},
    Row{">", true, greater},
    Row{">=", true, at_least},
    Row{"boolean", false, is_kind<Kind::kBool>},
    Row{"callable", false, is_kind<Kind::kCallable>},
    Row{"defined", false, [](Interpreter&, const Value& value, const Value&) { return !value.is_undefined(); }},
    Row{"divisibleby", true, [](Interpreter&, const Value& value, const Value& by) { return divides(value, by); }},
    Row{"eq", true, equal},
    Row{"equalto", true, equal},
    Row{"even", false, [](Interpreter&, const Value& value, const Value&) { return integer_of(value) % 2 == 0; }},
    Row{"false", false,
        [](Interpreter&, const Value& value, const Value&) { return value.is(Kind::kBool) && value.integer() == 0; }},
    Row{"float", false, is_kind<Kind::kFloat>},
    Row{"ge", true, at_least},
    Row{"greaterthan", true, greater},
    Row{"gt", true, greater},
    Row{"in", true,
        [](Interpreter& run, const Value& value, const Value& other) { return run.contains(other, value); }},
    Row{"integer", false, is_kind<Kind::kInt>},
    Row{"iterable", false, [](Interpreter&, const Value& value, const Value&) { return is_iterable(value); }},
    Row{"le", true, at_most},
    Row{"lessthan", true, less},
    Row{"lower", false,
        [](Interpreter& run, const Value& value, const Value&) { return is_lower_case(run.string(value)->bytes()); }},
    Row{"lt", true, less},
    Row{"mapping", false, is_kind<Kind::kDict>},
    Row{"ne", true, unequal},
    Row{"none", false, is_kind<Kind::kNone>},
    Row{"number", false, [](Interpreter&, const Value& value, const Value&) { return value.is_number(); }},
    Row{"odd", false, [](Interpreter&, const Value& value, const Value&) { return integer_of(value) % 2 != 0; }},
    Row{"sameas", true,
        [](Interpreter& run, const Value& value, const Value& other) {
          return value.kind() == other.kind() && is_equal(value, other, run.budget());
        }},
    Row{"sequence", false, [](Interpreter&, const Value& value, const Value&) { return is_iterable(value); }},
    Row{"string", false, is_kind<Kind::kText>},
    Row{"true", false,
        [](Interpreter&, const Value& value, const Value&) { return value.is(Kind::kBool) && value.integer() != 0; }},
    Row{"undefined", false, is_kind<Kind::kUndefined>},
    Row{"upper", false,
        [](Interpreter& run, const Value& value, const Value&) { return is_upper_case(run.string(value)->bytes()); }},
};

}  // namespace

bool Interpreter::test(std::string_view name, const Value& value, const Arguments& arguments) {
  budget_.spend(1);
  const auto row = std::ranges::find(kTests, name, &Row::name);
  if (row == kTests.end()) throw Failure{fmt::format("there is no test {}", in_quotes(name))};
  const std::size_t wanted = row->needs_other ? 1 : 0;
  if (arguments.positional.size() != wanted || !arguments.named.empty())
    throw Failure{fmt::format("the test '{}' takes {}", name, wanted == 1 ? "one argument" : "no argument")};
  return row->holds(*this, value, wanted == 1 ? arguments.positional[0] : Value());
}

}  // namespace tq::jinja
