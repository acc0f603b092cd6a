// Weights of a softmax in bytes, against exponentials in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/every_target.h"
#include "support/random_rows.h"

namespace tq::test {
namespace {

constexpr std::size_t kRows = 32, kUnitRows = 64;  // of a group, of two that share a unit
constexpr double kError = 2.5e-3;  // of an exponential
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Weights {
  std::vector<std::int8_t> bytes;
  std::vector<float> units, tops, totals;
  std::vector<std::int32_t> sums;

  bool operator==(const Weights&) const = default;
};

/// What a query sees of rows.
struct Seen {
  std::vector<std::size_t> begins, ends;
};

/// `scores` has a row as long as `scales` for each query.
Weights weigh(const Kernels& simd, const std::vector<float>& scores, const std::vector<float>& scales, const Seen& seen) {
  const std::size_t n_groups = scales.size() / kRows, n_units = (n_groups + 1) / 2, n_queries = seen.begins.size();
  Weights out{std::vector<std::int8_t>(n_queries * scales.size(), 99), std::vector<float>(n_queries * n_units, 99),
              std::vector<float>(n_queries, 99), std::vector<float>(n_queries, 99), std::vector<std::int32_t>(n_queries * n_units, 99)};
  simd.softmax_weights({.scores = scores.data(), .score_stride = scales.size(), .begins = seen.begins.data(), .ends = seen.ends.data(),
                        .scales = scales.data(), .n_groups = n_groups, .n_queries = n_queries, .bytes = out.bytes.data(),
                        .units = out.units.data(), .sums = out.sums.data(), .tops = out.tops.data(), .totals = out.totals.data()});
  return out;
}

/// The first sees all, the others less and less from both ends, the last of six nothing.
Seen some_ranges(std::size_t n_queries, std::size_t n) {
  Seen seen;
  for (std::size_t q = 0; q < n_queries; ++q) {
    const std::size_t end = n - std::min(n, q * 11), begin = q == 5 ? end : std::min(end, q * q * 3);
    seen.begins.push_back(begin);
    seen.ends.push_back(end);
  }
  return seen;
}

TEST_P(EveryTarget, weights_of_a_softmax_are_exponentials_times_scales) {
  for (const std::size_t n_groups : {1UL, 2UL, 5UL, 15UL, 16UL}) {
    for (const std::size_t n_queries : {1UL, 3UL, 6UL}) {
      for (const float spread : {0.0F, 1.0F, 12.0F}) {
        const std::size_t n = n_groups * kRows;
        std::vector<float> scores = gaussian(n_queries * n, 1);
        for (float& score : scores) score = spread * score + 40;
        const std::vector<float> scales = gaussian(n, 2);
        const Seen seen = some_ranges(n_queries, n);
        const Weights out = weigh(simd(), scores, scales, seen);
        for (std::size_t q = 0; q < n_queries; ++q) {
          const float* row = scores.data() + q * n;
          const std::size_t begin = seen.begins[q], end = seen.ends[q];
          const float top = begin < end ? *std::max_element(row + begin, row + end) : -kInfinity;
          EXPECT_EQ(out.tops[q], top);
          double total = 0;
          for (std::size_t u = 0; u < (n_groups + 1) / 2; ++u) {
            double largest = 0, scale = 0;
            for (std::size_t r = std::max(begin, u * kUnitRows); r < std::min(end, (u + 1) * kUnitRows); ++r) {
              largest = std::max(largest, std::exp(static_cast<double>(row[r] - top)));
              scale = std::max(scale, std::abs(static_cast<double>(scales[r])));
            }
            const auto unit = static_cast<double>(out.units[u * n_queries + q]);
            EXPECT_NEAR(unit, largest * scale / 127, 1e-5 * largest * scale / 127 + 1e-37);
            std::int32_t sum = 0;
            for (std::size_t r = u * kUnitRows; r < std::min(n, (u + 1) * kUnitRows); ++r) {
              const double e = r >= begin && r < end ? std::exp(static_cast<double>(row[r] - top)) : 0;
              const double weight = e * static_cast<double>(scales[r]);
              const std::int8_t byte = out.bytes[(r / kRows * n_queries + q) * kRows + r % kRows];
              EXPECT_NEAR(byte * unit, weight, 0.51 * unit + kError * std::abs(weight) + 1e-37) << q << " " << r;
              if (e == 0) EXPECT_EQ(byte, 0);
              total += e;
              sum += byte;
            }
            EXPECT_EQ(out.sums[u * n_queries + q], sum);
          }
          EXPECT_NEAR(out.totals[q], total, (spread == 0 ? 1e-6 : kError) * total);
        }
      }
    }
  }
}

// A token must not feel those behind it, and gets the same whether it comes alone or with them.
TEST_P(EveryTarget, a_softmax_does_not_depend_on_other_queries_or_on_rows_that_are_not_seen) {
  constexpr std::size_t kQueries = 6, kGroups = 7, kAll = kGroups * kRows;
  const std::vector<float> scores = gaussian(kQueries * kAll, 4), scales = gaussian(kAll, 3);
  const Seen seen = some_ranges(kQueries, kAll);
  const Weights all = weigh(simd(), scores, scales, seen);
  for (std::size_t q = 0; q < kQueries; ++q) {
    const std::size_t begin = seen.begins[q], end = seen.ends[q], n_groups = (end + kRows - 1) / kRows;
    std::vector<float> row(scores.begin() + static_cast<std::ptrdiff_t>(q * kAll), scores.begin() + static_cast<std::ptrdiff_t>((q + 1) * kAll));
    std::vector<float> own_scales = scales;
    for (std::size_t r = 0; r < kAll; ++r) {
      if (r >= begin && r < end) continue;
      row[r] = r % 3 == 0 ? kNaN : kInfinity;
      own_scales[r] = r % 2 == 0 ? 1e6F : 0.0F;
    }
    row.resize(n_groups * kRows);
    own_scales.resize(n_groups * kRows);
    const Weights alone = weigh(simd(), row, own_scales, {{begin}, {end}});
    EXPECT_EQ(alone.tops[0], all.tops[q]);
    EXPECT_EQ(alone.totals[0], all.totals[q]);
    for (std::size_t g = 0; g < kGroups; ++g) {
      EXPECT_EQ(g < n_groups ? alone.units[g / 2] : 0.0F, all.units[g / 2 * kQueries + q]) << q << " " << g;
      EXPECT_EQ(g < n_groups ? alone.sums[g / 2] : 0, all.sums[g / 2 * kQueries + q]);
      for (std::size_t r = 0; r < kRows; ++r)
        EXPECT_EQ(g < n_groups ? alone.bytes[g * kRows + r] : 0, all.bytes[(g * kQueries + q) * kRows + r]);
    }
  }
}

// Integers of 32 bits cannot hold how far it is below the others.
TEST_P(EveryTarget, a_score_out_of_reach_weighs_nothing_and_changes_no_other) {
  const std::size_t n = 5 * kRows;
  const std::vector<float> scales = gaussian(n, 6);
  std::vector<float> scores = gaussian(n, 5);
  for (const std::size_t at : {13UL, 70UL, 71UL}) scores[at] = -100;
  const Weights expected = weigh(simd(), scores, scales, {{0}, {n}});
  for (const float low : {-1e6F, -1e30F, -kInfinity}) {
    for (const std::size_t at : {13UL, 70UL, 71UL}) scores[at] = low;
    EXPECT_EQ(weigh(simd(), scores, scales, {{0}, {n}}), expected) << low;
  }
  EXPECT_EQ(expected.bytes[13], 0);
}

TEST_P(EveryTarget, a_softmax_of_nothing_and_of_what_is_no_number) {
  const std::size_t n = 3 * kRows;
  const std::vector<float> ones(n, 1.0F);
  const Weights nothing = weigh(simd(), ones, ones, {{40}, {40}});
  EXPECT_EQ(nothing.tops[0], -kInfinity);
  EXPECT_EQ(nothing.totals[0], 0);
  EXPECT_EQ(nothing.bytes, std::vector<std::int8_t>(n, 0));
  EXPECT_EQ(nothing.units, std::vector<float>(2, 0.0F));
  for (const float bad : {kNaN, -kNaN, kInfinity}) {
    for (const std::size_t at : {0UL, 13UL, 16UL, 31UL, 64UL, 94UL}) {
      for (const std::size_t end : {n, n - 1}) {
        std::vector<float> scores(n, 0.25F);
        scores[at] = bad;
        EXPECT_TRUE(std::isnan(weigh(simd(), scores, ones, {{0}, {end}}).totals[0])) << bad << " at " << at;
        EXPECT_TRUE(std::isnan(weigh(simd(), scores, ones, {{at}, {at + 1}}).totals[0])) << bad << " alone at " << at;
      }
    }
  }
  const std::size_t n_scaled = 4 * kRows;
  for (const float bad : {0.0F, 0x1p-110F, kInfinity, kNaN, -kNaN, 0x1p101F}) {
    for (const std::size_t end : {n_scaled, 3 * kRows - 3}) {
      std::vector<float> scales(n_scaled, 1.0F);
      if (bad < 1) {
        std::fill_n(scales.begin() + kUnitRows, kUnitRows, bad);
      } else {
        scales[kUnitRows + 5] = bad;
      }
      const Weights out = weigh(simd(), std::vector<float>(n_scaled, 2.0F), scales, {{0}, {end}});
      EXPECT_TRUE(bad < 1 ? out.units[1] == 0 : std::isnan(out.units[1])) << bad;
      EXPECT_FLOAT_EQ(out.units[0], 1 / 127.0F);
      EXPECT_EQ(out.sums[0], 64 * 127);
      EXPECT_NEAR(out.totals[0], static_cast<double>(end), 1e-6 * static_cast<double>(end));
    }
  }
}

/// Sums over some scores and values, which may be none.
struct Sums {
  std::vector<float> values, tops, totals;

