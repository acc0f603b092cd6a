#include "turboquant/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <vector>

namespace tq {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Everything on, nothing cut: temperature 1 draws from the softmax itself.
SamplerOptions plain(std::uint64_t seed = 1) {
  return {.temperature = 1.0F, .top_k = 0, .top_p = 1.0F, .min_p = 0.0F, .seed = seed};
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities)
    logits.push_back(static_cast<float>(std::log(p)) + 7.0F);  // softmax forgets the 7
  return logits;
}

std::map<TokenId, int> draw(const SamplerOptions& options, const std::vector<float>& logits, int times) {
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int i = 0; i < times; ++i) ++counts[sampler.next(logits)];
  return counts;
}

/// What can be drawn at all: 2000 draws miss a token of probability 0.05 with probability 0.95^2000 < 1e-44.
std::set<TokenId> support(const SamplerOptions& options, const std::vector<float>& logits) {
  std::set<TokenId> seen;
  for (const auto& [id, count] : draw(options, logits, 2000)) seen.insert(id);
  return seen;
}

TEST(Sampler, GreedyTakesTheLowestIdAmongEquals) {
  const std::vector<float> logits = {1.0F, 3.0F, 3.0F, 2.0F};
  EXPECT_EQ(argmax(logits), 1);
  Sampler sampler({.temperature = 0.0F, .seed = 9});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(sampler.next(logits), 1);
}

TEST(Sampler, TopKKeepsTheLowerIdsAmongEquals) {
  SamplerOptions options = plain();
  options.top_k = 2;
  EXPECT_EQ(support(options, {0.0F, 5.0F, 5.0F, 5.0F}), (std::set<TokenId>{1, 2}));
  options.top_k = 99;
  EXPECT_EQ(support(options, {0.0F, 0.0F, 0.0F}), (std::set<TokenId>{0, 1, 2}));
}

TEST(Sampler, TopPKeepsTheTokenThatCrossesTheThreshold) {
  const std::vector<float> logits = logits_of({0.1, 0.5, 0.3, 0.1});
  SamplerOptions options = plain();
  options.top_p = 0.4F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{1}));
  options.top_p = 0.6F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{1, 2}));
  options.top_p = 0.85F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{0, 1, 2}));
  options.top_p = 0.0F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{1}));
}

TEST(Sampler, TopPSharesWhatTopKHasLeft) {
  // Of {0.5, 0.3} the first has a share of 0.625, of all four only 0.5.
  SamplerOptions options = plain();
  options.top_k = 2;
  options.top_p = 0.6F;
  EXPECT_EQ(support(options, logits_of({0.5, 0.3, 0.1, 0.1})), (std::set<TokenId>{0}));
}

TEST(Sampler, MinPIsRelativeToTheMostLikely) {
  const std::vector<float> logits = logits_of({0.1, 0.5, 0.3, 0.1});
  SamplerOptions options = plain();
  options.min_p = 0.3F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{1, 2}));
  options.min_p = 0.15F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{0, 1, 2, 3}));
  options.min_p = 2.0F;
  EXPECT_EQ(support(options, logits), (std::set<TokenId>{1}));
}

TEST(Sampler, TemperatureComesAfterTheCuts) {
  // At temperature 100 all four would be nearly even and top-p 0.6 would keep three; the cut sees temperature 1 and
  // keeps two.
  SamplerOptions options = plain();
  options.top_p = 0.6F;
  options.temperature = 100.0F;
  EXPECT_EQ(support(options, logits_of({0.1, 0.5, 0.3, 0.1})), (std::set<TokenId>{1, 2}));
}

TEST(Sampler, DrawsInProportion) {
  // Chi-square with 4 degrees of freedom has mean 4 and standard deviation √8; the bound is mean + 8 standard
  // deviations, which chance exceeds with probability e^(−13.3)·(1 + 13.3) < 3e-5. The seed is fixed, so a pass stays a
  // pass.
  const std::vector<double> probabilities = {0.05, 0.4, 0.25, 0.1, 0.2};
  constexpr int kDraws = 20000;
  std::map<TokenId, int> counts = draw(plain(), logits_of(probabilities), kDraws);
  double chi_square = 0;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    const double expected = probabilities[i] * kDraws;
    chi_square += std::pow(counts[static_cast<TokenId>(i)] - expected, 2) / expected;
  }
  EXPECT_LT(chi_square, 4.0 + 8.0 * std::sqrt(8.0));
}

TEST(Sampler, TemperatureSharpensByItsPower) {
  // At temperature 1/2 the odds 2:1 become 4:1. 20000 draws of p = 0.8 have a standard deviation of 57.
  SamplerOptions options = plain();
  options.temperature = 0.5F;
  EXPECT_NEAR(draw(options, logits_of({2.0 / 3, 1.0 / 3}), 20000)[0], 16000, 6 * 57);
}

