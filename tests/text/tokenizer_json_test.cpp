#include "text/vocabularies.h"

namespace tq::test {
namespace {

using nlohmann::json;

TokenizerPointer open(const json& file, const std::string& config = "") {
  return must(Tokenizer::from_json(file.dump(), config));
}

/// The code of the error; the test fails when there is none.
ErrorCode refusal(const json& file, const std::string& config = "") {
  const auto result = Tokenizer::from_json(file.dump(), config);
  EXPECT_FALSE(result.has_value()) << file["pre_tokenizer"];
  return result ? ErrorCode::kFailed : result.error().code;
}

TEST(TokenizerJson, both_spellings_of_merges_mean_the_same) {
  json pairs = byte_json({{"a", "b"}, {"ab", "c"}});
  pairs["model"]["merges"] = json::parse(R"([["a", "b"], ["ab", "c"]])");
  EXPECT_EQ(open(pairs)->encode("abc ab"), open(byte_json({{"a", "b"}, {"ab", "c"}}))->encode("abc ab"));
  EXPECT_EQ(open(pairs)->encode("abc"), (Ids{257}));
}

TEST(TokenizerJson, added_tokens_may_lie_behind_the_vocabulary) {
  json file = byte_json({});
  file["added_tokens"] = {{{"id", 256}, {"content", "<|end|>"}, {"special", true}},
                          {{"id", 300}, {"content", "<tool>"}, {"special", false}, {"rstrip", true}, {"lstrip", true}}};
  const TokenizerPointer tokenizer = open(file, R"({"eos_token": {"content": "<|end|>"}, "bos_token": null})");
  EXPECT_EQ(tokenizer->vocab_size(), 301U);
  EXPECT_EQ(tokenizer->eos(), 256);
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->encode("a \n<tool>  b"), (Ids{'a', 300, 'b'}));
  EXPECT_EQ(tokenizer->piece(299), "") << "an id in the gap has no text";
  EXPECT_EQ(tokenizer->encode("<|end|>", {.parse_special = true}), (Ids{256}));
}

TEST(TokenizerJson, bos_comes_from_the_config_or_the_post_processor) {
  json file = byte_json({});
  file["added_tokens"] = {{{"id", 256}, {"content", "<|begin|>"}, {"special", true}}};
  const json post = {{"type", "TemplateProcessing"},
                     {"single", {{{"SpecialToken", {{"id", "<|begin|>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
  file["post_processor"] = {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, post}}};
  EXPECT_EQ(open(file)->encode("a"), (Ids{256, 'a'}));
  EXPECT_TRUE(open(file, R"({"bos_token": "<|begin|>"})")->adds_bos());
  EXPECT_FALSE(open(file, R"({"bos_token": "<|begin|>", "add_bos_token": false})")->adds_bos());
  EXPECT_EQ(refusal(file, R"({"bos_token": "<|elsewhere|>"})"), ErrorCode::kBadFile);
}

TEST(TokenizerJson, nfc_is_applied_where_the_file_asks) {
  json file = byte_json({});
  EXPECT_EQ(open(file)->decode(open(file)->encode("e\u0301")), "e\u0301");
  file["normalizer"] = {{"type", "NFC"}};
  const TokenizerPointer tokenizer = open(file);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("e\u0301")), "\u00e9");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("e\u0301\xff")), "\u00e9\xff") << "beside bytes that are not UTF-8";
}

TEST(TokenizerJson, marks_without_end_are_not_sorted) {
  // Canonical ordering of n marks takes n² steps; a megabyte of them would hang.
  json file = byte_json({});
  file["normalizer"] = {{"type", "NFC"}};
  std::string text = "a";
  for (int i = 0; i < 250'000; ++i) text += i % 2 == 0 ? "\u0301" : "\u0316";
  EXPECT_EQ(open(file)->decode(open(file)->encode(text)), text);
}

TEST(TokenizerJson, each_pipeline_is_recognised_by_its_patterns) {
  json file = byte_json({});
  EXPECT_EQ(open(file)->kind(), "gpt2 gpt-2");
  const json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  file["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, byte_level}}};
  EXPECT_EQ(open(file)->kind(), "gpt2 starcoder");
  file["pre_tokenizer"] = json::parse(contents_of(pycoder() / "tokenizer.json"))["pre_tokenizer"];
  EXPECT_EQ(open(file)->kind(), "gpt2 llama-bpe");
}

TEST(TokenizerJson, steps_that_are_not_built_are_refused_and_not_skipped) {
  const json plain = byte_json({});
  const std::vector<std::pair<std::string, json>> changes = {
      {"/normalizer", {{"type", "Lowercase"}}},
      {"/normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "NFKC"}}}}}},
      {"/pre_tokenizer", nullptr},
      {"/pre_tokenizer", {{"type", "Whitespace"}}},
      {"/pre_tokenizer/add_prefix_space", true},
      {"/pre_tokenizer/use_regex", false},
      {"/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}}},
      {"/model/type", "Unigram"},
      {"/model/end_of_word_suffix", "</w>"},
      {"/model/continuing_subword_prefix", "##"},
      {"/added_tokens", {{{"id", 256}, {"content", "x"}, {"single_word", true}}}}};
  for (const auto& [where, value] : changes) {
    json file = plain;
    file[json::json_pointer(where)] = value;
    EXPECT_EQ(refusal(file), ErrorCode::kUsage) << where;
  }
}

}  // namespace
}  // namespace tq::test
