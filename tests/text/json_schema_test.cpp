// Text that is held to a JSON schema: whatever is written is valid, whatever is valid and plain can be written.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "support/must.h"
#include "turboquant/output_grammar.h"

namespace tq::test {
namespace {

using nlohmann::json;

std::shared_ptr<const OutputGrammar> grammar(const std::string& schema) {
  return must(OutputGrammar::from_json_schema(schema, "schema.json"));
}

/// Whether the whole text is one of the schema's, byte by byte.
bool fits(const std::string& schema, const std::string& text) {
  OutputConstraint constraint(grammar(schema));
  for (const char byte : text) {
    if (!constraint.allows({&byte, 1})) return false;
    constraint.accept({&byte, 1});
  }
  return constraint.may_end();
}

/// A text of the schema, drawn byte by byte; empty when it has not ended after 4000.
std::string draw(const std::string& schema, std::uint64_t& state) {
  OutputConstraint constraint(grammar(schema));
  std::string text;
  while (text.size() < 4000) {
    std::string allowed;
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      if (constraint.allows({&c, 1})) allowed += c;
    }
    if (constraint.may_end() && (allowed.empty() || next_random(state) % 4 == 0)) return text;
    if (allowed.empty()) throw std::runtime_error("stuck after " + text);
    const bool may_close = allowed.size() > 90 && allowed.find('"') != allowed.npos;  // a string
    const bool closes = may_close && next_random(state) % 4 == 0;
    const char c = closes ? '"' : allowed[next_random(state) % allowed.size()];
    constraint.accept({&c, 1});
    text += c;
  }
  return {};
}

const std::string kPerson = R"({
  "type": "object", "title": "a person",
  "properties": {
    "name": {"type": "string", "minLength": 2, "maxLength": 5},
    "age": {"type": "integer"},
    "tags": {"type": "array", "items": {"enum": ["a", "bé", 3, null]}, "minItems": 1, "maxItems": 2},
    "boss": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
  "required": ["name", "boss"]})";

TEST(JsonSchema, texts_of_an_object) {
  for (const char* text :
       {R"({"name":"Jo","boss":null})", R"({ "name": "Jo", "age": -12, "boss": null })",
        R"({"name":"Zoë\"","tags":["a","bé"],"boss":{"name":"ab","boss":null}})",
        "{\n  \"name\":\"12345\",\n\t\"boss\":null\n}", R"( {"name":"\n\u00e9","age":0,"tags":[null],"boss":null})"}) {
    EXPECT_TRUE(fits(kPerson, text)) << text;
    EXPECT_TRUE(json::accept(text)) << text;
  }
  for (const char* text :
       {R"({"name":"Jo"})", R"({"boss":null,"name":"Jo"})", R"({"name":"J","boss":null})",
        R"({"name":"123456","boss":null})", R"({"name":"Jo","age":01,"boss":null})",
        R"({"name":"Jo","age":1.5,"boss":null})", R"({"name":"Jo","tags":[],"boss":null})",
        R"({"name":"Jo","tags":["a","a","a"],"boss":null})", R"({"name":"Jo","tags":["b"],"boss":null})",
        R"({"name":"Jo","boss":null,})", R"({"name":"Jo","boss":null}})", R"({"name":"Jo","boss":{}})",
        R"({"name":"Jo","other":1,"boss":null})", "{\"name\":\"J\n\",\"boss\":null}",
        "{\"name\":\"\xff\xff\",\"boss\":null}", ""})
    EXPECT_FALSE(fits(kPerson, text)) << text;
}

TEST(JsonSchema, each_type_and_keyword) {
  struct Case {
    const char *schema, *yes, *no;
  };
  for (const Case& one :
       {Case{"{}", R"([{"a":[1,-2.5e+3,"x",true,null,{}]}])", "[1,]"}, Case{"true", "0.5", "00.5"},
        Case{R"({"type":"number"})", "-0.25E-7", "-"},
        Case{R"({"type":"integer"})", "1234567890123456", "12345678901234567"},
        Case{R"({"type":["string","null"]})", "null", "1"}, Case{R"({"type":"boolean"})", "false", "fals"},
        Case{R"({"const":{"a":[1,"b"]}})", R"({"a":[1,"b"]})", R"({"a":[1,"c"]})"},
        Case{R"({"oneOf":[{"type":"null"},{"type":"array","items":true}]})", "[[],{}]", "{}"},
        Case{R"({"allOf":[{"type":"null"}]})", "null", "1"},
        Case{R"({"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"null"}}})", "null", "1"},
        Case{R"({"type":"object"})", R"({"b":1,"a":{}})", "[]"},
        Case{R"({"type":"object","additionalProperties":{"type":"integer"}})", R"({"b":1,"a":2})", R"({"b":"x"})"},
        Case{R"({"type":"object","additionalProperties":false})", "{}", R"({"b":1})"},
        Case{R"({"required":["a"],"additionalProperties":{"type":"null"}})", R"({"a":null})", R"({"a":1})"},
        Case{R"({"items":{"type":"null"},"minItems":2})", "[null,null,null]", "[null]"},
        Case{R"({"maxLength":3})", R"("a\"é")", R"("abcd")"},
        Case{R"({"properties":{"a\"\\\n":{"const":1}}})", R"({"a\"\\\u000a":1})", R"({"a":1})"},
        Case{R"({"type":"string"})", "\"\xf4\x8f\xbf\xbf\xe1\x80\x80\"", "\"\xed\xa0\x80\""}}) {
    EXPECT_TRUE(fits(one.schema, one.yes)) << one.schema << one.yes;
    EXPECT_FALSE(fits(one.schema, one.no)) << one.schema << one.no;
  }
}