TEST(Sampler, SameSeedSameTokensOtherSeedOthers) {
  std::vector<float> logits;
  for (int i = 0; i < 1000; ++i) logits.push_back(static_cast<float>(i % 17) * 0.1F);
  const auto stream = [&](std::uint64_t seed) {
    Sampler sampler(plain(seed));
    std::vector<TokenId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sampler.next(logits));
    return ids;
  };
  EXPECT_EQ(stream(5), stream(5));
  EXPECT_NE(stream(5), stream(6));
}

TEST(Sampler, ImpossibleTokensAreNeverDrawn) {
  EXPECT_EQ(support(plain(), {-kInfinity, 1.0F, kNaN, 1.0F, -kInfinity}), (std::set<TokenId>{1, 3}));
}

TEST(Sampler, NothingButNaNOrInfinityGivesSomeTokenOfTheVocabulary) {
  for (const float temperature : {0.0F, 0.8F}) {
    Sampler sampler({.temperature = temperature});
    EXPECT_EQ(sampler.next(std::vector<float>(4, kNaN)), 0);
    EXPECT_EQ(sampler.next(std::vector<float>(4, -kInfinity)), 0);
    EXPECT_EQ(sampler.next(std::vector<float>{kNaN, 1.0F, kInfinity, kInfinity}), 2);
  }
}

TEST(Sampler, ExtremeTemperaturesStayInside) {
  const std::vector<float> logits = {-3e38F, 0.0F, 3e38F};
  for (const float temperature : {1e-38F, 1e38F, kInfinity, kNaN, -1.0F}) {
    SamplerOptions options = plain();
    options.temperature = temperature;
    for (const auto& [id, count] : draw(options, logits, 100)) EXPECT_TRUE(id >= 0 && id < 3);
  }
}

// ---- the distribution itself, against figures computed by hand

void expect_distribution(const Sampler& sampler, const std::vector<float>& logits,
                         const std::vector<TokenProbability>& expected) {
  const std::vector<TokenProbability> got = sampler.distribution(logits);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].id, expected[i].id) << i;
    // The logits are f32 of logarithms below 10: each relative probability is off by at most 10 * 2^-24 * 2.
    EXPECT_NEAR(got[i].probability, expected[i].probability, 2e-6) << i;
  }
}

TEST(Distribution, EveryCutInItsTurn) {
  const std::vector<float> logits = logits_of({0.4, 0.3, 0.2, 0.1});
  SamplerOptions options = plain();
  expect_distribution(Sampler(options), logits, {{0, 0.4}, {1, 0.3}, {2, 0.2}, {3, 0.1}});
  options.top_k = 3;
  expect_distribution(Sampler(options), logits, {{0, 4.0 / 9}, {1, 3.0 / 9}, {2, 2.0 / 9}});
  options.top_p = 0.5F;  // of what top-k left: 4/9 is less than a half, 7/9 more
  expect_distribution(Sampler(options), logits, {{0, 4.0 / 7}, {1, 3.0 / 7}});
  options.min_p = 0.8F;  // 3/4 of the best is below
  expect_distribution(Sampler(options), logits, {{0, 1.0}});
  options.min_p = 0.7F;
  options.temperature = 0.5F;  // squares: 16 to 9
  expect_distribution(Sampler(options), logits, {{0, 16.0 / 25}, {1, 9.0 / 25}});
}

TEST(Distribution, TypicalTokensCarryTheExpectedInformation) {
  // H = -(0.5 ln 0.5 + 0.25 ln 0.25 + 2 * 0.125 ln 0.125) = 1.75 ln 2. The information is 1, 2, 3 and 3 times ln 2, so
  // the distances are 0.75, 0.25, 1.25 and 1.25: the second token comes first, then the most likely one.
  const std::vector<float> logits = logits_of({0.5, 0.25, 0.125, 0.125});
  SamplerOptions options = plain();
  options.typical_p = 0.2F;
  expect_distribution(Sampler(options), logits, {{1, 1.0}});
  options.typical_p = 0.6F;  // 0.25 is not above it, 0.75 is
  expect_distribution(Sampler(options), logits, {{0, 2.0 / 3}, {1, 1.0 / 3}});
  options.typical_p = 0.8F;  // of two that are equally typical the lower id
  expect_distribution(Sampler(options), logits, {{0, 4.0 / 7}, {1, 2.0 / 7}, {2, 1.0 / 7}});
  options.typical_p = 1.0F;
  expect_distribution(Sampler(options), logits, {{0, 0.5}, {1, 0.25}, {2, 0.125}, {3, 0.125}});
}

