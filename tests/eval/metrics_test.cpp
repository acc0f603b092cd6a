// Comparison and Continuation against the definitions, computed again in long double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "eval/row_pairs.h"
#include "eval/statistics.h"
#include "support/random_rows.h"
#include "turboquant/eval.h"

namespace tq {
namespace {

constexpr std::size_t kVocab = 50, kPositions = 40;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

struct Sample {
  std::vector<float> base, logits;  // kPositions x kVocab
  std::vector<TokenId> next;
};

Sample sample(double noise) {
  Sample s{test::gaussian(kPositions * kVocab, 1), {}, {}};
  for (float& logit : s.base) logit *= 3;
  s.logits = s.base;
  const std::vector<float> error = test::gaussian(s.base.size(), 2);
  for (std::size_t i = 0; i < s.logits.size(); ++i) s.logits[i] += static_cast<float>(noise) * error[i];
  for (std::size_t i = 0; i < kPositions; ++i) s.next.push_back(static_cast<TokenId>(i * 7 % kVocab));
  return s;
}

std::span<const float> row(const std::vector<float>& rows, std::size_t i) {
  return std::span(rows).subspan(i * kVocab, kVocab);
}

std::vector<long double> log_softmax(std::span<const float> logits) {
  long double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<long double>(logit));
  std::vector<long double> result;
  for (const float logit : logits) result.push_back(static_cast<long double>(logit) - std::log(sum));
  return result;
}

Comparison::Summary compare(const Sample& s, std::size_t begin = 0, std::size_t end = kPositions) {
  Comparison comparison;
  for (std::size_t i = begin; i < end; ++i) comparison.add(row(s.base, i), row(s.logits, i), s.next[i]);
  return comparison.summary();
}

Comparison compared(const Sample& s) {
  Comparison comparison;
  for (std::size_t i = 0; i < kPositions; ++i) comparison.add(row(s.base, i), row(s.logits, i), s.next[i]);
  return comparison;
}

TEST(Comparison, every_figure_is_its_definition) {
  const Sample s = sample(0.3);
  long double nll = 0, base_nll = 0, squares = 0, kld = 0, abs = 0, delta = 0, ratio_squares = 0;
  std::vector<double> klds;
  std::vector<long double> nlls, ratios;
  int agreed = 0;
  for (std::size_t i = 0; i < kPositions; ++i) {
    const auto p = log_softmax(row(s.base, i)), q = log_softmax(row(s.logits, i));
    const auto next = static_cast<std::size_t>(s.next[i]);
    long double divergence = 0;
    for (std::size_t v = 0; v < kVocab; ++v) {
      divergence += std::exp(p[v]) * (p[v] - q[v]);
      abs += std::abs(static_cast<long double>(s.base[i * kVocab + v]) -
                      static_cast<long double>(s.logits[i * kVocab + v])) /
             kVocab;
    }
    klds.push_back(static_cast<double>(divergence));
    nlls.push_back(-q[next]);
    ratios.push_back(p[next] - q[next]);
    kld += divergence / kPositions;
    nll -= q[next] / kPositions;
    base_nll -= p[next] / kPositions;
    delta += std::pow(std::exp(q[next]) - std::exp(p[next]), 2) / kPositions;
    agreed +=
        std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin() ? 1 : 0;
  }
  for (std::size_t i = 0; i < kPositions; ++i) {
    squares += std::pow(nlls[i] - nll, 2);
    ratio_squares += std::pow(ratios[i] - (nll - base_nll), 2);
  }
  const auto ppl = static_cast<double>(std::exp(nll)), base_ppl = static_cast<double>(std::exp(base_nll));
  const auto error = static_cast<double>(std::sqrt(squares / (kPositions - 1) / kPositions));
  const auto ratio_error = static_cast<double>(std::sqrt(ratio_squares / (kPositions - 1) / kPositions));
  const Comparison::Summary summary = compare(s);
  // Per position a float is kept: 2^-24 of values below 10.
  EXPECT_EQ(summary.tokens, kPositions);
  EXPECT_NEAR(summary.ppl, ppl, 1e-5 * ppl);
  EXPECT_NEAR(summary.ppl_se, ppl * error, 1e-5 * summary.ppl_se);
  EXPECT_NEAR(summary.base_ppl, base_ppl, 1e-5 * base_ppl);
  EXPECT_NEAR(summary.ppl_ratio, ppl / base_ppl, 1e-5);
  EXPECT_NEAR(summary.ppl_ratio_se, summary.ppl_ratio * ratio_error, 1e-5);
  EXPECT_NEAR(summary.kld_mean, static_cast<double>(kld), 1e-6);
  EXPECT_NEAR(summary.mae_logits, static_cast<double>(abs / kPositions), 1e-6);
  EXPECT_NEAR(summary.rms_delta_p, static_cast<double>(std::sqrt(delta)), 1e-6);
  EXPECT_DOUBLE_EQ(summary.top1_agreement, static_cast<double>(agreed) / kPositions);
  std::sort(klds.begin(), klds.end());
  EXPECT_NEAR(summary.kld_median, (klds[19] + klds[20]) / 2, 1e-6);
  EXPECT_NEAR(summary.kld_max, klds.back(), 1e-6);
  EXPECT_NEAR(summary.kld_p99, klds[38] + 0.61 * (klds[39] - klds[38]), 1e-6);  // position 0.99 · 39 = 38.61
}

TEST(Comparison, a_model_against_itself_is_exactly_equal) {
  const Comparison::Summary summary = compare(sample(0));
  EXPECT_EQ(summary.kld_mean, 0);
  EXPECT_EQ(summary.kld_max, 0);
  EXPECT_EQ(summary.ppl_ratio, 1);
  EXPECT_EQ(summary.top1_agreement, 1);
  EXPECT_EQ(summary.mae_logits, 0);
}

TEST(Comparison, merging_is_the_same_as_adding) {
  const Sample s = sample(0.5);
  Comparison whole, first, second;
  for (std::size_t i = 0; i < kPositions; ++i) {
    whole.add(row(s.base, i), row(s.logits, i), s.next[i]);
    (i < 13 ? first : second).add(row(s.base, i), row(s.logits, i), s.next[i]);
  }
  first.merge(second);
  const Comparison::Summary a = whole.summary(), b = first.summary();
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.kld_mean, b.kld_mean);
  EXPECT_EQ(a.kld_p99, b.kld_p99);
  EXPECT_EQ(a.ppl, b.ppl);
  EXPECT_EQ(a.ppl_ratio_se, b.ppl_ratio_se);
  EXPECT_NEAR(a.mae_logits, b.mae_logits, 1e-12);
}

