// THE lists of methods: of strings, lists, dicts and the loop.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "text/jinja/interpreter.h"

namespace tq::jinja {
namespace {

using Values = std::vector<Value>;
using Run = Interpreter&;

const Text& text_of(const Value& value, std::string_view method) {
  if (!value.is(Kind::kText)) throw Failure{fmt::format("{} needs a string, not {}", method, type_name(value))};
  return value.text();
}

std::int64_t integer_or(const Value& value, std::int64_t otherwise, std::string_view method) {
  if (value.is_undefined() || value.is(Kind::kNone)) return otherwise;
  if (!value.is_integer()) throw Failure{fmt::format("{} needs an integer, not {}", method, type_name(value))};
  return value.integer();
}

bool is_absent(const Value& value) { return value.is_undefined() || value.is(Kind::kNone); }

// ---- strings

template <Text (*kChange)(const Text&)>
Value changed(Run run, const Value& self, const Arguments& arguments) {
  arguments.bind("the method", {});
  return run.heap().string(kChange(self.text()));
}

Text title_text(const Text& text) { return in_title_case(text, false); }

template <bool kLeft, bool kRight>
Value strip_method(Run run, const Value& self, const Arguments& arguments) {
  const Value characters = arguments.bind("strip", {"chars"})[0];
  if (is_absent(characters)) return run.heap().string(strip(self.text(), kLeft, kRight));
  const Text& set = text_of(characters, "strip");
  run.budget().spend_bytes(self.text().size() * set.size());
  return run.heap().string(strip(self.text(), set.bytes(), kLeft, kRight));
}

Value list_of(Run run, Values items) { return Value(run.heap().list(std::move(items))); }

/// At white space, of which leading and trailing gives nothing.
Values split_at_white(Run run, const Text& text, std::int64_t most) {
  Values parts;
  const std::string_view bytes = text.bytes();
  const auto white_at = [&](std::size_t at) { return is_white(bytes.substr(at, character_size(bytes, at))); };
  for (std::size_t at = 0;;) {
    while (at < bytes.size() && white_at(at)) at += character_size(bytes, at);
    if (at == bytes.size()) return parts;
    if (most >= 0 && parts.size() == static_cast<std::size_t>(most)) {
      parts.push_back(run.heap().string(text.part(at, bytes.size())));
      return parts;
    }
    const std::size_t begin = at;
    while (at < bytes.size() && !white_at(at)) at += character_size(bytes, at);
    parts.push_back(run.heap().string(text.part(begin, at)));
  }
}

/// Where a separator stands, from the left.
std::vector<std::size_t> find_all(Run run, std::string_view text, std::string_view part) {
  std::vector<std::size_t> found;
  for (std::size_t at = 0; (at = find_bytes(text, part, at, run.budget())) != text.npos; at += part.size()) {
    run.budget().allocate(sizeof(std::size_t));
    found.push_back(at);
  }
  return found;
}

Value split_by(Run run, const Value& self, const Arguments& arguments, bool from_right) {
  const Values given = arguments.bind("split", {"sep", "maxsplit"});
  const std::int64_t most = integer_or(given[1], -1, "split");
  if (is_absent(given[0])) {
    if (from_right && most >= 0) throw Failure{"rsplit with maxsplit needs a separator"};
    return list_of(run, split_at_white(run, self.text(), most));
  }
  const Text& separator = text_of(given[0], "split");
  if (separator.empty()) throw Failure{"the separator of split is empty"};
  std::vector<std::size_t> places = find_all(run, self.text().bytes(), separator.bytes());
  if (most >= 0 && places.size() > static_cast<std::size_t>(most)) {
    if (from_right) {
      places.erase(places.begin(), places.end() - most);
    } else {
      places.resize(static_cast<std::size_t>(most));
    }
  }
  Values parts;
  std::size_t begin = 0;
  for (const std::size_t place : places) {
    parts.push_back(run.heap().string(self.text().part(begin, place)));
    begin = place + separator.size();
  }
  parts.push_back(run.heap().string(self.text().part(begin, self.text().size())));
  return list_of(run, std::move(parts));
}

Value split(Run run, const Value& self, const Arguments& arguments) { return split_by(run, self, arguments, false); }
Value rsplit(Run run, const Value& self, const Arguments& arguments) { return split_by(run, self, arguments, true); }

Value splitlines(Run run, const Value& self, const Arguments& arguments) {
  const Value keeps = arguments.bind("splitlines", {"keepends"})[0];
  Values parts;
  const auto lines = lines_of(self.text().bytes());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t next = i + 1 < lines.size() ? lines[i + 1].first : self.text().size();
    parts.push_back(run.heap().string(self.text().part(lines[i].first, is_true(keeps) ? next : lines[i].second)));
  }
  return list_of(run, std::move(parts));
}

/// Before the separator, the separator, and what follows; a text without it stands alone.
Value partition_at(Run run, const Value& self, const Arguments& arguments, bool last) {
  const Text& separator = text_of(arguments.bind("partition", {"sep"})[0], "partition");
  if (separator.empty()) throw Failure{"the separator of partition is empty"};
  const Text& text = self.text();
  const std::vector<std::size_t> places = find_all(run, text.bytes(), separator.bytes());
  Heap& heap = run.heap();
  const Value none = heap.string(std::string_view());
  if (places.empty()) return Value(heap.list(last ? Values{none, none, self} : Values{self, none, none}, true));
  const std::size_t at = last ? places.back() : places.front();
  return Value(heap.list({heap.string(text.part(0, at)), heap.string(text.part(at, at + separator.size())),
                          heap.string(text.part(at + separator.size(), text.size()))},
                         true));
}

/// startswith and endswith take one string or a tuple of them.
Value has_affix(const Value& self, const Arguments& arguments, bool at_end) {
  const Value affix = arguments.bind("startswith and endswith", {"affix"})[0];
  const Values all = affix.is(Kind::kList) ? affix.list().items : Values{affix};
  return Value(std::ranges::any_of(all, [&](const Value& one) {
    const std::string_view text = self.text().bytes(), part = text_of(one, "startswith and endswith").bytes();
    return at_end ? text.ends_with(part) : text.starts_with(part);
  }));
}

Value without_affix(Run run, const Value& self, const Arguments& arguments, bool at_end) {
  const Text& affix =
      text_of(arguments.bind("removeprefix and removesuffix", {"affix"})[0], "removeprefix and removesuffix");
  const Text& text = self.text();
  const bool has = at_end ? text.bytes().ends_with(affix.bytes()) : text.bytes().starts_with(affix.bytes());
  if (!has) return self;
  return run.heap().string(at_end ? text.part(0, text.size() - affix.size()) : text.part(affix.size(), text.size()));
}

Value replace(Run run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("replace", {"old", "new", "count"});
  return run.heap().string(replaced(run, self.text(), text_of(given[0], "replace"), text_of(given[1], "replace"),
                                    integer_or(given[2], -1, "replace")));
}

/// The character that `part` begins at, or -1.
std::int64_t find_character(Run run, const Value& self, const Arguments& arguments, bool last) {
  const std::string_view text = self.text().bytes();
  const std::string_view part = text_of(arguments.bind("find", {"sub"})[0], "find").bytes();
  std::size_t at = text.npos;
  if (last && part.empty()) {
    at = text.size();
  } else if (last) {
    for (std::size_t next = 0; (next = find_bytes(text, part, next, run.budget())) != text.npos; ++next) at = next;
  } else {
    at = find_bytes(text, part, 0, run.budget());
  }
  if (at == text.npos) return -1;
  run.budget().spend_bytes(at);
  return static_cast<std::int64_t>(count_characters(text.substr(0, at)));
}

Value index(Run run, const Value& self, const Arguments& arguments) {
  const std::int64_t at = find_character(run, self, arguments, false);
  if (at < 0) throw Failure{"index finds nothing"};
  return Value(at);
}

Value count(Run run, const Value& self, const Arguments& arguments) {
  const Text& part = text_of(arguments.bind("count", {"sub"})[0], "count");
  if (part.empty()) return Value(static_cast<std::int64_t>(count_characters(self.text().bytes()) + 1));
  return Value(static_cast<std::int64_t>(find_all(run, self.text().bytes(), part.bytes()).size()));
}

Value join(Run run, const Value& self, const Arguments& arguments) {
  Text joined;
  bool is_first = true;
  for (const Value& item : run.iterate(arguments.bind("join", {"iterable"})[0])) {
    if (!is_first) print(joined, self, run.budget());
    is_first = false;
    print(joined, Value(&text_of(item, "join")), run.budget());
  }
  return run.heap().string(std::move(joined));
}

template <bool (*kHolds)(char)>
Value all_ascii(Run, const Value& self, const Arguments& arguments) {
  arguments.bind("the method", {});
  return Value(!self.text().empty() && std::ranges::all_of(self.text().bytes(), kHolds));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_digit_or_letter(char c) { return is_digit(c) || is_letter(c); }

Value isspace(Run, const Value& self, const Arguments& arguments) {
  arguments.bind("isspace", {});
  return Value(!self.text().empty() && strip(self.text(), true, false).empty());
}

template <bool kLeft>
Value justified(Run run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("ljust and rjust", {"width", "fillchar"});
  const auto width =
      static_cast<std::size_t>(std::clamp<std::int64_t>(integer_or(given[0], 0, "ljust and rjust"), 0, 100'000));
  const std::size_t have = count_characters(self.text().bytes()), blanks = width > have ? width - have : 0;
  const std::string fill = is_absent(given[1]) ? " " : std::string(text_of(given[1], "ljust and rjust").bytes());
  if (fill.size() != 1) throw Failure{"ljust and rjust fill with one character"};
  Text out;
  if (!kLeft) out.append(std::string(blanks, fill[0]));
  out.append(self.text());
  if (kLeft) out.append(std::string(blanks, fill[0]));
  return run.heap().string(std::move(out));
}

struct Row {
  std::string_view name;
  Native call;
};

constexpr std::array kTextMethods = {
    Row{"capitalize", changed<capitalized>},
    Row{"count", count},
    Row{"endswith", [](Run, const Value& self, const Arguments& given) { return has_affix(self, given, true); }},
    Row{"find", [](Run run, const Value& self,
                   const Arguments& given) { return Value(find_character(run, self, given, false)); }},
    Row{"index", index},
    Row{"isalnum", all_ascii<is_digit_or_letter>},
    Row{"isalpha", all_ascii<is_letter>},
    Row{"isdecimal", all_ascii<is_digit>},
    Row{"isdigit", all_ascii<is_digit>},
    Row{"islower", [](Run, const Value& self, const Arguments&) { return Value(is_lower_case(self.text().bytes())); }},
    Row{"isnumeric", all_ascii<is_digit>},
    Row{"isspace", isspace},
    Row{"isupper", [](Run, const Value& self, const Arguments&) { return Value(is_upper_case(self.text().bytes())); }},
    Row{"join", join},
    Row{"ljust", justified<true>},
    Row{"lower", changed<in_lower_case>},
    Row{"lstrip", strip_method<true, false>},
    Row{"partition",
        [](Run run, const Value& self, const Arguments& given) { return partition_at(run, self, given, false); }},
    Row{"removeprefix",
        [](Run run, const Value& self, const Arguments& given) { return without_affix(run, self, given, false); }},
    Row{"removesuffix",
        [](Run run, const Value& self, const Arguments& given) { return without_affix(run, self, given, true); }},
    Row{"replace", replace},
    Row{"rfind", [](Run run, const Value& self,
                    const Arguments& given) { return Value(find_character(run, self, given, true)); }},
    Row{"rjust", justified<false>},
    Row{"rpartition",
        [](Run run, const Value& self, const Arguments& given) { return partition_at(run, self, given, true); }},
    Row{"rsplit", rsplit},
    Row{"rstrip", strip_method<false, true>},
    Row{"split", split},
    Row{"splitlines", splitlines},
    Row{"startswith", [](Run, const Value& self, const Arguments& given) { return has_affix(self, given, false); }},
    Row{"strip", strip_method<true, true>},
    Row{"title", changed<title_text>},
    Row{"upper", changed<in_upper_case>},
};

// ---- lists

Value list_append(Run run, const Value& self, const Arguments& arguments) {
  if (self.list().is_tuple) throw Failure{"a tuple cannot grow"};
  run.heap().append(self.list(), arguments.bind("append", {"object"})[0]);
  return Value::none();
}

Value list_pop(Run, const Value& self, const Arguments& arguments) {
  Values& items = self.list().items;
  const std::int64_t at = integer_or(arguments.bind("pop", {"index"})[0], -1, "pop");
  const std::int64_t size = static_cast<std::int64_t>(items.size()), index = at < 0 ? at + size : at;
  if (index < 0 || index >= size || self.list().is_tuple) throw Failure{"pop finds nothing"};
  const Value taken = items[static_cast<std::size_t>(index)];
  items.erase(items.begin() + index);
  return taken;
}

Value list_index(Run run, const Value& self, const Arguments& arguments) {
  const Value wanted = arguments.bind("index", {"value"})[0];
  const Values& items = self.list().items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (is_equal(items[i], wanted, run.budget())) return Value(static_cast<std::int64_t>(i));
  }
  throw Failure{"index finds nothing"};
}

Value list_count(Run run, const Value& self, const Arguments& arguments) {
  const Value wanted = arguments.bind("count", {"value"})[0];
  return Value(static_cast<std::int64_t>(std::ranges::count_if(
      self.list().items, [&](const Value& item) { return is_equal(item, wanted, run.budget()); })));
}

constexpr std::array kListMethods = {
    Row{"append", list_append},
    Row{"count", list_count},
    Row{"index", list_index},
    Row{"pop", list_pop},
};

// ---- dicts

Value dict_get(Run run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("get", {"key", "default"});
  run.budget().spend(self.dict().entries.size() / 8 + 1);
  const Value* found = given[0].is(Kind::kText) ? self.dict().find(given[0].text().bytes()) : nullptr;
  if (found != nullptr) return *found;
  return given[1].is_undefined() ? Value::none() : given[1];
}

Value dict_keys(Run run, const Value& self, const Arguments& arguments) {
  arguments.bind("keys", {});
  return list_of(run, run.iterate(self));
}

Value dict_values(Run run, const Value& self, const Arguments& arguments) {
  arguments.bind("values", {});
  Values values;
  for (const Dict::Entry& entry : self.dict().entries) values.push_back(entry.value);
  return list_of(run, std::move(values));
}

Value dict_items(Run run, const Value& self, const Arguments& arguments) {
  return run.filter("items", self, arguments);
}

Value dict_pop(Run, const Value& self, const Arguments& arguments) {
  const Values given = arguments.bind("pop", {"key", "default"});
  const std::string_view key = text_of(given[0], "pop").bytes();
  std::vector<Dict::Entry>& entries = self.dict().entries;
  const auto found = std::ranges::find_if(entries, [&](const Dict::Entry& entry) { return entry.key->bytes() == key; });
  if (found == entries.end()) {
    if (!given[1].is_undefined()) return given[1];
    throw Failure{"pop finds nothing"};
  }
  const Value taken = found->value;
  entries.erase(found);
  return taken;
}

Value dict_update(Run run, const Value& self, const Arguments& arguments) {
  for (const Value& other : arguments.positional) {
    if (!other.is(Kind::kDict)) throw Failure{fmt::format("update needs a dict, not {}", type_name(other))};
    const std::vector<Dict::Entry> entries = other.dict().entries;
    for (const Dict::Entry& entry : entries) run.heap().set(self.dict(), entry.key, entry.value);
  }
  for (const auto& [name, value] : arguments.named) run.heap().set(self.dict(), run.heap().text(Text(name)), value);
  return Value::none();
}

Value dict_copy(Run run, const Value& self, const Arguments& arguments) {
  arguments.bind("copy", {});
  Dict* copy = run.heap().dict();
  run.budget().allocate(self.dict().entries.size() * sizeof(Dict::Entry));
  copy->entries = self.dict().entries;
  return Value(copy);
}

constexpr std::array kDictMethods = {
    Row{"copy", dict_copy}, Row{"get", dict_get},       Row{"items", dict_items},   Row{"keys", dict_keys},
    Row{"pop", dict_pop},   Row{"update", dict_update}, Row{"values", dict_values},
};

// ---- the loop

Value loop_cycle(Run, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw Failure{"loop.cycle needs values"};
  return arguments.positional[self.loop().index % arguments.positional.size()];
}

Value loop_changed(Run run, const Value& self, const Arguments& arguments) {
  Loop& loop = self.loop();
  const Value now(run.heap().list(arguments.positional, true));
  const bool changed = !loop.has_changed || !is_equal(loop.changed_from, now, run.budget());
  loop.has_changed = true;
  loop.changed_from = now;
  return Value(changed);
}

constexpr std::array kLoopMethods = {Row{"changed", loop_changed}, Row{"cycle", loop_cycle}};

}  // namespace

Native find_method(const Value& object, std::string_view name) {
  std::span<const Row> rows;
  switch (object.kind()) {
    case Kind::kText:
      rows = kTextMethods;
      break;
    case Kind::kList:
      rows = kListMethods;
      break;
    case Kind::kDict:
      rows = kDictMethods;
      break;
    case Kind::kLoop:
      rows = kLoopMethods;
      break;
    default:
      return nullptr;
  }
  const auto row = std::ranges::find(rows, name, &Row::name);
  return row == rows.end() ? nullptr : row->call;
}

}  // namespace tq::jinja