  Sums(std::size_t n, std::size_t dim) : values(n * dim), tops(n, -kInfinity), totals(n) {}
  SoftmaxSums view() { return {values.data(), tops.data(), totals.data()}; }
};

TEST_P(EveryTarget, merged_softmaxes_are_that_of_all_positions) {
  constexpr std::size_t kParts = 5;
  constexpr double kShare = 1.2e-6;  // an exponential's error, 1e-6, and the roundings of products and sums, a few 2^−24; each part meets up to kParts
  for (const std::size_t n : {1UL, 3UL, 16UL, 35UL}) {
    for (const std::size_t dim : {1UL, 16UL, 50UL, 64UL}) {
      const auto scores = gaussian(n * kParts, 5), values = gaussian(kParts * n * dim, 6);
      // A part has one position; query q does not see part q % 7.
      const auto score = [&](std::size_t part, std::size_t q) { return 6 * scores[part * n + q]; };
      const auto sees = [](std::size_t part, std::size_t q) { return part != q % 7; };
      Sums all(n, dim);
      for (std::size_t part = 0; part < kParts; ++part) {
        Sums added(n, dim);
        for (std::size_t q = 0; q < n; ++q) {
          if (!sees(part, q)) continue;
          added.tops[q] = score(part, q);
          added.totals[q] = 1;
          std::copy_n(values.begin() + static_cast<std::ptrdiff_t>((part * n + q) * dim), dim, added.values.begin() + static_cast<std::ptrdiff_t>(q * dim));
        }
        simd().merge_softmax(added.view(), n, dim, all.view());
      }
      for (std::size_t q = 0; q < n; ++q) {
        float top = -kInfinity;
        for (std::size_t part = 0; part < kParts; ++part) top = sees(part, q) ? std::max(top, score(part, q)) : top;
        ASSERT_EQ(all.tops[q], top);
        double total = 0;
        for (std::size_t part = 0; part < kParts; ++part) total += sees(part, q) ? std::exp(double{score(part, q)} - top) : 0;
        ASSERT_NEAR(all.totals[q], total, kParts * kShare * total);
        for (std::size_t j = 0; j < dim; ++j) {
          double sum = 0, size = 0;
          for (std::size_t part = 0; part < kParts; ++part) {
            const double term = sees(part, q) ? std::exp(double{score(part, q)} - top) * values[(part * n + q) * dim + j] : 0;
            sum += term;
            size += std::abs(term);
          }
          ASSERT_NEAR(all.values[q * dim + j], sum, kParts * kShare * size) << q << " of " << n << ", " << j << " of " << dim;
        }
      }
    }
  }
}

TEST_P(EveryTarget, a_merged_softmax_that_is_no_number_stays_none) {
  Sums all(2, 4), bad(2, 4);
  for (Sums* sums : {&all, &bad}) {
    sums->tops = {1, 2};
    sums->totals = {3, 4};
  }
  bad.totals[1] = kNaN;
  simd().merge_softmax(bad.view(), 2, 4, all.view());
  EXPECT_EQ(all.totals[0], 6.0F);
  EXPECT_TRUE(std::isnan(all.totals[1]));
}

}  // namespace
}  // namespace tq::test
