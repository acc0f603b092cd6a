// From a JSON schema to the grammar of its texts. Each schema becomes a rule; a narrower language than the schema's is
// as good, a wider one is not, so keywords that would narrow it and are not built are refused.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>

#include "formats/json.h"
#include "text/grammar.h"
#include "text/tokenizer_pipeline.h"

namespace tq {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;
using Sequence = Grammar::Sequence;
using Symbol = Grammar::Symbol;

/// What says nothing about the texts, or only widens them.
constexpr std::array<std::string_view, 14> kIgnored = {
    "$schema", "$id",      "$defs",  "definitions", "$comment", "title",     "description",
    "default", "examples", "format", "deprecated",  "readOnly", "writeOnly", "nullable"};
constexpr std::array<std::string_view, 15> kBuilt = {"type",      "properties", "required", "additionalProperties",
                                                     "items",     "minItems",   "maxItems", "minLength",
                                                     "maxLength", "enum",       "const",    "anyOf",
                                                     "oneOf",     "allOf",      "$ref"};
/// Repetitions are written out.
constexpr std::uint64_t kMostRepetitions = 4096;
/// Schemas in schemas, references among them: each is a few frames of the stack.
constexpr unsigned kMostNested = 256;

class SchemaReader {
 public:
  SchemaReader(element root, std::string_view name) : root_(root), name_(name) {}

  Result<std::shared_ptr<const OutputGrammar>> read() {
    const std::uint32_t text = grammar_->add_rule();
    space_ = make_space();
    const std::uint32_t value = rule_at("#", root_);
    add(text, {Grammar::rule(space_), Grammar::rule(value)});
    if (error_.message.empty() && !grammar_->is_sound())
      refuse(ErrorCode::kUsage, "no finite text satisfies the schema, or a part of it");
    if (!error_.message.empty()) return std::unexpected(error_);
    return grammar_;
  }

 private:
  void refuse(ErrorCode code, std::string_view what) {
    if (error_.message.empty()) error_ = {code, fmt::format("{}: {}", name_, what)};
  }
  void add(std::uint32_t rule, const Sequence& sequence) {
    if (!grammar_->add_alternative(rule, sequence)) refuse(ErrorCode::kUsage, "the schema is too large");
  }
  Sequence text(std::string_view bytes) {
    Sequence sequence;
    grammar_->append(bytes, sequence);
    return sequence;
  }
  Symbol set(std::string_view bytes) {
    ByteSet set;
    for (const char byte : bytes) set.set(static_cast<unsigned char>(byte));
    return grammar_->bytes(set);
  }
  Symbol range(unsigned first, unsigned last, std::string_view without = "") {
    ByteSet set;
    for (unsigned byte = first; byte <= last; ++byte) set.set(byte);
    for (const char byte : without) set.reset(static_cast<unsigned char>(byte));
    return grammar_->bytes(set);
  }

  /// From `least` to `most` times; `most` 0: any number.
  std::uint32_t repeated(const Sequence& first, const Sequence& next, std::uint64_t least, std::uint64_t most) {
    if (std::max(least, most) > kMostRepetitions) {
      refuse(ErrorCode::kUsage, fmt::format("a length or count above {} is not built", kMostRepetitions));
      return space_;
    }
    std::uint32_t rest = grammar_->add_rule();  // what may follow the last that is needed
    add(rest, {});
    if (most == 0) {
      Sequence again = next;
      again.push_back(Grammar::rule(rest));
      add(rest, again);
    }
    for (std::uint64_t count = std::max(least, most); count > 0; --count) {
      Sequence one = count == 1 ? first : next;
      one.push_back(Grammar::rule(rest));
      rest = grammar_->add_rule();
      if (count > least) add(rest, {});
      add(rest, one);
    }
    if (most != 0 || least != 0) return rest;
    const std::uint32_t any = grammar_->add_rule();
    Sequence one = first;
    one.push_back(Grammar::rule(rest));
    add(any, {});
    add(any, one);
    return any;
  }

