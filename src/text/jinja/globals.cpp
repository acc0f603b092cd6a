// THE list of global functions. None of them reaches outside: the time is the one that the caller gave.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "text/jinja/interpreter.h"

namespace tq::jinja {
namespace {

Value range(Interpreter& run, const Value&, const Arguments& arguments) {
  const std::vector<Value> given = arguments.bind("range", {"start", "stop", "step"});
  std::vector<std::int64_t> parts;
  for (const Value& value : arguments.positional) {
    if (!value.is_integer()) throw Failure{fmt::format("range needs integers, not {}", type_name(value))};
    parts.push_back(value.integer());
  }
  if (parts.empty() || !arguments.named.empty()) throw Failure{"range needs one to three integers"};
  std::int64_t start = parts.size() > 1 ? parts[0] : 0;
  const std::int64_t stop = parts.size() > 1 ? parts[1] : parts[0], step = parts.size() > 2 ? parts[2] : 1;
  if (step == 0) throw Failure{"the step of range cannot be 0"};
  constexpr std::size_t kMost = 100'000;
  std::vector<Value> items;
  while (step > 0 ? start < stop : start > stop) {
    if (items.size() == kMost) throw Failure{fmt::format("range has more than {} items", kMost)};
    items.emplace_back(start);
    if (__builtin_add_overflow(start, step, &start)) break;
  }
  return Value(run.heap().list(std::move(items)));
}

/// From another one, and from names.
Dict* make_dict(Interpreter& run, const Arguments& arguments) {
  Dict* made = run.heap().dict();
  for (const Value& other : arguments.positional) {
    if (!other.is(Kind::kDict))
      throw Failure{fmt::format("a dict is made from another one, not from {}", type_name(other))};
    for (const Dict::Entry& entry : other.dict().entries) run.heap().set(*made, entry.key, entry.value);
  }
  for (const auto& [name, value] : arguments.named) run.heap().set(*made, run.heap().text(Text(name)), value);
  return made;
}

Value dict(Interpreter& run, const Value&, const Arguments& arguments) { return Value(make_dict(run, arguments)); }

Value name_space(Interpreter& run, const Value&, const Arguments& arguments) {
  return Value(make_dict(run, arguments), Kind::kNamespace);
}

Value raise_exception(Interpreter& run, const Value&, const Arguments& arguments) {
  const Value message = arguments.bind("raise_exception", {"message"})[0];
  throw Failure{fmt::format("it refuses the conversation: {}", run.string(message)->bytes())};
}

/// One conversion at a time, so that no format can grow beyond the buffer.
Value strftime_now(Interpreter& run, const Value&, const Arguments& arguments) {
  const Text& format = *run.string(arguments.bind("strftime_now", {"format"})[0]);
  const std::time_t now = run.now();
  std::tm parts = {};
  localtime_r(&now, &parts);
  const std::string_view bytes = format.bytes();
  Text out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    constexpr std::string_view kKnown = "aAbBcdDeFHIjmMnpRSTtuUVwWxXyYzZ%";
    if (bytes[i] != '%') {
      out.append(format, i, i + 1);
      continue;
    }
    ++i;
    if (i == bytes.size() || kKnown.find(bytes[i]) == kKnown.npos)
      throw Failure{"strftime_now has a format that is not known"};
    const char conversion[] = {'%', bytes[i], '\0'};
    std::array<char, 128> buffer = {};
    out.append(std::string_view(buffer.data(), std::strftime(buffer.data(), buffer.size(), conversion, &parts)));
  }
  return run.heap().string(std::move(out));
}

constexpr std::array kGlobals = {
    Callable{.name = "dict", .native = dict},
    Callable{.name = "namespace", .native = name_space},
    Callable{.name = "raise_exception", .native = raise_exception},
    Callable{.name = "range", .native = range},
    Callable{.name = "strftime_now", .native = strftime_now},
};

}  // namespace

Value find_global(Interpreter&, std::string_view name) {
  const auto found = std::ranges::find(kGlobals, name, &Callable::name);
  return found == kGlobals.end() ? Value() : Value(&*found);
}

}  // namespace tq::jinja
