// Files that are not what they claim to be: each is an error of one sentence.
#include <limits>

#include "text/vocabularies.h"

namespace tq::test {
namespace {

using nlohmann::json;

/// Checks that there is an error of this code, in one line without a full stop.
void expect_refused(const Result<TokenizerPointer>& result, ErrorCode code, const std::string& what) {
  ASSERT_FALSE(result.has_value()) << what;
  EXPECT_EQ(result.error().code, code) << what << ": " << result.error().message;
  EXPECT_FALSE(result.error().message.empty()) << what;
  EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << result.error().message;
  EXPECT_FALSE(result.error().message.ends_with('.')) << result.error().message;
}

struct Change {
  std::string what, key;
  Metadata::Value value;
  ErrorCode code = ErrorCode::kBadFile;
};

void expect_all_refused(const Metadata& good, const std::vector<Change>& changes) {
  ASSERT_TRUE(Tokenizer::from_metadata(good).has_value());
  for (const Change& change : changes) {
    Metadata bad = good;
    bad.set(change.key, change.value);
    expect_refused(Tokenizer::from_metadata(bad), change.code, change.what);
  }
}

Metadata::Strings with(Metadata::Strings list, const std::string& value) {
  list.push_back(value);
  return list;
}

TEST(Malformed, byte_level_metadata) {
  const Metadata good = byte_metadata({{"a", "b"}});
  const Metadata::Strings tokens = *good.strings("tokenizer.ggml.tokens");
  const Metadata::Strings merges = *good.strings("tokenizer.ggml.merges");
  Metadata::Integers types(tokens.size(), 1);
  types[5] = 7;
  expect_all_refused(
      good, {{"no tokens", "tokenizer.ggml.tokens", Metadata::Strings{}},
             {"tokens of another type", "tokenizer.ggml.tokens", std::int64_t{3}},
             {"more tokens than types", "tokenizer.ggml.tokens", with(tokens, "x y")},
             {"fewer types than tokens", "tokenizer.ggml.token_type", Metadata::Integers{1}},
             {"types that are texts", "tokenizer.ggml.token_type", Metadata::Strings(tokens.size(), "1")},
             {"an unknown type", "tokenizer.ggml.token_type", types},
             {"merges of another type", "tokenizer.ggml.merges", std::string("a b")},
             {"a merge of one piece", "tokenizer.ggml.merges", with(merges, "ab")},
             {"an empty merge", "tokenizer.ggml.merges", with(merges, "")},
             {"a merge with nothing behind the space", "tokenizer.ggml.merges", with(merges, "a ")},
             {"a merge of an unknown left piece", "tokenizer.ggml.merges", with(merges, "zz a")},
             {"a merge of an unknown right piece", "tokenizer.ggml.merges", with(merges, "a zz")},
             {"a merge into an unknown piece", "tokenizer.ggml.merges", with(merges, "b a")},
             {"a BOS behind the vocabulary", "tokenizer.ggml.bos_token_id", static_cast<std::int64_t>(tokens.size())},
             {"a negative EOS", "tokenizer.ggml.eos_token_id", std::int64_t{-2}},
             {"a BOS of 2^63", "tokenizer.ggml.bos_token_id", std::uint64_t{1} << 63},
             {"a BOS that is a text", "tokenizer.ggml.bos_token_id", std::string("a")},
             {"an unknown pre-tokenizer", "tokenizer.ggml.pre", std::string("nobody"), ErrorCode::kUsage},
             {"an unknown kind", "tokenizer.ggml.model", std::string("rwkv"), ErrorCode::kUsage},
             {"a kind that is a number", "tokenizer.ggml.model", std::int64_t{1}, ErrorCode::kUsage}});
  expect_refused(Tokenizer::from_metadata(Metadata()), ErrorCode::kUsage, "no tokenizer at all");

  Metadata bad = good;
  add_token(bad, "ab", 1);
  expect_refused(Tokenizer::from_metadata(bad), ErrorCode::kBadFile, "a token twice");
  bad = good;
  add_token(bad, std::string(5000, 'a'), 1);
  expect_refused(Tokenizer::from_metadata(bad), ErrorCode::kBadFile, "a token longer than any");
  bad = good;
  Metadata::Strings many = tokens;
  for (char c = 'a'; c <= 'z'; ++c) {
    for (int n = 1; n <= 50; ++n) many.push_back(std::string(4000, c) + std::to_string(n));
  }
  bad.set("tokenizer.ggml.token_type", Metadata::Integers(many.size(), 4));
  bad.set("tokenizer.ggml.tokens", many);
  expect_refused(Tokenizer::from_metadata(bad), ErrorCode::kBadFile, "megabytes of user-defined tokens");
  bad = good;
  bad.set("tokenizer.ggml.tokens", Metadata::Strings(tokens.begin() + 'z', tokens.end()));
  bad.set("tokenizer.ggml.token_type", Metadata::Integers(tokens.size() - 'z', 1));
  bad.set("tokenizer.ggml.merges", Metadata::Strings{});
  ASSERT_TRUE(Tokenizer::from_metadata(bad).has_value()) << "U+FFFD can still be said";
  bad.set("tokenizer.ggml.tokens", Metadata::Strings{"a"});
  bad.set("tokenizer.ggml.token_type", Metadata::Integers{1});
  expect_refused(Tokenizer::from_metadata(bad), ErrorCode::kBadFile, "no bytes");
}

TEST(Malformed, ggml_writes_no_token_as_minus_one) {
  Metadata metadata = byte_metadata({});
  metadata.set("tokenizer.ggml.bos_token_id", std::int64_t{-1});
  metadata.set("tokenizer.ggml.eos_token_id", std::int64_t{0xFFFFFFFF});
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->eos(), std::nullopt);
}

TEST(Malformed, score_metadata) {
  const Metadata good = score_metadata({{"▁", -1}, {"a", -2}});
  const std::size_t count = good.strings("tokenizer.ggml.tokens")->size();
  Metadata::Numbers nan(count, 0), infinite(count, 0);
  nan[7] = std::numeric_limits<double>::quiet_NaN();
  infinite[7] = -std::numeric_limits<double>::infinity();
  Metadata::Integers no_bytes(count, 1);
  expect_all_refused(
      good, {{"fewer scores than tokens", "tokenizer.ggml.scores", Metadata::Numbers{1, 2}},
             {"scores that are integers", "tokenizer.ggml.scores", Metadata::Integers(count, 0)},
             {"a score that is NaN", "tokenizer.ggml.scores", nan},
             {"a score that is infinite", "tokenizer.ggml.scores", infinite},
             {"an unknown token behind the vocabulary", "tokenizer.ggml.unknown_token_id", std::int64_t{9999}}});
  Metadata bad = good;
  bad.set("tokenizer.ggml.token_type", no_bytes);
  bad.set("tokenizer.ggml.unknown_token_id", std::int64_t{-1});
  expect_refused(Tokenizer::from_metadata(bad), ErrorCode::kBadFile, "neither bytes nor unknown");
  bad = good;
  add_token(bad, "<0xZZ>", 6);
  expect_refused(Tokenizer::from_metadata(bad), ErrorCode::kBadFile, "a byte token that is no byte");
}

TEST(Malformed, tokenizer_bin_cut_at_every_byte) {
  // The longest piece comes last, so no cut leaves a file that could be whole.
  const std::string file = llama2c_bytes({{" ", -1}, {"a", -2}, {" a long piece", -3}});
  ASSERT_TRUE(Tokenizer::from_llama2c(bytes_of(file)).has_value());
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string cut = file.substr(0, size);
    expect_refused(Tokenizer::from_llama2c(bytes_of(cut)), ErrorCode::kBadFile, "cut at " + std::to_string(size));
  }
}