  /// Nothing, a space, or a new line with at most 20 spaces or tabs: endless white space is no text.
  std::uint32_t make_space() {
    const std::uint32_t space = grammar_->add_rule();
    const Symbol blank = set(" \t");
    add(space, {});
    add(space, {set(" ")});
    add(space, {set("\n"), Grammar::rule(repeated({blank}, {blank}, 0, 20))});
    return space;
  }

  std::uint32_t character() {
    if (character_ != 0) return character_;
    character_ = grammar_->add_rule();
    const Symbol tail = range(0x80, 0xBF), hex = set("0123456789abcdefABCDEF");
    add(character_, {range(0x20, 0x7F, "\"\\\x7F")});
    add(character_, {range(0xC2, 0xDF), tail});
    add(character_, {set("\xE0"), range(0xA0, 0xBF), tail});
    add(character_, {range(0xE1, 0xEF, "\xED"), tail, tail});
    add(character_, {set("\xED"), range(0x80, 0x9F), tail});
    add(character_, {set("\xF0"), range(0x90, 0xBF), tail, tail});
    add(character_, {range(0xF1, 0xF3), tail, tail, tail});
    add(character_, {set("\xF4"), range(0x80, 0x8F), tail, tail});
    add(character_, {set("\\"), set("\"\\/bfnrt")});
    // \u0000 to \u00ff: no half of a surrogate pair can come of it.
    add(character_, {set("\\"), set("u"), set("0"), set("0"), hex, hex});
    return character_;
  }
  std::uint32_t string_rule(std::uint64_t least, std::uint64_t most) {
    const Symbol one = Grammar::rule(character());
    const std::uint32_t string = grammar_->add_rule();
    add(string, {set("\""), Grammar::rule(repeated({one}, {one}, least, most)), set("\"")});
    return string;
  }

  std::uint32_t number(bool whole) {
    std::uint32_t& made = whole ? integer_ : number_;
    if (made != 0) return made;
    const Symbol digit = range('0', '9');
    const std::uint32_t sign = grammar_->add_rule(), digits = grammar_->add_rule();
    add(sign, {});
    add(sign, {set("-")});
    add(digits, {set("0")});
    add(digits, {range('1', '9'), Grammar::rule(repeated({digit}, {digit}, 0, 15))});
    made = grammar_->add_rule();
    add(made, {Grammar::rule(sign), Grammar::rule(digits)});
    if (whole) return made;
    const Symbol some = Grammar::rule(repeated({digit}, {digit}, 1, 15));
    const std::uint32_t exponent = grammar_->add_rule();
    add(exponent, {});
    add(exponent, {set("eE"), Grammar::rule(repeated({set("+-")}, {set("+-")}, 0, 1)),
                   Grammar::rule(repeated({digit}, {digit}, 1, 2))});
    add(made, {Grammar::rule(sign), Grammar::rule(digits), set("."), some, Grammar::rule(exponent)});
    add(made,
        {Grammar::rule(sign), Grammar::rule(digits), set("eE"), Grammar::rule(repeated({set("+-")}, {set("+-")}, 0, 1)),
         Grammar::rule(repeated({digit}, {digit}, 1, 2))});
    return made;
  }

