// Sums of rows in the transposed layout.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/random_rows.h"
#include "support/round_trip.h"
#include "turboquant/codec.h"

namespace tq {
namespace {

std::shared_ptr<const Codec> transposed(const char* name, std::size_t dim) {
  return make_codec(CodecSpec::parse(name).value().with_layout(Layout::kTransposed), dim).value();
}

TEST(Transposed, any_range_of_rows_is_summed_whatever_lies_around_it) {
  constexpr std::size_t kDim = 40, kRows = 150;
  const std::vector<float> weights = test::gaussian(2 * kRows, 2);
  for (const char* name : {"tq1", "tq2", "tq3", "tq4", "tq5", "tq9"}) {
    const auto codec = transposed(name, kDim);
    const std::vector<float> rows = test::gaussian(kRows * kDim, 1), decoded = test::round_trip(*codec, rows);
    Workspace scratch;
    for (const std::size_t first : {0UL, 1UL, 31UL, 32UL, 45UL}) {
      for (std::size_t n = 0; first + n <= kRows; n += n < 70 ? 1 : 5) {
        std::vector<std::byte> coded(codec->storage_bytes(kRows), std::byte{0xFF});  // a scale of bytes 0xFF is no number
        for (std::size_t r = first; r < first + n; ++r) codec->encode(rows.data() + r * kDim, coded.data(), r, scratch);
        std::vector<float> sums(2 * kDim, 0.0F);
        codec->accumulate(weights.data(), 2, kRows, coded.data(), first, n, sums.data(), scratch);
        for (std::size_t i = 0; i < 2; ++i) {
          codec->from_coded(sums.data() + i * kDim);
          // The rows of a group that do not count have weight 0.
          std::vector<float> placed(kRows, 0.0F);
          std::copy_n(weights.begin() + static_cast<std::ptrdiff_t>(i * kRows), n, placed.begin() + static_cast<std::ptrdiff_t>(first));
          const double tolerance = 1e-4 + test::error_of_rounded_weights(placed.data(), decoded.data(), kRows, kDim, codec->spec().bits);
          for (std::size_t j = 0; j < kDim; ++j) {
            double expected = 0;
            for (std::size_t r = 0; r < kRows; ++r) expected += static_cast<double>(placed[r]) * static_cast<double>(decoded[r * kDim + j]);
            ASSERT_NEAR(sums[i * kDim + j], expected, tolerance) << name << " " << first << " " << n;
          }
        }
      }
    }
  }
}

TEST(Transposed, a_softmax_of_any_rows_is_that_of_the_rows_alone_whatever_lies_behind_them) {
  constexpr std::size_t kDim = 40, kRows = 600;
  for (const char* name : {"tq1", "tq2", "tq3", "tq4", "tq5"}) {
    const auto codec = transposed(name, kDim);
    const std::vector<float> rows = test::gaussian(kRows * kDim, 1);
    const std::vector<std::byte> all = test::encode(*codec, rows);
    Workspace scratch;
    for (const std::size_t first : {0UL, 32UL, 96UL}) {
      for (const std::size_t n : {1UL, 31UL, 32UL, 33UL, 100UL, 500UL}) {
        std::vector<std::byte> coded(codec->storage_bytes(kRows), std::byte{0xFF});  // a scale of bytes 0xFF is no number
        for (std::size_t r = first; r < first + n; ++r) codec->encode(rows.data() + r * kDim, coded.data(), r, scratch);
        const std::vector<std::size_t> begins = {0, n / 3}, ends = {n, n};
        std::vector<float> scores = test::gaussian(2 * n, 6), sums(2 * kDim, 0.0F), tops(2), totals(2);
        std::vector<float> longer(2 * 504, 77), sums_of_longer(2 * kDim, 0.0F), tops_of_longer(2), totals_of_longer(2);
        for (std::size_t i = 0; i < 2; ++i) std::copy_n(scores.data() + i * n, n, longer.data() + i * 504);
        codec->accumulate_softmax(scores.data(), 2, n, begins.data(), ends.data(), coded.data(), first, n, sums.data(), tops.data(), totals.data(), scratch);
        codec->accumulate_softmax(longer.data(), 2, 504, begins.data(), ends.data(), all.data(), first, 504, sums_of_longer.data(), tops_of_longer.data(),
                                  totals_of_longer.data(), scratch);
        EXPECT_EQ(tops, tops_of_longer) << name << " " << first << " " << n;
        EXPECT_EQ(totals, totals_of_longer) << name << " " << first << " " << n;
        EXPECT_EQ(sums, sums_of_longer) << name << " " << first << " " << n;
        EXPECT_TRUE(std::isfinite(sums[0]));
      }
    }
  }
}

TEST(Transposed, a_single_weight_loses_nothing) {
  constexpr std::size_t kDim = 64, kRows = 40;
  const auto codec = transposed("tq4", kDim);
  const std::vector<float> rows = test::gaussian(kRows * kDim, 3), decoded = test::round_trip(*codec, rows);
  const std::vector<std::byte> coded = test::encode(*codec, rows);
  Workspace scratch;
  for (std::size_t hot = 0; hot < kRows; ++hot) {
    std::vector<float> weights(kRows, 0.0F), sum(kDim, 0.0F);
    weights[hot] = 0.37F;
    codec->accumulate(weights.data(), 1, kRows, coded.data(), 0, kRows, sum.data(), scratch);
    codec->from_coded(sum.data());
    for (std::size_t j = 0; j < kDim; ++j) EXPECT_NEAR(sum[j], 0.37F * decoded[hot * kDim + j], 1e-5);
  }
}

TEST(Transposed, sums_do_not_depend_on_their_neighbours) {
  constexpr std::size_t kDim = 64, kRows = 700, kSums = 9;
  for (const char* name : {"tq2", "tq3", "tq5", "tq6", "tq7", "tq8", "tq9"}) {
    const auto codec = transposed(name, kDim);
    const std::vector<std::byte> coded = test::encode(*codec, test::gaussian(kRows * kDim, 4));
    const std::vector<float> weights = test::gaussian(kSums * kRows, 5);
    std::vector<float> together(kSums * kDim, 0.0F);
    Workspace scratch;
    codec->accumulate(weights.data(), kSums, kRows, coded.data(), 0, kRows, together.data(), scratch);
    for (std::size_t i = 0; i < kSums; ++i) {
      std::vector<float> alone(kDim, 0.0F);
      codec->accumulate(weights.data() + i * kRows, 1, kRows, coded.data(), 0, kRows, alone.data(), scratch);
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(i * kDim)));
    }
  }
}

}  // namespace
}  // namespace tq
