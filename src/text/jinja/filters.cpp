// THE list of filters.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "formats/message.h"
#include "text/jinja/interpreter.h"

namespace tq::jinja {
namespace {

using Values = std::vector<Value>;

bool truth_or(const Value& value, bool otherwise) { return value.is_undefined() ? otherwise : is_true(value); }

std::int64_t integer_or(const Value& value, std::int64_t otherwise, std::string_view what) {
  if (value.is_undefined()) return otherwise;
  if (!value.is_integer()) throw Failure{fmt::format("{} must be an integer, not {}", what, type_name(value))};
  return value.integer();
}

/// The item of an attribute's path, as in `function.name` or `0`.
Value by_path(Interpreter& run, Value value, const Value& path) {
  if (!path.is(Kind::kText)) return path.is_undefined() || path.is(Kind::kNone) ? value : run.item(value, path);
  std::string_view left = path.text().bytes();
  while (true) {
    const std::size_t dot = std::min(left.find('.'), left.size());
    const std::string_view part = left.substr(0, dot);
    std::int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = !part.empty() && error == std::errc() && end == part.data() + part.size();
    value = run.item(value, is_index ? Value(index) : run.heap().string(part));
    if (dot == left.size()) return value;
    left.remove_prefix(dot + 1);
  }
}

/// What values are sorted and compared by: an attribute, in lower case unless case counts.
Value sort_key(Interpreter& run, const Value& value, const Value& attribute, bool case_sensitive) {
  const Value key = by_path(run, value, attribute);
  return key.is(Kind::kText) && !case_sensitive ? run.heap().string(in_lower_case(key.text())) : key;
}

Value list_of(Interpreter& run, Values items) { return Value(run.heap().list(std::move(items))); }

Value sorted_by(Interpreter& run, Values items, const Values& keys, bool reverse) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return (reverse ? compare(keys[b], keys[a], run.budget()) : compare(keys[a], keys[b], run.budget())) < 0;
  });
  Values sorted;
  for (const std::size_t i : order) sorted.push_back(items[i]);
  return list_of(run, std::move(sorted));
}

Value sort(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("sort", {"reverse", "case_sensitive", "attribute"});
  Values items = run.iterate(self), keys;
  for (const Value& item : items) keys.push_back(sort_key(run, item, given[2], truth_or(given[1], false)));
  return sorted_by(run, std::move(items), keys, truth_or(given[0], false));
}

Values pairs_of(Interpreter& run, const Value& self, std::string_view filter) {
  if (self.is_undefined()) return {};
  if (!self.is(Kind::kDict)) throw Failure{fmt::format("{} needs a dict, not {}", filter, type_name(self))};
  Values pairs;
  for (const Dict::Entry& entry : self.dict().entries)
    pairs.emplace_back(run.heap().list({Value(entry.key), entry.value}, true));
  return pairs;
}

Value items(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("items", {});
  return list_of(run, pairs_of(run, self, "items"));
}

Value dictsort(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("dictsort", {"case_sensitive", "by", "reverse"});
  const bool by_value = given[1].is(Kind::kText) && given[1].text().bytes() == "value";
  Values pairs = pairs_of(run, self, "dictsort"), keys;
  for (const Value& pair : pairs)
    keys.push_back(sort_key(run, pair, Value(std::int64_t{by_value ? 1 : 0}), truth_or(given[0], false)));
  return sorted_by(run, std::move(pairs), keys, truth_or(given[2], false));
}

Value extreme(Interpreter& run, const Value& self, const Arguments& arguments, int sign) {
  const Values given = arguments.bind("min and max", {"case_sensitive", "attribute"});
  Value best, best_key;
  for (const Value& item : run.iterate(self)) {
    const Value key = sort_key(run, item, given[1], truth_or(given[0], false));
    if (!best_key.is_undefined() && sign * compare(key, best_key, run.budget()) <= 0) continue;
    best = item;
    best_key = key;
  }
  return best;
}

Value unique(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("unique", {"case_sensitive", "attribute"});
  Values kept, keys;
  for (const Value& item : run.iterate(self)) {
    const Value key = sort_key(run, item, given[1], truth_or(given[0], false));
    if (std::ranges::any_of(keys, [&](const Value& known) { return is_equal(known, key, run.budget()); })) continue;
    kept.push_back(item);
    keys.push_back(key);
  }
  return list_of(run, std::move(kept));
}

/// map and select pass over what is false, such as tools that are none.
Values iterate_or_nothing(Interpreter& run, const Value& value) {
  return is_true(value) ? run.iterate(value) : Values{};
}