TEST(JsonSchema, whatever_is_drawn_is_json_and_can_always_be_finished) {
  std::uint64_t state = 5;
  int finished = 0;
  for (const std::string& schema : {kPerson, std::string("{}")}) {
    for (int i = 0; i < 20; ++i) {
      const std::string text = draw(schema, state);
      if (text.empty()) continue;
      ++finished;
      ASSERT_TRUE(json::accept(text)) << text;
      if (schema != kPerson) continue;
      const json person = json::parse(text);
      EXPECT_TRUE(person["name"].is_string() && person.contains("boss")) << text;
      if (person.contains("age")) EXPECT_TRUE(person["age"].is_number_integer()) << text;
    }
  }
  EXPECT_GT(finished, 20);
}

TEST(JsonSchema, tokens_are_masked_by_their_bytes) {
  OutputConstraint constraint(grammar(R"({"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]})"));
  const std::vector<std::string> pieces = {"", "{\"a", "{\"b", "\":", " tr", "ue}", "ue", "}", "} x"};
  const std::vector<TokenId> ends = {0};
  const auto left = [&] {
    std::vector<float> logits(pieces.size() + 2, 1.0F);  // more logits than tokens
    std::vector<TokenId> ids;
    const bool any = constraint.mask(pieces, ends, logits);
    for (std::size_t id = 0; id < logits.size(); ++id) {
      if (logits[id] == 1.0F) ids.push_back(static_cast<TokenId>(id));
    }
    EXPECT_EQ(any, !ids.empty());
    return ids;
  };
  EXPECT_EQ(left(), (std::vector<TokenId>{1}));
  for (const TokenId id : {1, 3, 4}) constraint.accept(pieces[static_cast<std::size_t>(id)]);
  EXPECT_EQ(left(), (std::vector<TokenId>{5, 6}));
  constraint.accept("ue");
  EXPECT_FALSE(constraint.may_end());
  EXPECT_EQ(left(), (std::vector<TokenId>{7}));
  constraint.accept("}");
  EXPECT_TRUE(constraint.must_end());
  EXPECT_EQ(left(), (std::vector<TokenId>{0}));
}

TEST(JsonSchema, what_is_not_built_or_no_schema_is_refused_by_name) {
  struct Case {
    std::string schema;
    ErrorCode code;
    const char* word;
  };
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += R"({"items":)";
  deep += "{}" + std::string(300, '}');
  for (const Case& one : {Case{"", ErrorCode::kBadFile, "JSON"},
                          Case{"{", ErrorCode::kBadFile, "JSON"},
                          Case{"[]", ErrorCode::kBadFile, "object"},
                          Case{R"({"type":"text"})", ErrorCode::kBadFile, "'text'"},
                          Case{R"({"type":[]})", ErrorCode::kBadFile, "type"},
                          Case{R"({"enum":[]})", ErrorCode::kBadFile, "enum"},
                          Case{R"({"required":[1],"properties":{}})", ErrorCode::kBadFile, "required"},
                          Case{R"({"minItems":-1})", ErrorCode::kBadFile, "minItems"},
                          Case{R"({"$ref":"#/nowhere"})", ErrorCode::kBadFile, "#/nowhere"},
                          Case{R"({"$ref":"http://a/b"})", ErrorCode::kBadFile, "http"},
                          Case{R"({"pattern":"a+"})", ErrorCode::kUsage, "'pattern'"},
                          Case{R"({"type":"integer","minimum":3})", ErrorCode::kUsage, "'minimum'"},
                          Case{R"({"allOf":[{},{}]})", ErrorCode::kUsage, "allOf"},
                          Case{R"({"anyOf":[{}],"type":"null"})", ErrorCode::kUsage, "anyOf"},
                          Case{R"({"$ref":"#","type":"null"})", ErrorCode::kUsage, "$ref"},
                          Case{"false", ErrorCode::kUsage, "false"},
                          Case{R"({"$ref":"#"})", ErrorCode::kUsage, "finite"},
                          Case{R"({"type":"array","items":{"$ref":"#"},"minItems":1})", ErrorCode::kUsage, "finite"},
                          Case{R"({"minItems":3,"maxItems":2})", ErrorCode::kUsage, "maxItems"},
                          Case{R"({"minLength":99999999999})", ErrorCode::kUsage, "4096"},
                          Case{R"({"required":["a"],"additionalProperties":false})", ErrorCode::kUsage, "'a'"},
                          Case{deep, ErrorCode::kUsage, "deep"}}) {
    const auto result = OutputGrammar::from_json_schema(one.schema, "schema.json");
    ASSERT_FALSE(result.has_value()) << one.schema;
    EXPECT_EQ(result.error().code, one.code) << result.error().message;
    EXPECT_TRUE(result.error().message.starts_with("schema.json: ")) << result.error().message;
    EXPECT_NE(result.error().message.find(one.word), std::string::npos) << result.error().message;
    EXPECT_FALSE(result.error().message.ends_with('.')) << result.error().message;
  }
}

// Two ways to read each bracket: 2^n of them after n.
TEST(JsonSchema, a_text_that_can_be_read_in_many_ways_is_no_trap) {
  const std::string schema =
      R"({"anyOf":[{"type":"array","items":{"$ref":"#"}},{"type":"array","items":{"$ref":"#"},"maxItems":9}]})";
  EXPECT_TRUE(fits(schema, std::string(40, '[') + std::string(40, ']')));
}

}  // namespace
}  // namespace tq::test