TEST(Malformed, tokenizer_bin) {
  const std::string good = llama2c_bytes({{" ", -1}, {"a", -2}});
  const auto overwritten = [&](std::size_t at, auto value) {
    std::string bad = good;
    std::memcpy(bad.data() + at, &value, sizeof value);
    return bad;
  };
  const std::vector<std::pair<std::string, std::string>> files = {
      {"a score that is NaN", overwritten(4, std::numeric_limits<float>::quiet_NaN())},
      {"a length of -1", overwritten(8, std::int32_t{-1})},
      {"a length of 2^31", overwritten(8, std::uint32_t{1} << 31)},
      {"a longest token that is not there", overwritten(0, std::uint32_t{1000})},
      {"no byte tokens", overwritten(good.size() - 9 * 2 - 5, 'x')},
      {"a token twice", llama2c_bytes({{"a", -1}, {"a", -2}})},
      {"a space and the mark of a space", llama2c_bytes({{" ", -1}, {"▁", -2}})},
      {"a byte too many", good + "x"},
      {"a token longer than any", llama2c_bytes({{std::string(5000, 'a'), -1}})}};
  for (const auto& [what, file] : files)
    expect_refused(Tokenizer::from_llama2c(bytes_of(file)), ErrorCode::kBadFile, what);
}