/// select, reject, selectattr, rejectattr.
Value chosen(Interpreter& run, const Value& self, const Arguments& arguments, bool by_attribute, bool wanted) {
  Arguments rest = arguments;
  Value attribute;
  if (by_attribute) {
    if (rest.positional.empty()) throw Failure{"selectattr and rejectattr need the name of an attribute"};
    attribute = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
  }
  std::string_view test = "true";  // without a test, what is true
  const bool has_test = !rest.positional.empty();
  if (has_test) {
    if (!rest.positional[0].is(Kind::kText)) throw Failure{"the name of a test must be a string"};
    test = rest.positional[0].text().bytes();
    rest.positional.erase(rest.positional.begin());
  }
  Values kept;
  for (const Value& item : iterate_or_nothing(run, self)) {
    const Value value = by_attribute ? by_path(run, item, attribute) : item;
    if ((has_test ? run.test(test, value, rest) : is_true(value)) == wanted) kept.push_back(item);
  }
  return list_of(run, std::move(kept));
}

Value map(Interpreter& run, const Value& self, const Arguments& arguments) {
  Values mapped;
  if (!arguments.named.empty() && arguments.positional.empty()) {
    const Values given = arguments.bind("map", {"attribute", "default"});
    for (const Value& item : iterate_or_nothing(run, self)) {
      const Value value = by_path(run, item, given[0]);
      mapped.push_back(value.is_undefined() ? given[1] : value);
    }
    return list_of(run, std::move(mapped));
  }
  if (arguments.positional.empty() || !arguments.positional[0].is(Kind::kText))
    throw Failure{"map needs attribute=NAME or the name of a filter"};
  Arguments rest = arguments;
  const std::string_view name = rest.positional[0].text().bytes();
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : iterate_or_nothing(run, self)) mapped.push_back(run.filter(name, item, rest));
  return list_of(run, std::move(mapped));
}

Value join(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("join", {"d", "attribute"});
  const Text* separator = given[0].is_undefined() ? nullptr : run.string(given[0]);
  Text joined;
  bool is_first = true;
  for (const Value& item : run.iterate(self)) {
    if (!is_first && separator != nullptr) print(joined, Value(separator), run.budget());
    is_first = false;
    print(joined, by_path(run, item, given[1]), run.budget());
  }
  return run.heap().string(std::move(joined));
}

Value sum(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("sum", {"attribute", "start"});
  Value total = given[1].is_undefined() ? Value(std::int64_t{0}) : given[1];
  for (const Value& item : run.iterate(self)) total = binary(run, "+", total, by_path(run, item, given[0]));
  return total;
}

Value length(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("length", {});
  std::size_t count = 0;
  if (self.is(Kind::kText)) {
    run.budget().spend_bytes(self.text().size());
    count = count_characters(self.text().bytes());
  } else if (self.is(Kind::kList)) {
    count = self.list().items.size();
  } else if (self.is(Kind::kDict)) {
    count = self.dict().entries.size();
  } else if (!self.is_undefined()) {
    throw Failure{fmt::format("{} has no length", type_name(self))};
  }
  return Value(static_cast<std::int64_t>(count));
}

Value first(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("first", {});
  if (self.is(Kind::kText) && !self.text().empty()) return run.character(self.text(), 0);
  const Values all = run.iterate(self);
  return all.empty() ? Value() : all.front();
}

Value last(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("last", {});
  const Values all = run.iterate(self);
  return all.empty() ? Value() : all.back();
}

Value reverse(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("reverse", {});
  if (self.is(Kind::kText)) return slice(run, self, Value(), Value(), Value(std::int64_t{-1}));
  Values all = run.iterate(self);
  std::reverse(all.begin(), all.end());
  return list_of(run, std::move(all));
}

Value batch(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("batch", {"linecount", "fill_with"});
  const std::int64_t count = integer_or(given[0], 0, "the size of a batch");
  if (count < 1 || count > (1 << 20)) throw Failure{"the size of a batch must be from 1 to 1048576"};
  Values batches, batch;
  for (const Value& item : run.iterate(self)) {
    batch.push_back(item);
    if (batch.size() == static_cast<std::size_t>(count)) batches.push_back(list_of(run, std::exchange(batch, {})));
  }
  if (!batch.empty()) {
    if (truth_or(given[1], false)) batch.resize(static_cast<std::size_t>(count), given[1]);
    batches.push_back(list_of(run, std::move(batch)));
  }
  return list_of(run, std::move(batches));
}

Value otherwise(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("default", {"default_value", "boolean"});
  if (!self.is_undefined() && (!truth_or(given[1], false) || is_true(self))) return self;
  return given[0].is_undefined() ? run.heap().string(std::string_view()) : given[0];
}