TEST(Comparison, logits_that_are_not_finite_never_look_better) {
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    Sample s = sample(0.1);
    s.logits[3 * kVocab + 5] = bad;
    const Comparison::Summary summary = compare(s);
    EXPECT_TRUE(std::isnan(summary.ppl)) << bad;
    EXPECT_TRUE(std::isnan(summary.kld_mean));
    EXPECT_TRUE(std::isnan(summary.kld_max));
    EXPECT_TRUE(std::isnan(summary.mae_logits));
    EXPECT_LT(summary.top1_agreement, 1) << "the broken position must not count as agreement";
  }
}

TEST(Comparison, huge_logits_do_not_overflow) {
  Sample s = sample(0.1);
  for (float& logit : s.base) logit *= 1e6F;
  for (float& logit : s.logits) logit *= 1e6F;
  EXPECT_TRUE(std::isfinite(compare(s).kld_mean));
  EXPECT_GE(compare(s).kld_mean, 0);
}

TEST(Comparison, nothing_measured_is_not_a_number) {
  EXPECT_TRUE(std::isnan(Comparison().summary().ppl));
  EXPECT_TRUE(std::isnan(Comparison().summary().kld_max));
  EXPECT_TRUE(std::isnan(compare(sample(0.1), 0, 1).ppl_se)) << "one position has no standard error";
  EXPECT_TRUE(std::isfinite(compare(sample(0.1), 0, 1).ppl));
}

TEST(Continuation, accuracy_and_missed_divergence_are_their_definitions) {
  Continuation continuation;
  const std::vector<float> logits = {1, 3, 2, -1};
  continuation.add(logits, 1);  // reproduced
  continuation.add(logits, 2);  // missed by e^-1
  continuation.add(logits, 3);  // missed by e^-4
  continuation.add(logits, 1);
  const Continuation::Summary summary = continuation.summary();
  EXPECT_EQ(summary.tokens, 4U);
  EXPECT_DOUBLE_EQ(summary.token_accuracy, 0.5);
  EXPECT_NEAR(summary.missed_divergence, ((1 - std::exp(-1.0)) + (1 - std::exp(-4.0))) / 2, 1e-12);
  const double sum = std::log(std::exp(1.0) + std::exp(3.0) + std::exp(2.0) + std::exp(-1.0));
  EXPECT_NEAR(summary.base_token_ppl, std::exp((4 * sum - 3 - 2 + 1 - 3) / 4), 1e-9);
}

