// Sums of transposed rows, against plain sums.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "quant/interleave.h"
#include "simd/every_target.h"
#include "support/random_rows.h"

namespace tq::test {
namespace {

constexpr std::size_t kRows = 32;  // of a group

struct Integers {
  std::vector<std::int8_t> bytes;
  std::vector<float> units;
  std::vector<std::int32_t> sums;
};

Integers to_bytes(const Kernels& simd, const std::vector<float>& weights, const std::vector<float>& scales) {
  // As the second and the seventh of seven queries, whose others are a multiple.
  constexpr std::size_t kQueries = 7;
  const std::size_t n_groups = weights.size() / kRows, stride = weights.size() + 5;
  std::vector<float> rows(kQueries * stride, 99);
  for (std::size_t q = 0; q < kQueries; ++q) {
    const float factor = q == 1 || q == 6 ? 1.0F : 0.5F;
    for (std::size_t i = 0; i < weights.size(); ++i) rows[q * stride + i] = weights[i] * factor;
  }
  Integers all{std::vector<std::int8_t>(kQueries * weights.size(), 99), std::vector<float>(kQueries * n_groups, 99),
               std::vector<std::int32_t>(kQueries * n_groups, 99)};
  simd.weights_to_bytes({.weights = rows.data(), .weight_stride = stride, .scales = scales.data(), .n_groups = n_groups,
                         .n_queries = kQueries, .bytes = all.bytes.data(), .units = all.units.data(), .sums = all.sums.data()});
  const auto of_query = [&](std::size_t query) {
    Integers out;
    for (std::size_t at = query; at < kQueries * n_groups; at += kQueries) {
      const auto bytes = all.bytes.begin() + static_cast<std::ptrdiff_t>(at * kRows);
      out.bytes.insert(out.bytes.end(), bytes, bytes + kRows);
      out.units.push_back(all.units[at]);
      out.sums.push_back(all.sums[at]);
    }
    return out;
  };
  const Integers second = of_query(1), seventh = of_query(6);
  EXPECT_EQ(second.bytes, seventh.bytes);
  EXPECT_EQ(second.sums, seventh.sums);
  return second;
}

TEST_P(EveryTarget, weights_are_rounded_to_a_127th_of_the_largest_of_32) {
  for (const std::size_t n_groups : {0UL, 1UL, 5UL, 16UL, 35UL}) {
    const auto weights = gaussian(n_groups * kRows, 1), scales = gaussian(n_groups * kRows, 2);
    const Integers out = to_bytes(simd(), weights, scales);
    for (std::size_t g = 0; g < n_groups; ++g) {
      float largest = 0;
      std::int32_t sum = 0;
      for (std::size_t i = g * kRows; i < (g + 1) * kRows; ++i) largest = std::max(largest, std::abs(weights[i] * scales[i]));
      for (std::size_t i = g * kRows; i < (g + 1) * kRows; ++i) {
        EXPECT_EQ(out.bytes[i], static_cast<std::int8_t>(std::nearbyint(weights[i] * scales[i] * (127.0F / largest))));
        sum += out.bytes[i];
      }
      EXPECT_EQ(out.units[g], largest / 127.0F);
      EXPECT_EQ(out.sums[g], sum);
    }
  }
}

TEST_P(EveryTarget, weights_that_cannot_be_rounded_are_nothing_or_no_number) {
  const std::vector<float> scales(kRows, 1.0F), zeros(kRows, 0.0F);
  std::vector<float> weights(kRows, 0x1p-110F);
  for (const auto& tiny : {zeros, weights}) {
    const Integers out = to_bytes(simd(), tiny, scales);
    EXPECT_EQ(out.units[0], 0);
    EXPECT_EQ(out.sums[0], 0);
    EXPECT_EQ(out.bytes, std::vector<std::int8_t>(kRows, 0));
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 0x1p101F}) {
    for (const std::size_t at : {0UL, 13UL, 31UL}) {
      weights.assign(kRows, 0.5F);
      weights[at] = bad;
      EXPECT_TRUE(std::isnan(to_bytes(simd(), weights, scales).units[0])) << bad << " at " << at;
    }
  }
  // One of 16 groups, which are taken together where all can be rounded.
  for (const float bad : {0.0F, kInfinity, std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(), 0x1p101F}) {
    std::vector<float> many(16 * kRows, 0.5F);
    if (bad == 0) {
      std::fill_n(many.begin() + 7 * kRows, kRows, bad);
    } else {
      many[7 * kRows + 5] = bad;
    }
    const Integers out = to_bytes(simd(), many, std::vector<float>(16 * kRows, 1.0F));
    for (std::size_t g = 0; g < 16; ++g) {
      if (g == 7) {
        EXPECT_TRUE(bad == 0 ? out.units[g] == 0 : std::isnan(out.units[g])) << bad;
      } else {
        EXPECT_EQ(out.units[g], 0.5F / 127.0F) << bad;
        EXPECT_EQ(out.sums[g], 32 * 127) << bad;
      }
    }
  }
}

TEST_P(EveryTarget, transposed_sums_are_exact_in_each_group_at_every_width_and_number_of_sums) {
  for (unsigned bits = 1; bits <= 4; ++bits) {
    std::vector<std::int8_t> table(std::size_t{1} << bits);
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int8_t>(i % 2 == 0 ? -127 + 3 * static_cast<int>(i) : 127);
    for (const std::size_t n_groups : {1UL, 2UL, 7UL}) {
      const std::size_t n_blocks = n_groups % 3 + 1, n = n_blocks * 16, group_bytes = n_blocks * 64 * bits + 64;  // something else stands between the groups
      std::vector<std::byte> words(n_groups * group_bytes, std::byte{0xFF});
      std::vector<std::uint16_t> codes(n_groups * kRows * n);
      std::uint64_t state = n_groups * 10 + bits;
      for (auto& code : codes) code = static_cast<std::uint16_t>(next_random(state) & ((1U << bits) - 1));
      for (std::size_t r = 0; r < n_groups * kRows; ++r) {
        transpose_row(codes.data() + r * n, n, bits, r % kRows, words.data() + r / kRows * group_bytes);
      }
      for (const std::size_t n_sums : {1UL, 2UL, 3UL, 8UL, 13UL}) {
        const std::size_t unit_groups = n_sums % 2 + 1;
        std::vector<std::int8_t> weights(n_sums * n_groups * kRows);
        std::vector<std::int32_t> totals(n_sums * n_groups, 0);
        for (std::size_t i = 0; i < weights.size(); ++i) {
          weights[i] = static_cast<std::int8_t>(i % 7 == 0 ? -127 : static_cast<int>(next_random(state) % 255) - 127);
          const std::size_t group = i / kRows / n_sums, sum = i / kRows % n_sums;
          totals[group / unit_groups * n_sums + sum] += weights[i];
        }
        const auto units = gaussian(n_sums * n_groups, 3);
        const auto before = gaussian(n_sums * (n + 1), 4);
        auto sums = before;
        simd().sum_transposed({.words = reinterpret_cast<const std::uint8_t*>(words.data()), .group_bytes = group_bytes,
                               .n_groups = n_groups, .n_blocks = n_blocks, .bits = bits, .table = table.data(), .weights = weights.data(),
                               .unit_groups = unit_groups, .weight_sums = totals.data(), .weight_units = units.data(), .n_queries = n_sums, .sums = sums.data(),
                               .stride = n + 1});
        for (std::size_t q = 0; q < n_sums; ++q) {
          for (std::size_t c = 0; c < n; ++c) {
            float expected = before[q * (n + 1) + c];
            for (std::size_t u = 0; u * unit_groups < n_groups; ++u) {
              std::int32_t exact = 0;
              for (std::size_t r = u * unit_groups * kRows; r < std::min(n_groups, (u + 1) * unit_groups) * kRows; ++r)
                exact += table[codes[r * n + c]] * weights[(r / kRows * n_sums + q) * kRows + r % kRows];
              expected += static_cast<float>(exact) * units[u * n_sums + q];
            }
            ASSERT_EQ(sums[q * (n + 1) + c], expected) << bits << " bits, " << n_groups << " groups, " << n_sums << " sums";
          }
          EXPECT_EQ(sums[q * (n + 1) + n], before[q * (n + 1) + n]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tq::test
