#include "base/random.h"

#include <gtest/gtest.h>

#include <set>

namespace tq::test {
namespace {

/// The first outputs of the published SplitMix64 (splitmix64.c of Vigna) from the state 0.
TEST(Random, the_stream_of_the_published_generator) {
  std::uint64_t state = 0;
  EXPECT_EQ(next_random(state), 0xE220A8397B1DCDAFU);
  EXPECT_EQ(next_random(state), 0x6E789E6AA1B965F4U);
  EXPECT_EQ(next_random(state), 0x06C45D188009454FU);
}

TEST(Random, uniform_numbers_never_reach_one) {
  std::uint64_t state = 1;
  double sum = 0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double value = next_uniform(state);
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  // The mean of n uniform numbers has a standard deviation of 1/√(12 n) = 9.1e-4; five of them.
  EXPECT_NEAR(sum / kCount, 0.5, 4.6e-3);
}

TEST(Random, neighbouring_seeds_give_unrelated_streams) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    std::uint64_t state = seed;
    for (int i = 0; i < 100; ++i) seen.insert(next_random(state));
  }
  EXPECT_EQ(seen.size(), 10000U);  // the output is a bijection of the state, and no two states here are equal
}

TEST(Random, derived_streams_do_not_meet) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (std::uint64_t purpose = 0; purpose < 50; ++purpose) seen.insert(derived_seed(seed, purpose));
  }
  EXPECT_EQ(seen.size(), 2500U);
}

}  // namespace
}  // namespace tq::test