TEST(Continuation, nothing_missed_is_zero_and_nothing_measured_is_not_a_number) {
  Continuation continuation;
  EXPECT_TRUE(std::isnan(continuation.summary().token_accuracy));
  EXPECT_TRUE(std::isnan(continuation.summary().missed_divergence));
  continuation.add(std::vector<float>{0, 1}, 1);
  EXPECT_EQ(continuation.summary().missed_divergence, 0);
  continuation.add(std::vector<float>{kNaN, 1}, 1);
  EXPECT_TRUE(std::isnan(continuation.summary().missed_divergence));
  EXPECT_TRUE(std::isnan(continuation.summary().base_token_ppl));
}

TEST(Statistics, percentiles_of_infinities_and_of_one_value) {
  const std::vector<float> one = {3}, ends = {1, kInfinity};
  EXPECT_EQ(eval::Percentiles(one).at(0.99), 3);
  EXPECT_EQ(eval::Percentiles(ends).at(0), 1);
  EXPECT_EQ(eval::Percentiles(ends).at(1), kInfinity);
  EXPECT_TRUE(std::isnan(eval::Percentiles({}).at(0.5)));
}

TEST(PairedChange, rows_that_are_the_same_differ_by_nothing_without_error) {
  const Comparison one = compared(sample(0.3)), same = compared(sample(0.3));
  const PairedChange change = change_between(one, same);
  EXPECT_EQ(change.kld, 0);
  EXPECT_EQ(change.kld_se, 0);
  EXPECT_EQ(change.nll, 0);
  EXPECT_EQ(change.nll_se, 0);
}

TEST(PairedChange, is_the_mean_of_the_differences_with_their_own_error) {
  const Comparison good = compared(sample(0.3)), bad = compared(sample(0.33));
  const PairedChange change = change_between(good, bad);
  std::vector<double> kld, nll;
  for (std::size_t i = 0; i < kPositions; ++i) {
    kld.push_back(static_cast<double>(bad.kld()[i]) - static_cast<double>(good.kld()[i]));
    nll.push_back(static_cast<double>(bad.nll()[i]) - static_cast<double>(good.nll()[i]));
  }
  const auto deviation = [](const std::vector<double>& values, double mean) {
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    return std::sqrt(squares / (kPositions - 1) / kPositions);
  };
  EXPECT_NEAR(change.kld, bad.summary().kld_mean - good.summary().kld_mean, 1e-12);
  EXPECT_NEAR(change.kld_se, deviation(kld, change.kld), 1e-12);
  EXPECT_NEAR(change.nll, std::log(bad.summary().ppl / good.summary().ppl), 1e-12);
  EXPECT_NEAR(change.nll_se, deviation(nll, change.nll), 1e-12);
  // The same errors, a tenth larger: no two means with errors of their own could tell these rows apart.
  const double unpaired = std::hypot(good.summary().kld_mean_se, bad.summary().kld_mean_se);
  EXPECT_LT(change.kld, 3 * unpaired);
  EXPECT_GT(change.kld, 3 * change.kld_se);
  const PairedChange back = change_between(bad, good);
  EXPECT_EQ(back.kld, -change.kld);
  EXPECT_EQ(back.kld_se, change.kld_se);
}

TEST(PairedChange, what_is_not_finite_or_too_little_is_unknown) {
  Comparison broken = compared(sample(0.3)), sound = compared(sample(0.3));
  broken.add(Comparison::Position{});
  sound.add({.kld = 1, .nll = 1});
  EXPECT_TRUE(std::isnan(change_between(sound, broken).kld));
  EXPECT_TRUE(std::isnan(change_between({}, {}).kld));
  Comparison single;
  single.add({.kld = 1, .nll = 1});
  EXPECT_TRUE(std::isnan(change_between(single, single).kld_se)) << "one token has no error";
}

TEST(RowPairs, of_many_rows_only_neighbours_in_the_ranking_are_kept) {
  std::vector<Comparison> rows(65);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    // 7 has no divisor in common with 65: every rank once, in another order than the rows.
    for (int token = 0; token < 3; ++token) rows[i].add({.kld = static_cast<double>(i * 7 % 65), .nll = 1});
  }
  std::vector<const Comparison*> all;
  for (const Comparison& row : rows) all.push_back(&row);
  const std::vector<RowPair> neighbours = eval::pairs_of(all);
  ASSERT_EQ(neighbours.size(), 64U);
  for (const RowPair& pair : neighbours) {
    EXPECT_LT(pair.from, pair.to);
    EXPECT_EQ(std::abs(pair.change.kld), 1) << pair.from << " " << pair.to;
  }
  all.pop_back();
  EXPECT_EQ(eval::pairs_of(all).size(), 64U * 63 / 2);
}

}  // namespace
}  // namespace tq
