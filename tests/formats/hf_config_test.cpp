#include "formats/hf_config.h"

#include <fmt/format.h>

#include "formats/refusals.h"

namespace tq::test {
namespace {

Result<Metadata> read(const std::string& json) {
  Metadata metadata;
  if (Result<void> done = parse_hf_config(json, "config.json", metadata); !done) return fail(std::move(done));
  return metadata;
}

TEST(HfConfig, values_under_the_path_of_their_keys) {
  const Metadata metadata = must(read(R"({
    "architectures": ["LlamaForCausalLM"], "hidden_size": 256, "rms_norm_eps": 1e-05, "tie_word_embeddings": true,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "inner": {"deep": -1}},
    "eos_token_id": [1, 2], "factors": [1, 2.5], "flags": [true, false], "big": 18446744073709551615})"));
  EXPECT_EQ(*metadata.strings("hf.architectures"), Metadata::Strings{"LlamaForCausalLM"});
  EXPECT_EQ(metadata.integer("hf.hidden_size"), 256);
  EXPECT_EQ(metadata.number("hf.rms_norm_eps"), 1e-5);
  EXPECT_EQ(metadata.boolean("hf.tie_word_embeddings"), true);
  EXPECT_EQ(metadata.string("hf.rope_scaling.rope_type"), "llama3");
  EXPECT_EQ(metadata.number("hf.rope_scaling.factor"), 8.0);
  EXPECT_EQ(metadata.integer("hf.rope_scaling.inner.deep"), -1);
  EXPECT_EQ(*metadata.integers("hf.eos_token_id"), (Metadata::Integers{1, 2}));
  EXPECT_EQ(*metadata.numbers("hf.factors"), (Metadata::Numbers{1.0, 2.5}));
  EXPECT_EQ(*metadata.integers("hf.flags"), (Metadata::Integers{1, 0}));
  EXPECT_EQ(metadata.integer("hf.big"), std::nullopt);
  EXPECT_EQ(metadata.number("hf.big"), 0x1p64);
}

TEST(HfConfig, what_has_no_place_is_left_out) {
  const Metadata metadata = must(read(
      R"({"sliding_window": null, "empty": [], "mixed": [1, "a"], "nested": [[1]], "objects": [{}], "none": {}})"));
  EXPECT_TRUE(metadata.values().empty());
}

TEST(HfConfig, refused) {
  const std::vector<Refusal> refusals = {
      {"nothing", "", "JSON is broken"},
      {"a list", "[]", "object in braces"},
      {"null", "null", "object in braces"},
      {"cut", "{\"a\": 1", "JSON is broken"},
      {"a comma too many", "{\"a\": 1,}", "JSON is broken"},
      {"a comment", "{\"a\": 1} // size", "JSON is broken"},
      {"1e309", "{\"a\": 1e309}", "JSON is broken"},
      {"not UTF-8", "{\"a\": \"\xe9\"}", "JSON is broken"},
      {"a newline in a text", "{\"a\": \"\n\"}", "JSON is broken"},
      {"a hundred thousand brackets", "{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}",
       "JSON is broken"},
      {"a key twice", R"({"a": 1, "a": 2})", "'a' stands twice"},
      {"a key twice, once null", R"({"a": null, "a": 2})", "'a' stands twice"},
      {"an object twice", R"({"a": {"x": 1}, "a": {"y": 1}})", "'a' stands twice"},
      {"a dot that meets a level", R"({"a.b": 1, "a": {"b": 2}})", "'a.b' stands twice"},
      {"a key of 2000 bytes", "{\"" + std::string(2000, 'k') + "\": 1}", "longer than 1024 bytes"},
      {"a key with a newline, twice", R"({"a\nb": 1, "a\nb": 2})", "'a\\x0ab' stands twice"},
  };
  for (const Refusal& refusal : refusals)
    expect_refused(read(refusal.bytes), "config.json", refusal.words, refusal.what);
}

/// A long key in front of many short ones repeats in each of their paths.
TEST(HfConfig, paths_cannot_multiply_the_file) {
  std::string levels, many = "{", closing;
  for (int i = 0; i < 500; ++i) levels += "{\"k\":", closing += "}";
  for (int i = 0; i < 70'000; ++i) many += fmt::format("{}\"{:x}\":null", i == 0 ? "" : ",", i);
  expect_refused(read(levels + many + "}" + closing), "config.json", "more than 65536", "70000 keys under 500 levels");
}

}  // namespace
}  // namespace tq::test