TEST(Malformed, tokenizer_json) {
  const json good = byte_json({{"a", "b"}});
  ASSERT_TRUE(Tokenizer::from_json(good.dump(), "").has_value());
  const json end = {{"content", "<|end|>"}, {"id", 257}};
  const std::vector<std::pair<std::string, json>> changes = {
      {"/model", nullptr},
      {"/model", 3},
      {"/model/vocab", nullptr},
      {"/model/vocab", {"a", "b"}},
      {"/model/vocab/new", -1},
      {"/model/vocab/new", 1.5},
      {"/model/vocab/new", "7"},
      {"/model/vocab/new", 0},  // the id of another token
      {"/model/vocab/new", 4000000000U},
      {"/model/vocab/new", 4000000},  // more than a file of that size can list
      {"/model/merges", nullptr},
      {"/model/merges/0", "ab"},
      {"/model/merges/0", {"a"}},
      {"/model/merges/0", {"a", "b", "c"}},
      {"/model/merges/0", {"a", 3}},
      {"/model/merges/0", "a zz"},
      {"/model/unk_token", "nowhere"},
      {"/added_tokens", {{{"id", 257}}}},
      {"/added_tokens", {{{"content", "x"}}}},
      {"/added_tokens", {{{"content", "x"}, {"id", 0}}}},
      {"/added_tokens", {end, {{"content", "<|end|>"}, {"id", 258}}}},
      {"/added_tokens", {7}},
      {"/added_tokens", "none"}};
  for (const auto& [where, value] : changes) {
    json bad = good;
    bad[json::json_pointer(where)] = value;
    expect_refused(Tokenizer::from_json(bad.dump(), ""), ErrorCode::kBadFile, where + " = " + value.dump());
  }
}

TEST(Malformed, a_vocabulary_and_merges) {
  const std::string config = R"({"tokenizer_class":"GPT2Tokenizer"})";
  const json good = byte_json({{"a", "b"}})["model"]["vocab"];
  const auto read = [&](const std::string& tokens, const std::string& merges) {
    return Tokenizer::from_vocab_and_merges(tokens, merges, config);
  };
  ASSERT_TRUE(read(good.dump(), "a b\n\na b").has_value());
  for (const char* merges : {"ab", "a ", " ", "a zz", "b a", "a b c", "#version: 0.2\n#version: 0.2", "a b\n\xff"})
    expect_refused(read(good.dump(), merges), ErrorCode::kBadFile, std::string("merges ") + merges);
  for (const char* tokens : {"", "[]", "{", "{}", R"({"a":0,"b":1,"ab":2})"})
    expect_refused(read(tokens, "a b"), ErrorCode::kBadFile, std::string("vocabulary ") + tokens);
  for (const json& id : {json(-1), json(0.5), json("0"), json(0), json(4194304), json(INT64_MAX)}) {
    json bad = good;
    bad["ab"] = id;
    expect_refused(read(bad.dump(), "a b"), ErrorCode::kBadFile, "the id " + id.dump());
  }
  std::string twice = good.dump();
  twice.insert(1, "\"a\":300,");
  expect_refused(read(twice, "a b"), ErrorCode::kBadFile, "a token twice");
  for (const char* other : {"", "{}", R"({"tokenizer_class":"BertTokenizer"})", R"({"pre_tokenizer":"none"})"})
    expect_refused(Tokenizer::from_vocab_and_merges(good.dump(), "a b", other), ErrorCode::kUsage,
                   std::string("config ") + other);
}

TEST(Malformed, json_that_is_none) {
  const std::string good = byte_json({}).dump();
  std::string deep = good, latin1 = good;
  deep.insert(1, "\"x\":" + std::string(100'000, '[') + std::string(100'000, ']') + ",");
  latin1.insert(1, "\"x\":\"\xe9\",");
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("null"), good.substr(0, good.size() / 2), deep, latin1}) {
    expect_refused(Tokenizer::from_json(text, ""), ErrorCode::kBadFile, text.substr(0, 40));
    if (!text.empty())
      expect_refused(Tokenizer::from_json(good, text), ErrorCode::kBadFile, "config " + text.substr(0, 40));
  }
  // A key that stands twice: the token would have two ids.
  std::string twice = good;
  twice.insert(twice.find("\"vocab\":{") + 9, "\"a\":300,");
  expect_refused(Tokenizer::from_json(twice, ""), ErrorCode::kBadFile, "a token twice");
}

}  // namespace
}  // namespace tq::test
