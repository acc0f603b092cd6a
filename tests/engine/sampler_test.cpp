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

}  // namespace
}  // namespace tq
