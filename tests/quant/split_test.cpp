// The outlier split: each part has its own unit, and the channels are those that were asked for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "support/random_rows.h"
#include "support/round_trip.h"

namespace tq {
namespace {

constexpr std::size_t kDim = 128;
const std::vector<std::uint32_t> kLoud = {3, 5, 8, 13, 21, 34, 55, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 127};

CodecSpec split(unsigned bits, ScaleRule rule = ScaleRule::kNorm) {
  return CodecSpec::parse("tq" + std::to_string(bits) + "-split").value().with_scale(rule);
}

/// Gaussian rows whose kLoud channels are five times as large.
std::vector<float> loud_rows(std::size_t n_rows, std::uint64_t seed) {
  std::vector<float> rows = test::gaussian(n_rows * kDim, seed);
  for (std::size_t r = 0; r < n_rows; ++r) {
    for (const std::uint32_t channel : kLoud) rows[r * kDim + channel] *= 5;
  }
  return rows;
}

TEST(Split, true_bits_are_those_of_the_paper_with_both_scales) {
  EXPECT_EQ(make_codec(split(2), kDim).value()->bits_per_value(), 2.5);  // (32 · 3 + 96 · 2 + 2 · 16) / 128
  EXPECT_EQ(make_codec(split(3), kDim).value()->bits_per_value(), 3.5);
  EXPECT_EQ(make_codec(split(4), kDim).value()->bits_per_value(), 4.5);
}

// The exact distortions at d = 32 and 96 (docs/algorithm.md, "Codebook"). A unit of 1/√128 for both parts, as in the published code, gives 3.9 times
// the first.
TEST(Split, each_part_has_the_distortion_of_its_own_length) {
  const std::vector<double> outliers = {0.032261, 0.008774}, others = {0.115507, 0.033773};
  const std::vector<float> rows = test::gaussian(8000 * kDim, 300);
  for (unsigned bits = 2; bits <= 3; ++bits) {
    const std::vector<float> decoded = test::round_trip(*make_split_codec(split(bits), kDim, kLoud).value(), rows);
    std::vector<float> loud, loud_decoded, rest, rest_decoded;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool is_loud = std::ranges::find(kLoud, i % kDim) != kLoud.end();
      (is_loud ? loud : rest).push_back(rows[i]);
      (is_loud ? loud_decoded : rest_decoded).push_back(decoded[i]);
    }
    EXPECT_NEAR(test::relative_error(loud, loud_decoded) / outliers[bits - 2], 1, 0.01) << bits;
    EXPECT_NEAR(test::relative_error(rest, rest_decoded) / others[bits - 2], 1, 0.01) << bits;
  }
}

// The loud channels carry 25 · 32 / (25 · 32 + 96) = 0.89 of the energy, so the error is 0.89 D(b+1) + 0.11 D(b): at 2 bits 0.0415. Without the
// right channels the loud ones are spread over both parts.
TEST(Split, the_loudest_channels_of_a_sample_are_the_right_ones) {
  const std::vector<float> sample = loud_rows(100, 301), rows = loud_rows(4000, 302);
  EXPECT_EQ(loudest_channels(sample.data(), 100, kDim), kLoud);
  const double chosen = test::relative_error(*make_split_codec(split(2), kDim, kLoud).value(), rows);
  EXPECT_NEAR(chosen, (800 * 0.032261 + 96 * 0.115507) / 896, 0.01 * chosen);
  EXPECT_GT(test::relative_error(*make_codec(split(2), kDim).value(), rows), 1.5 * chosen);
}

TEST(Split, the_row_of_the_table_takes_the_first_quarter) {
  std::vector<std::uint32_t> first(kDim / 4);
  std::iota(first.begin(), first.end(), 0U);
  const std::vector<float> rows = test::gaussian(20 * kDim, 303);
  EXPECT_EQ(test::encode(*make_codec(split(3), kDim).value(), rows), test::encode(*make_split_codec(split(3), kDim, first).value(), rows));
  EXPECT_NE(test::encode(*make_codec(split(3), kDim).value(), rows), test::encode(*make_split_codec(split(3), kDim, kLoud).value(), rows));
}

TEST(Split, a_list_of_channels_that_is_no_quarter_is_a_usage_error) {
  std::vector<std::uint32_t> twice = kLoud, outside = kLoud, few = kLoud;
  twice[1] = twice[0];
  outside[31] = kDim;
  few.pop_back();
  for (const auto& channels : {twice, outside, few}) {
    const auto codec = make_split_codec(split(2), kDim, channels);
    ASSERT_FALSE(codec.has_value());
    EXPECT_EQ(codec.error().code, ErrorCode::kUsage);
  }
  EXPECT_FALSE(make_split_codec(CodecSpec::parse("tq3").value(), kDim, kLoud).has_value());
  EXPECT_FALSE(make_split_codec(split(2), 0, {}).has_value());
}

}  // namespace
}  // namespace tq