  /// Any JSON.
  std::uint32_t any() {
    if (any_ != 0) return any_;
    any_ = grammar_->add_rule();
    const Symbol value = Grammar::rule(any_);
    for (const char* word : {"true", "false", "null"}) add(any_, text(word));
    add(any_, {Grammar::rule(number(false))});
    add(any_, {Grammar::rule(string_rule(0, 0))});
    add(any_, {Grammar::rule(array_rule(value, 0, 0))});
    add(any_, {Grammar::rule(any_object())});
    return any_;
  }
  std::uint32_t any_object() {
    if (object_ != 0) return object_;
    object_ = grammar_->add_rule();
    map_of(any(), object_);
    return object_;
  }
  /// Objects with any keys.
  void map_of(std::uint32_t value, std::uint32_t into) {
    const Sequence member = {Grammar::rule(string_rule(0, 0)), set(":"), Grammar::rule(space_), Grammar::rule(value)};
    add(into, listed("{", repeated(member, behind_comma(member), 0, 0), "}"));
  }
  Sequence behind_comma(const Sequence& item) {
    Sequence next = {set(","), Grammar::rule(space_)};
    next.insert(next.end(), item.begin(), item.end());
    return next;
  }
  Sequence listed(std::string_view open, std::uint32_t items, std::string_view close) {
    return {set(open), Grammar::rule(space_), Grammar::rule(items), Grammar::rule(space_), set(close)};
  }
  std::uint32_t array_rule(Symbol item, std::uint64_t least, std::uint64_t most) {
    const std::uint32_t made = grammar_->add_rule();
    add(made, listed("[", repeated({item}, behind_comma({item}), least, most), "]"));
    return made;
  }

  /// Every place in the schema has one rule, so that references may go in circles.
  std::uint32_t rule_at(const std::string& pointer, element schema) {
    if (const auto known = places_.find(pointer); known != places_.end()) return known->second;
    const std::uint32_t made = grammar_->add_rule();
    places_.emplace(pointer, made);
    read_schema(schema, made);
    return made;
  }

  void read_schema(element schema, std::uint32_t into) {
    if (!error_.message.empty()) return;
    if (nested_ == kMostNested) return refuse(ErrorCode::kUsage, "schemas and references are nested too deeply");
    ++nested_;
    read_at_depth(schema, into);
    --nested_;
  }

  void read_at_depth(element schema, std::uint32_t into) {
    bool allowed = false;
    object keys;
    if (schema.get(allowed) == simdjson::SUCCESS) {
      if (!allowed) refuse(ErrorCode::kUsage, "a schema that is false has no text");
      return add(into, {Grammar::rule(any())});
    }
    if (schema.get(keys)) return refuse(ErrorCode::kBadFile, "a schema is an object, true or false");
    for (const auto [key, value] : keys) {
      if (std::ranges::count(kIgnored, key) + std::ranges::count(kBuilt, key) == 0) {
        return refuse(ErrorCode::kUsage, fmt::format("the keyword {} of JSON schemas is not built; these are: {}",
                                                     in_quotes(key), fmt::join(kBuilt, ", ")));
      }
    }
    if (read_reference(keys, into) || read_values(keys, into) || read_choices(keys, into)) return;
    read_types(keys, into);
  }

  bool read_reference(object keys, std::uint32_t into) {
    std::string_view reference;
    element target = root_;
    if (!get_field(keys, "$ref", reference)) return false;
    for (const auto [key, value] : keys) {
      if (key == "$ref" || std::ranges::count(kBuilt, key) == 0) continue;
      refuse(ErrorCode::kUsage, fmt::format("{} beside $ref is not built", key));
      return true;
    }
    const bool found = reference == "#" || (reference.starts_with("#/") &&
                                            root_.at_pointer(reference.substr(1)).get(target) == simdjson::SUCCESS);
    if (!found) {
      refuse(ErrorCode::kBadFile, fmt::format("the $ref {} leads to no place in the schema", in_quotes(reference)));
      return true;
    }
    add(into, {Grammar::rule(rule_at(std::string(reference), target))});
    return true;
  }

  bool read_values(object keys, std::uint32_t into) {
    element value;
    array values;
    if (get_field(keys, "const", value)) {
      add(into, text(simdjson::minify(value)));
      return true;
    }
    if (!get_field(keys, "enum", value)) return false;
    if (value.get(values) || values.size() == 0) refuse(ErrorCode::kBadFile, "an enum is a list of at least one value");
    for (const element one : values) add(into, text(simdjson::minify(one)));
    return true;
  }

