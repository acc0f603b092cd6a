#include <algorithm>
#include <cstdio>

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
      {"/normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "StripAccents"}}}}}},
      {"/normalizer", {{"type", "Prepend"}, {"prepend", "▁"}}},
      {"/normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"content", ""}}},
      {"/pre_tokenizer", nullptr},
      {"/pre_tokenizer", {{"type", "Whitespace"}}},
      {"/pre_tokenizer/use_regex", false},
      {"/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "(a+)+$"}}}, {"behavior", "Isolated"}}},
      {"/model/type", "Unigram"},
      {"/model/type", "WordPiece"},
      {"/model/end_of_word_suffix", "</w>"},
      {"/model/continuing_subword_prefix", "##"}};
  for (const auto& [where, value] : changes) {
    json file = plain;
    file[json::json_pointer(where)] = value;
    EXPECT_EQ(refusal(file), ErrorCode::kUsage) << where << value;
  }
}

/// BPE with marks for spaces and byte tokens, as Llama 2, Gemma and Phi-3 have it.
json marks_json() {
  json file;
  file["model"] = {{"type", "BPE"}, {"byte_fallback", true}, {"unk_token", "<unk>"}};
  const std::vector<std::string> first = {"<unk>", "<s>", "</s>"};
  for (const std::string& text : first) file["model"]["vocab"][text] = file["model"]["vocab"].size();
  char text[8];
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    file["model"]["vocab"][text] = file["model"]["vocab"].size();
  }
  for (const std::string piece : {"▁", "a", "b", "▁a", "ab", "▁ab"}) {
    file["model"]["vocab"][piece] = file["model"]["vocab"].size();
  }
  file["model"]["merges"] = {"▁ a", "a b", "▁a b", "▁ ab"};
  for (int id = 0; id < 3; ++id) {
    file["added_tokens"].push_back({{"id", id}, {"content", first[static_cast<std::size_t>(id)]}, {"special", true}});
  }
  return file;
}

constexpr TokenId kMark = 259, kA = 260, kB = 261, kMarkA = 262, kMarkAb = 264;

TEST(TokenizerJson, spaces_are_marked_as_each_family_says) {
  const json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  const json prepend = {{"type", "Prepend"}, {"prepend", "▁"}};
  json llama = marks_json(), gemma = marks_json(), mistral = marks_json();
  llama["normalizer"] = {{"type", "Sequence"}, {"normalizers", {prepend, replace}}};
  gemma["normalizer"] = replace;
  gemma["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
  mistral["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "first"}, {"split", false}};
  const EncodeOptions special{.parse_special = true};
  EXPECT_EQ(open(llama)->encode("ab</s>a", special), (Ids{kMarkAb, 2, kMarkA}));
  EXPECT_EQ(open(llama)->encode(" a"), (Ids{kMark, kMarkA}));
  EXPECT_EQ(open(gemma)->encode("a a</s> a", special), (Ids{kA, kMarkA, 2, kMarkA}));
  EXPECT_EQ(open(mistral)->encode("a</s>a", special), (Ids{kMarkA, 2, kA}));
  EXPECT_EQ(open(mistral)->encode(" a"), (Ids{kMarkA})) << "there is a space already";
  EXPECT_EQ(open(mistral)->decode(Ids{kMarkA, kMarkA}), "a a");
}

TEST(TokenizerJson, only_listed_pairs_merge) {
  json file = marks_json();
  file["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  file["model"]["merges"] = {"▁ a"};
  EXPECT_EQ(open(file)->encode("ab"), (Ids{kA, kB})) << "'ab' is a token, and no merge makes it";
}

TEST(TokenizerJson, a_merge_cannot_spell_a_control_token) {
  json file = marks_json();
  file["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}};
  for (const std::string piece : {"<", "s", ">", "<s"}) file["model"]["vocab"][piece] = file["model"]["vocab"].size();
  file["model"]["merges"] = {"< s", "<s >"};
  EXPECT_EQ(open(file)->encode("<s>"), (Ids{268, 267}));
}

TEST(TokenizerJson, single_words_stand_alone) {
  json file = byte_json({});
  file["added_tokens"] = {{{"id", 256}, {"content", "cat"}, {"special", false}, {"single_word", true}}};
  const TokenizerPointer tokenizer = open(file);
  EXPECT_EQ(tokenizer->encode("cat"), (Ids{256}));
  EXPECT_EQ(tokenizer->encode("(cat)"), (Ids{'(', 256, ')'}));
  for (const std::string text : {"cats", "scat", "cat_", "écat", "cat\u0301", "7cat"}) {
    const Ids ids = tokenizer->encode(text);
    EXPECT_EQ(std::ranges::count(ids, 256), 0) << text;
  }
}

TEST(TokenizerJson, added_tokens_take_all_white_space_along) {
  json file = byte_json({});
  file["added_tokens"] = {{{"id", 256}, {"content", "<t>"}, {"special", false}, {"lstrip", true}, {"rstrip", true}}};
  EXPECT_EQ(open(file)->encode("a\u3000\u00a0<t>\u2028\n<t> b"), (Ids{'a', 256, 256, 'b'}));
  EXPECT_EQ(open(file)->encode("\u180e<t>").size(), 4U) << "U+180E is no white space";
}

TEST(TokenizerJson, normalized_tokens_are_found_in_normalized_text) {
  json file = byte_json({});
  file["normalizer"] = {{"type", "NFC"}};
  file["added_tokens"] = {{{"id", 256}, {"content", "caf\u00e9"}, {"special", false}, {"normalized", true}},
                          {{"id", 257}, {"content", "th\u00e9"}, {"special", false}, {"normalized", false}}};
  const TokenizerPointer tokenizer = open(file);
  EXPECT_EQ(tokenizer->encode("cafe\u0301"), (Ids{256}));
  EXPECT_EQ(tokenizer->encode("th\u00e9"), (Ids{257}));
  const Ids ids = tokenizer->encode("the\u0301");
  EXPECT_EQ(std::ranges::count(ids, 257), 0);
}

TEST(TokenizerJson, a_space_in_front_of_the_first_word) {
  json file = byte_json({});
  file["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_EQ(open(file)->encode("a"), (Ids{' ', 'a'}));
  EXPECT_EQ(open(file)->encode(" a"), (Ids{' ', 'a'}));
  EXPECT_EQ(open(file)->encode("\na"), (Ids{' ', '\n', 'a'}));
}

TEST(TokenizerJson, unigram) {
  json file;
  file["model"] = {{"type", "Unigram"}, {"unk_id", 0}};
  file["model"]["vocab"] =
      json::parse(R"([["<unk>", 0], ["▁", -2], ["a", -3], ["▁a", -4], ["aa", -3.5], ["▁aa", -9]])");
  file["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}};
  const TokenizerPointer tokenizer = open(file);
  EXPECT_EQ(tokenizer->kind(), "t5");
  EXPECT_EQ(tokenizer->encode("a aa"), (Ids{3, 1, 4})) << "-4 beats -2-3; -2-3.5 beats -4-3 and -9";
  EXPECT_EQ(tokenizer->encode("axya"), (Ids{3, 0, 2})) << "a run of unknown characters is one token";
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a aa")), "a aa");
}

}  // namespace
}  // namespace tq::test