Value tojson(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.sorts_keys = truth_or(given[3], false);
  // The first argument of Jinja's own filter is the indent.
  const bool by_place = arguments.positional.size() == 1 && arguments.positional[0].is(Kind::kInt);
  const Value& indent = by_place ? given[0] : given[1];
  if (indent.is_integer()) style.indent = static_cast<int>(std::clamp<std::int64_t>(indent.integer(), 0, 64));
  if (style.indent >= 0) style.item_separator = ",";
  if (given[2].is(Kind::kList) && given[2].list().items.size() == 2) {
    style.item_separator = run.string(given[2].list().items[0])->bytes();
    style.key_separator = run.string(given[2].list().items[1])->bytes();
  }
  Text text;
  print_json(text, self, style, run.budget());
  return run.heap().string(std::move(text));
}

template <Text (*kChange)(const Text&)>
Value changed(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("the filter", {});
  return run.heap().string(kChange(*run.string(self)));
}

Text title_text(const Text& text) { return in_title_case(text, true); }
Text same_text(const Text& text) { return text; }

Text html_text(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    constexpr std::array<std::string_view, 5> kNames = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const std::size_t special = std::string_view("&<>'\"").find(text.bytes()[i]);
    if (special == std::string_view::npos) {
      out.append(text, i, i + 1);
    } else {
      out.append(kNames[special], text.from_user(i));
    }
  }
  return out;
}

Value trim(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("trim", {"chars"});
  const Text& text = *run.string(self);
  if (given[0].is_undefined() || given[0].is(Kind::kNone)) return run.heap().string(strip(text, true, true));
  const Text& characters = *run.string(given[0]);
  run.budget().spend_bytes(text.size() * characters.size());
  return run.heap().string(strip(text, characters.bytes(), true, true));
}

Value replace(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("replace", {"old", "new", "count"});
  if (given[0].is_undefined() || given[1].is_undefined()) throw Failure{"replace needs two strings"};
  const std::int64_t count = given[2].is(Kind::kNone) ? -1 : integer_or(given[2], -1, "the count of replace");
  return run.heap().string(replaced(run, *run.string(self), *run.string(given[0]), *run.string(given[1]), count));
}

Value indent(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("indent", {"width", "first", "blank"});
  Text blanks;
  if (given[0].is(Kind::kText)) {
    blanks = given[0].text();
  } else {
    blanks.append(std::string(
        static_cast<std::size_t>(std::clamp<std::int64_t>(integer_or(given[0], 4, "the width of indent"), 0, 1000)),
        ' '));
  }
  if (!self.is(Kind::kText) && !self.is_undefined())
    throw Failure{fmt::format("indent needs a string, not {}", type_name(self))};
  Text text = *run.string(self);
  text.append("\n");
  Text out;
  bool is_first = true;
  for (const auto& [begin, end] : lines_of(text.bytes())) {
    run.budget().allocate(blanks.size() + end - begin + 1);
    if (!is_first) out.append("\n");
    const bool wanted = is_first ? truth_or(given[1], false) : begin < end || truth_or(given[2], false);
    if (wanted) out.append(blanks);
    is_first = false;
    out.append(text, begin, end);
  }
  return run.heap().string(std::move(out));
}

Value center(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("center", {"width"});
  const Text& text = *run.string(self);
  const std::int64_t width = std::min<std::int64_t>(integer_or(given[0], 80, "the width of center"), 100'000);
  const std::int64_t blanks =
      std::max<std::int64_t>(width - static_cast<std::int64_t>(count_characters(text.bytes())), 0);
  const std::int64_t left = blanks / 2 + (blanks & width & 1);
  Text out(std::string(static_cast<std::size_t>(left), ' '));
  out.append(text);
  out.append(std::string(static_cast<std::size_t>(blanks - left), ' '));
  return run.heap().string(std::move(out));
}

Value wordcount(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("wordcount", {});
  const std::string_view text = run.string(self)->bytes();
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size(); at += character_size(text, at)) {
    const bool white = is_white(text.substr(at, character_size(text, at)));
    if (!white && !inside) ++words;
    inside = !white;
  }
  return Value(words);
}

Value format(Interpreter& run, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) throw Failure{"format with names is not built"};
  return format_percent(run, *run.string(self), arguments.positional);
}

/// A float that an integer can hold, without its fraction.
bool truncated(double number, std::int64_t& integer) {
  if (!(number > -9.2e18 && number < 9.2e18)) return false;
  integer = static_cast<std::int64_t>(number);
  return true;
}

bool parse_float(const Text& text, double& number) {
  const Text plain = strip(text, true, true);
  const std::string_view digits = plain.bytes().substr(plain.bytes().starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size();
}

Value to_integer(Interpreter&, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("int", {"default", "base"});
  const Value fallback = given[0].is_undefined() ? Value(std::int64_t{0}) : given[0];
  if (self.is_integer()) return Value(self.integer());
  std::int64_t integer = 0;
  if (self.is(Kind::kFloat)) return truncated(self.number(), integer) ? Value(integer) : fallback;
  if (!self.is(Kind::kText)) return fallback;
  const Text plain = strip(self.text(), true, true);
  const std::string_view digits = plain.bytes().substr(plain.bytes().starts_with('+') ? 1 : 0);
  const std::int64_t base = integer_or(given[1], 10, "the base of int");
  if (base < 2 || base > 36) throw Failure{"the base of int must be from 2 to 36"};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), integer, static_cast<int>(base));
  if (error == std::errc() && end == digits.data() + digits.size()) return Value(integer);
  double number = 0;
  return parse_float(self.text(), number) && truncated(number, integer) ? Value(integer) : fallback;
}