  bool read_choices(object keys, std::uint32_t into) {
    for (const char* key : {"anyOf", "oneOf", "allOf"}) {
      element value;
      array list;
      if (!get_field(keys, key, value)) continue;
      if (value.get(list) || list.size() == 0) {
        refuse(ErrorCode::kBadFile, fmt::format("{} is a list of at least one schema", key));
      } else if (std::string_view(key) == "allOf" && list.size() > 1) {
        refuse(ErrorCode::kUsage, "allOf of several schemas is not built");
      } else if (get_field(keys, "type", value) || get_field(keys, "properties", value)) {
        refuse(ErrorCode::kUsage, fmt::format("{} beside a type or properties is not built", key));
      }
      for (const element one : list) {
        const std::uint32_t choice = grammar_->add_rule();
        read_schema(one, choice);
        add(into, {Grammar::rule(choice)});
      }
      return true;
    }
    return false;
  }

  void read_types(object keys, std::uint32_t into) {
    element type;
    array list;
    std::string_view name;
    if (!get_field(keys, "type", type)) {
      const bool is_object = has_any(keys, {"properties", "required", "additionalProperties"});
      const bool is_array = has_any(keys, {"items", "minItems", "maxItems"});
      if (is_object) return read_type("object", keys, into);
      if (is_array) return read_type("array", keys, into);
      if (has_any(keys, {"minLength", "maxLength"})) return read_type("string", keys, into);
      return add(into, {Grammar::rule(any())});
    }
    if (type.get(name) == simdjson::SUCCESS) return read_type(name, keys, into);
    if (type.get(list) || list.size() == 0) return refuse(ErrorCode::kBadFile, "a type is a name, or a list of names");
    for (const element one : list) {
      if (one.get(name)) return refuse(ErrorCode::kBadFile, "a type is a name, or a list of names");
      read_type(name, keys, into);
    }
  }

  static bool has_any(object keys, std::initializer_list<const char*> names) {
    element value;
    return std::ranges::any_of(names, [&](const char* name) { return get_field(keys, name, value); });
  }

  void read_type(std::string_view type, object keys, std::uint32_t into) {
    if (type == "object") return read_object(keys, into);
    if (type == "array") {
      element items;
      const std::uint64_t least = count(keys, "minItems", 0), most = count(keys, "maxItems", 0);
      const std::uint32_t item = get_field(keys, "items", items) ? nested(items) : any();
      return add(into, {Grammar::rule(array_rule(Grammar::rule(item), least, limit(keys, "maxItems", least, most)))});
    }
    if (type == "string") {
      const std::uint64_t least = count(keys, "minLength", 0), most = count(keys, "maxLength", 0);
      return add(into, {Grammar::rule(string_rule(least, limit(keys, "maxLength", least, most)))});
    }
    if (type == "boolean") {
      add(into, text("true"));
      return add(into, text("false"));
    }
    if (type == "null") return add(into, text("null"));
    if (type == "integer" || type == "number") return add(into, {Grammar::rule(number(type == "integer"))});
    refuse(ErrorCode::kBadFile, fmt::format("there is no type {}", in_quotes(type)));
  }

  std::uint32_t nested(element schema) {
    const std::uint32_t made = grammar_->add_rule();
    read_schema(schema, made);
    return made;
  }

  std::uint64_t count(object keys, const char* key, std::uint64_t otherwise) {
    element value;
    std::uint64_t number = otherwise;
    if (get_field(keys, key, value) && value.get(number))
      refuse(ErrorCode::kBadFile, fmt::format("{} is not a count", key));
    return number;
  }
  /// `most` as repeated() takes it.
  std::uint64_t limit(object keys, const char* key, std::uint64_t least, std::uint64_t most) {
    element value;
    if (!get_field(keys, key, value)) return 0;
    if (most < least) refuse(ErrorCode::kUsage, fmt::format("the {} is below the least, so no text satisfies it", key));
    if (most == 0) refuse(ErrorCode::kUsage, fmt::format("a {} of 0 is not built", key));
    return most;
  }

