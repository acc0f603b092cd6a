// One prompt at every level, against sessions that are driven by hand.
#include "turboquant/compare.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "support/python_text.h"
#include "support/short_pycoder.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

constexpr std::size_t kTokens = 24;
const std::string kPrompt = "import os\n\n\ndef read_lines(path):\n    \"\"\"Return the lines of a file.\"\"\"\n";

Result<CompareReport> compare(const CompareOptions& options, const std::string& prompt = kPrompt,
                              const Progress& progress = {}) {
  return compare_levels(test::must(TensorFile::open(test::short_pycoder_gguf())), *test::pycoder_tokenizer(), prompt,
                        options, progress);
}

/// Greedy text, or, with `words`, what would have been said where they stand.
std::vector<TokenId> said(const std::string& cache, std::span<const TokenId> words = {}) {
  const auto session = test::open_session(test::load(test::short_pycoder_gguf()), {.cache = cache});
  std::vector<float> logits(session->model().config().vocab_size);
  std::vector<TokenId> pending = test::pycoder_tokenizer()->encode(kPrompt), tokens;
  for (std::size_t i = 0; i < kTokens; ++i) {
    test::must(session->append(pending, 1, logits));
    tokens.push_back(argmax(logits));
    pending = {words.empty() ? tokens.back() : words[i]};
  }
  return tokens;
}

double share_of_equals(const std::vector<TokenId>& a, const std::vector<TokenId>& b) {
  std::size_t same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i] ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(a.size());
}

TEST(Compare, texts_and_shares_are_those_of_sessions_driven_by_hand) {
  const std::vector<std::string> caches = {"f32", "tq4", "tq1", "tq1+recent=8"};
  const CompareReport report = test::must(compare({.kv = caches, .tokens = kTokens, .threads = 2}));
  const std::vector<TokenId> base = said("f32");
  EXPECT_EQ(report.base.tokens, base);
  ASSERT_EQ(report.rows.size(), caches.size());
  for (std::size_t i = 0; i < caches.size(); ++i) {
    const CompareRow& row = report.rows[i];
    EXPECT_EQ(row.tokens, said(caches[i])) << caches[i];
    EXPECT_EQ(row.text, test::pycoder_tokenizer()->decode(row.tokens));
    EXPECT_EQ(row.level.continuation.tokens, kTokens);
    EXPECT_EQ(row.level.continuation.token_accuracy, share_of_equals(base, said(caches[i], base))) << caches[i];
    const auto differs = std::ranges::mismatch(row.tokens, base).in1 - row.tokens.begin();
    if (row.first_divergence) EXPECT_EQ(*row.first_divergence, static_cast<std::size_t>(differs));
    EXPECT_EQ(row.first_divergence.has_value(), row.tokens != base);
    EXPECT_GT(row.level.decode_tps, 0);
    EXPECT_GT(row.level.peak_rss_bytes, 0U);
  }
  EXPECT_FALSE(report.rows[0].first_divergence.has_value());
  EXPECT_TRUE(report.rows[2].first_divergence.has_value()) << "one bit leaves the base, or this test shows nothing";
  EXPECT_LT(report.rows[1].level.kv_bytes, report.base.level.kv_bytes / 4) << "whole groups of 32 rows of 4.25 bits";
}

TEST(Compare, json_has_what_the_interface_promises) {
  const CompareReport report = test::must(compare({.weights = {"", "tq2"}, .kv = {"f16"}, .tokens = 8}));
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("schema"), "turboquant.compare/1");
  EXPECT_EQ(json.at("prompt"), kPrompt);
  ASSERT_EQ(json.at("rows").size(), 2U);
  const auto& row = json.at("rows")[1];
  EXPECT_EQ(row.at("weights"), "tq2");
  EXPECT_EQ(row.at("kv"), "f16");
  for (const char* field : {"text", "tokens", "first_divergence", "token_accuracy", "kv_bytes", "decode_tps"})
    EXPECT_TRUE(row.contains(field)) << field;
  EXPECT_EQ(row.at("tokens").size(), 8U);
  EXPECT_TRUE(row.at("parses").is_null()) << "nobody has looked";
  EXPECT_NE(to_table(report).find("tq2"), std::string::npos);
  EXPECT_NE(to_html(report).find("turboquant.compare/1"), std::string::npos);
}

TEST(Compare, what_cannot_be_asked_for_is_refused_before_anything_runs) {
  const auto refuse = [](const CompareOptions& options, const std::string& prompt, const char* why) {
    bool ran = false;
    const auto report = compare(options, prompt, [&](std::uint64_t, std::uint64_t) { return ran = true; });
    ASSERT_FALSE(report.has_value()) << why;
    EXPECT_EQ(report.error().code, ErrorCode::kUsage) << why;
    EXPECT_NE(report.error().message.find(why), std::string::npos) << report.error().message;
    EXPECT_FALSE(ran) << why;
  };
  refuse({.tokens = 8}, "", "empty");
  refuse({.tokens = 0}, "a", "at least one");
  refuse({.tokens = 1U << 20}, "a", "trained for 4096");
  refuse({.kv = {"tq10"}, .tokens = 8}, "a", "tq10");
  refuse({.weights = {"tq0"}, .tokens = 8}, "a", "tq0");
  refuse({.base_kv = "f33", .tokens = 8}, "a", "f33");
}

TEST(Compare, stops_when_it_is_told_to) {
  for (const std::uint64_t after : {1U, 20U}) {
    std::uint64_t calls = 0;
    const auto report =
        compare({.kv = {"tq2"}, .tokens = 16}, kPrompt, [&](std::uint64_t, std::uint64_t) { return ++calls < after; });
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
  }
}

}  // namespace
}  // namespace tq
