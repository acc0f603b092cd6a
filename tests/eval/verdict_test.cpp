// The words of a report: each rule of VerdictRules at its edge.
#include <gtest/gtest.h>

#include <limits>

#include "turboquant/report.h"

namespace tq {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

EvalRow row(double kld, double top1, double ratio, double ratio_se = 0.002) {
  EvalRow made;
  made.weights = "f16";
  made.text.ppl = 4 * ratio;
  made.text.kld_mean = kld;
  made.text.kld_mean_se = kld / 30;
  made.text.top1_agreement = top1;
  made.text.ppl_ratio = ratio;
  made.text.ppl_ratio_se = ratio_se;
  return made;
}

EvalRow named(EvalRow made, const std::string& kv, std::uint64_t kv_bytes) {
  made.kv = kv;
  made.kv_bytes = kv_bytes;
  return made;
}

EvalReport ladder() {
  EvalReport report;
  report.settings.scored_tokens = 5000;
  report.rows = {named(row(1e-7, 1, 1), "f16", 2048 << 10),          named(row(4e-5, 0.998, 1), "q8_0", 1088 << 10),
                 named(row(0.010, 0.957, 1.008), "q4_0", 576 << 10), named(row(0.0054, 0.966, 1.001), "tt4", 544 << 10),
                 named(row(0.2, 0.8, 1.2), "tq2", 288 << 10),        named(row(3, 0.3, 9), "q2_k", 200 << 10)};
  return report;
}

TEST(Verdict, each_rule_at_its_edge) {
  using enum Verdict;
  EXPECT_EQ(judge(row(4e-5, 0.990, 1.003), 5000), kIndistinguishable) << "within two errors";
  EXPECT_EQ(judge(row(4e-5, 0.989, 1.000), 5000), kClose) << "the top token differs too often";
  EXPECT_EQ(judge(row(4e-5, 0.998, 1.007), 5000), kClose) << "the perplexity is outside its error";
  EXPECT_EQ(judge(row(4e-5, 0.998, 0.993), 5000), kClose) << "a better perplexity is a difference, too";
  EXPECT_EQ(judge(row(0.01, 0.950, 1.015), 5000), kClose);
  EXPECT_EQ(judge(row(0.01, 0.949, 1.000), 5000), kWorse);
  EXPECT_EQ(judge(row(0.01, 0.990, 1.017), 5000), kWorse);
  EXPECT_EQ(judge(row(2, 0.500, 1.99), 5000), kWorse);
  EXPECT_EQ(judge(row(2, 0.499, 1.50), 5000), kCollapsed);
  EXPECT_EQ(judge(row(2, 0.800, 2.00), 5000), kCollapsed);
}

TEST(Verdict, rounding_is_no_damage_even_where_a_near_tie_flips) {
  EXPECT_EQ(judge(row(9e-7, 0.98, 1.0), 5000), Verdict::kIndistinguishable);
}

TEST(Verdict, few_tokens_prove_nothing) {
  EXPECT_EQ(judge(row(1e-7, 1, 1), 299), Verdict::kClose);
  EXPECT_EQ(judge(row(1e-7, 1, 1), 300), Verdict::kIndistinguishable);
  EXPECT_EQ(judge(row(1e-7, 1, 1), 0), std::nullopt);
}

TEST(Verdict, broken_numbers_never_look_better) {
  for (int broken = 0; broken < 4; ++broken) {
    EvalRow made = row(1e-7, 1, 1);
    (broken == 0   ? made.text.kld_mean
     : broken == 1 ? made.text.ppl
     : broken == 2 ? made.text.top1_agreement
                   : made.text.ppl_ratio) = kNaN;
    EXPECT_EQ(judge(made, 5000), Verdict::kCollapsed) << broken;
  }
}

TEST(BestBySize, leaves_out_what_a_smaller_row_beats_and_what_collapsed) {
  const std::vector<BestRow> best = best_by_size(ladder());
  ASSERT_EQ(best.size(), 4U) << "f16, q8_0, tt4, tq2";
  const std::vector<std::size_t> rows = {0, 1, 3, 4};
  for (std::size_t i = 0; i < best.size(); ++i) EXPECT_EQ(best[i].row, rows[i]);
  EXPECT_EQ(best[2].bytes, 544U << 10);
}

TEST(BestBySize, names_rows_that_the_error_does_not_tell_apart) {
  EvalReport report = ladder();
  report.rows.push_back(named(row(0.0055, 0.966, 1.001), "other", 544 << 10));  // errors of 0.0002: 0.0001 is less
  const std::vector<BestRow> best = best_by_size(report);
  ASSERT_EQ(best.size(), 4U);
  EXPECT_EQ(best[2].ties, std::vector<std::size_t>{6});
  EXPECT_TRUE(best[3].ties.empty());
}

TEST(BestBySize, a_paired_difference_tells_apart_what_two_errors_do_not) {
  EvalReport report = ladder();
  report.rows.push_back(named(row(0.0055, 0.966, 1.001), "other", 544 << 10));
  report.pairs = {{3, 6, {.kld = 1e-4, .kld_se = 1e-5}}};
  EXPECT_TRUE(best_by_size(report)[2].ties.empty());
  report.pairs = {{3, 6, {.kld = 1e-4, .kld_se = 1e-4}}};
  EXPECT_EQ(best_by_size(report)[2].ties, std::vector<std::size_t>{6});
}

TEST(PairedChange, differs_beyond_three_errors_and_never_by_nothing) {
  EXPECT_TRUE(differs({.kld = 3.1, .kld_se = 1}));
  EXPECT_TRUE(differs({.kld = -3.1, .kld_se = 1}));
  EXPECT_FALSE(differs({.kld = 2.9, .kld_se = 1}));
  EXPECT_FALSE(differs({.kld = 0, .kld_se = 0}));
  EXPECT_TRUE(differs({.kld = 1e-9, .kld_se = 0}));
  EXPECT_FALSE(differs({.kld = 1, .kld_se = kNaN}));
  EXPECT_FALSE(differs({.kld = kNaN, .kld_se = kNaN}));
}

TEST(Ranking, goes_from_the_closest_to_the_broken_with_changes_in_its_own_direction) {
  EvalReport report;
  report.settings.scored_tokens = 5000;
  report.rows = {named(row(0.2, 0.8, 1.2), "tq2", 1), named(row(kNaN, 0.3, 9), "broken", 1),
                 named(row(0.01, 0.9, 1.0), "tq4", 1), named(row(0.011, 0.9, 1.0), "q4_0", 1)};
  report.pairs = {
      {0, 2, {-0.19, 0.01, -0.2, 0.01}}, {0, 3, {-0.189, 0.01, -0.2, 0.01}}, {2, 3, {0.001, 0.001, 0, 0.1}}};
  const std::vector<RankedRow> ranked = ranking(report);
  ASSERT_EQ(ranked.size(), 4U);
  const std::vector<std::size_t> expected = {2, 3, 0, 1};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(ranked[i].row, expected[i]);
  EXPECT_FALSE(ranked[0].change.has_value());
  EXPECT_EQ(ranked[1].change.value().kld, 0.001);
  EXPECT_EQ(ranked[2].change.value().kld, 0.189) << "from q4_0 to tq2 it rises";
  EXPECT_FALSE(ranked[3].change.has_value()) << "a pair that nobody measured";
  EXPECT_EQ(summary_in_words(report).back(),
            "By KL divergence, token by token (< beyond chance, ≈ not): tq4 ≈ q4_0 < tq2.");
}

TEST(Words, say_what_holds_and_what_does_not) {
  const std::vector<std::string> words = summary_in_words(ladder());
  ASSERT_EQ(words.size(), 6U);
  EXPECT_EQ(words[0], "Indistinguishable from the base over 5000 tokens: f16; q8_0.");
  EXPECT_EQ(words[1], "Close, but measurably different: q4_0; tt4.");
  EXPECT_EQ(words[2], "Visibly worse: tq2.");
  EXPECT_EQ(words[3], "Collapsed: q2_k.");
  EXPECT_EQ(words[4], "The smallest that is indistinguishable: q8_0, 1.1 MiB.");
  EXPECT_EQ(words[5], "The smallest that is close: tt4, 544 KiB.");
}

TEST(Words, a_sample_that_is_too_small_or_cut_short_says_so_first) {
  EvalReport report = ladder();
  report.partial = true;
  report.settings.chunks = 1;
  report.settings.scored_tokens = 255;
  const std::vector<std::string> words = summary_in_words(report);
  EXPECT_EQ(words[0], "Interrupted: these are the figures of the first 1 windows.");
  EXPECT_NE(words[1].find("255 tokens are too few"), std::string::npos);
  report.settings.scored_tokens = 0;
  EXPECT_EQ(summary_in_words(report).size(), 2U);
}

TEST(Words, nothing_indistinguishable_is_said_not_left_out) {
  EvalReport report = ladder();
  report.rows.erase(report.rows.begin(), report.rows.begin() + 2);
  EXPECT_EQ(summary_in_words(report)[0], "Nothing here is indistinguishable from the base over 5000 tokens.");
}

TEST(Words, rows_are_called_by_what_they_differ_in) {
  EvalReport report = ladder();
  report.rows[1].weights = "tq4";
  EXPECT_EQ(row_name(report, report.rows[1]), "weights tq4, cache q8_0");
  report.rows.resize(2);
  report.rows[1].kv = report.rows[0].kv;
  EXPECT_EQ(row_name(report, report.rows[1]), "tq4");
  EXPECT_EQ(compared_bytes(report, report.rows[1]), report.rows[1].weights_bytes);
}

}  // namespace
}  // namespace tq