TEST(Distribution, TypicalComesBeforeTopP) {
  // Typical 0.6 leaves 2/3 and 1/3; top-p 0.65 then keeps the first alone. The other way around, top-p would leave two
  // of equal rank: 2/3 and 1/3, of which typical keeps both.
  SamplerOptions options = plain();
  options.typical_p = 0.6F;
  options.top_p = 0.65F;
  expect_distribution(Sampler(options), logits_of({0.5, 0.25, 0.125, 0.125}), {{0, 1.0}});
}

TEST(Distribution, ARepeatPenaltyDividesPositiveLogitsAndMultipliesOthers) {
  SamplerOptions options = plain();
  options.repeat_penalty = 2.0F;
  Sampler sampler(options);
  sampler.accept(std::vector<TokenId>{0, 2, 0});
  // 2, 1, -1, 0 become 1, 1, -2, 0: once, however often the token occurred.
  const double sum = 2 * std::exp(1) + std::exp(-2) + 1;
  expect_distribution(sampler, {2.0F, 1.0F, -1.0F, 0.0F},
                      {{0, std::exp(1) / sum}, {1, std::exp(1) / sum}, {3, 1 / sum}, {2, std::exp(-2) / sum}});
}

TEST(Distribution, PresenceCountsOnceAndFrequencyEachTime) {
  SamplerOptions options = plain();
  options.presence_penalty = 0.5F;
  options.frequency_penalty = 0.25F;
  Sampler sampler(options);
  sampler.accept(std::vector<TokenId>{1, 1, 1, 0});
  // 0 - (1 * 0.25 + 0.5) = -0.75, 2 - (3 * 0.25 + 0.5) = 0.75.
  const double a = std::exp(0.75), b = std::exp(-0.75), sum = a + b + 1;
  expect_distribution(sampler, {0.0F, 2.0F, 0.0F}, {{1, a / sum}, {2, 1 / sum}, {0, b / sum}});
  sampler.clear();
  expect_distribution(sampler, {0.0F, 0.0F}, {{0, 0.5}, {1, 0.5}});
}

TEST(Distribution, PenaltiesForgetWhatLeftTheWindow) {
  SamplerOptions options = plain();
  options.presence_penalty = 100.0F;
  options.repeat_last_n = 2;
  Sampler sampler(options);
  const std::vector<float> logits(4, 0.0F);
  for (TokenId token = 0; token < 4; ++token) sampler.accept({&token, 1});
  // 2 and 3 are the last two; their e^-100 is nothing beside 1.
  expect_distribution(sampler, logits, {{0, 0.5}, {1, 0.5}, {2, 0}, {3, 0}});
  for (int i = 0; i < 5000; ++i) sampler.accept(std::vector<TokenId>{0, 1});
  expect_distribution(sampler, logits, {{2, 0.5}, {3, 0.5}, {0, 0}, {1, 0}});
  options.repeat_last_n = 0;
  Sampler off(options);
  off.accept(std::vector<TokenId>{0, 1, 2});
  expect_distribution(off, logits, {{0, 0.25}, {1, 0.25}, {2, 0.25}, {3, 0.25}});
  options.repeat_last_n = -1;
  Sampler all(options);
  all.accept(std::vector<TokenId>{0});
  for (int i = 0; i < 2000; ++i) all.accept(std::vector<TokenId>{1});
  expect_distribution(all, logits, {{2, 0.5}, {3, 0.5}, {0, 0}, {1, 0}});
}

TEST(Distribution, PenaltiesComeBeforeTheCutsAndCountForGreedyToo) {
  SamplerOptions options = plain();
  options.presence_penalty = 5.0F;
  options.top_k = 1;
  Sampler cut(options);
  cut.accept(std::vector<TokenId>{0});
  expect_distribution(cut, {2.0F, 1.0F}, {{1, 1.0}});
  options.top_k = 0;
  options.temperature = 0.0F;
  Sampler greedy(options);
  greedy.accept(std::vector<TokenId>{0});
  EXPECT_EQ(greedy.next(std::vector<float>{2.0F, 1.0F}), 1);
}

TEST(Distribution, TokensOutsideTheVocabularyArePassedOver) {
  SamplerOptions options = plain();
  options.presence_penalty = 5.0F;
  Sampler sampler(options);
  sampler.accept(std::vector<TokenId>{-1, 2, 1 << 30});
  expect_distribution(sampler, {0.0F, 0.0F}, {{0, 0.5}, {1, 0.5}});
}

}  // namespace
}  // namespace tq