  struct Property {
    std::string key;  ///< as JSON writes it, quotes and all
    std::uint32_t value = 0;
    bool is_required = false;
  };

  void read_object(object keys, std::uint32_t into) {
    element value;
    object properties;
    std::vector<Property> all;
    const bool has_properties = get_field(keys, "properties", value);
    if (has_properties && value.get(properties))
      return refuse(ErrorCode::kBadFile, "properties is not an object of schemas");
    if (has_properties) {
      for (const auto [key, schema] : properties) all.push_back({quoted(key), nested(schema), false});
    }
    bool others = true;
    const bool has_others = get_field(keys, "additionalProperties", value);
    if (has_others && value.get(others) != simdjson::SUCCESS) others = true;  // a schema
    // What a key has that no property names; other keys are written only where no property is named at all.
    const std::uint32_t other = has_others && others ? nested(value) : others ? any() : space_;
    mark_required(keys, others ? std::optional(other) : std::nullopt, all);
    if (!all.empty()) return add(into, listed("{", members(all), "}"));
    if (others) return map_of(other, into);
    add(into, {set("{"), Grammar::rule(space_), set("}")});
  }

  /// JSON of a text.
  static std::string quoted(std::string_view key) {
    std::string json = "\"";
    for (const char c : key) {
      if (c == '"' || c == '\\') json += '\\';
      if (static_cast<unsigned char>(c) < 0x20) {
        json += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      } else {
        json += c;
      }
    }
    return json + '"';
  }

  void mark_required(object keys, std::optional<std::uint32_t> other, std::vector<Property>& all) {
    element value;
    array required;
    if (!get_field(keys, "required", value)) return;
    if (value.get(required)) return refuse(ErrorCode::kBadFile, "required is not a list of names");
    for (const element one : required) {
      std::string_view name;
      if (one.get(name)) return refuse(ErrorCode::kBadFile, "required is not a list of names");
      const auto found = std::ranges::find(all, quoted(name), &Property::key);
      if (found == all.end()) {
        if (!other) return refuse(ErrorCode::kUsage, fmt::format("{} is required and not allowed", in_quotes(name)));
        all.push_back({quoted(name), *other, true});
      } else {
        found->is_required = true;
      }
    }
  }

  /// From property i on, with or without a comma in front: two rules for each i.
  std::uint32_t members(const std::vector<Property>& all) {
    std::uint32_t first = grammar_->add_rule(), later = grammar_->add_rule();
    add(first, {});
    add(later, {});
    for (std::size_t i = all.size(); i-- > 0;) {
      const std::uint32_t next_first = first, next_later = later;
      first = grammar_->add_rule();
      later = grammar_->add_rule();
      Sequence member = text(all[i].key);
      member.insert(member.end(),
                    {set(":"), Grammar::rule(space_), Grammar::rule(all[i].value), Grammar::rule(next_later)});
      add(first, member);
      add(later, behind_comma(member));
      if (all[i].is_required) continue;
      add(first, {Grammar::rule(next_first)});
      add(later, {Grammar::rule(next_later)});
    }
    return first;
  }

  element root_;
  std::string_view name_;
  std::shared_ptr<Grammar> grammar_ = std::make_shared<Grammar>();
  std::map<std::string, std::uint32_t> places_;
  std::uint32_t space_ = 0, character_ = 0, integer_ = 0, number_ = 0, any_ = 0, object_ = 0;  ///< 0: not made yet
  unsigned nested_ = 0;
  Error error_;
};

}  // namespace

Result<std::shared_ptr<const OutputGrammar>> OutputGrammar::from_json_schema(std::string_view schema,
                                                                             std::string_view name) {
  simdjson::dom::parser parser;
  element root;
  if (const auto error = parser.parse(schema.data(), schema.size()).get(root)) {
    const std::string_view reason = simdjson::error_message(error);
    return bad_file(name, "its JSON is broken: {}", reason.substr(0, reason.find_first_of(".\n")));
  }
  return SchemaReader(root, name).read();
}

}  // namespace tq