Value to_float(Interpreter&, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("float", {"default"});
  if (self.is_number()) return Value(self.number());
  double number = 0;
  if (self.is(Kind::kText) && parse_float(self.text(), number)) return Value(number);
  return given[0].is_undefined() ? Value(0.0) : given[0];
}

Value absolute(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("abs", {});
  if (!self.is_number()) throw Failure{fmt::format("abs needs a number, not {}", type_name(self))};
  if (self.is(Kind::kFloat)) return Value(std::fabs(self.number()));
  return self.integer() < 0 ? binary(run, "-", Value(std::int64_t{0}), self) : Value(self.integer());
}

Value round_number(Interpreter&, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("round", {"precision", "method"});
  if (!self.is_number()) throw Failure{fmt::format("round needs a number, not {}", type_name(self))};
  const auto digits =
      static_cast<int>(std::clamp<std::int64_t>(integer_or(given[0], 0, "the precision of round"), 0, 15));
  const std::string_view method = given[1].is(Kind::kText) ? given[1].text().bytes() : "common";
  if (method == "common") {
    if (self.is_integer()) return Value(self.integer());
    if (!std::isfinite(self.number())) return self;
    return Value(std::stod(fmt::format("{:.{}f}", self.number(), digits)));
  }
  if (method != "ceil" && method != "floor") throw Failure{"the method of round is common, ceil or floor"};
  const double scale = std::pow(10.0, digits), scaled = self.number() * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value to_list(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("list", {});
  return list_of(run, run.iterate(self));
}

Value to_string(Interpreter& run, const Value& self, const Arguments& arguments) {
  arguments.bind("string", {});
  return Value(run.string(self));
}

Value attr(Interpreter& run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("attr", {"name"});
  return run.attribute(self, *run.string(given[0]));
}

struct Row {
  std::string_view name;
  Native apply;
};

constexpr std::array kFilters = {
    Row{"abs", absolute},
    Row{"attr", attr},
    Row{"batch", batch},
    Row{"capitalize", changed<capitalized>},
    Row{"center", center},
    Row{"count", length},
    Row{"d", otherwise},
    Row{"default", otherwise},
    Row{"dictsort", dictsort},
    Row{"e", changed<html_text>},
    Row{"escape", changed<html_text>},
    Row{"first", first},
    Row{"float", to_float},
    Row{"format", format},
    Row{"indent", indent},
    Row{"int", to_integer},
    Row{"items", items},
    Row{"join", join},
    Row{"last", last},
    Row{"length", length},
    Row{"list", to_list},
    Row{"lower", changed<in_lower_case>},
    Row{"map", map},
    Row{"max",
        [](Interpreter& run, const Value& self, const Arguments& given) { return extreme(run, self, given, 1); }},
    Row{"min",
        [](Interpreter& run, const Value& self, const Arguments& given) { return extreme(run, self, given, -1); }},
    Row{"reject", [](Interpreter& run, const Value& self,
                     const Arguments& given) { return chosen(run, self, given, false, false); }},
    Row{"rejectattr", [](Interpreter& run, const Value& self,
                         const Arguments& given) { return chosen(run, self, given, true, false); }},
    Row{"replace", replace},
    Row{"reverse", reverse},
    Row{"round", round_number},
    Row{"safe", changed<same_text>},
    Row{"select", [](Interpreter& run, const Value& self,
                     const Arguments& given) { return chosen(run, self, given, false, true); }},
    Row{"selectattr", [](Interpreter& run, const Value& self,
                         const Arguments& given) { return chosen(run, self, given, true, true); }},
    Row{"sort", sort},
    Row{"string", to_string},
    Row{"sum", sum},
    Row{"title", changed<title_text>},
    Row{"tojson", tojson},
    Row{"trim", trim},
    Row{"unique", unique},
    Row{"upper", changed<in_upper_case>},
    Row{"wordcount", wordcount},
};

}  // namespace

Value Interpreter::filter(std::string_view name, const Value& value, const Arguments& arguments) {
  budget_.spend(1);
  const auto row = std::ranges::find(kFilters, name, &Row::name);
  if (row == kFilters.end()) throw Failure{fmt::format("there is no filter {}", in_quotes(name))};
  return row->apply(*this, value, arguments);
}

}  // namespace tq::jinja
