// Products with codes of 5 to 9 bits, against plain sums of the same bytes.
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

/// Both bytes of 2^bits centroids, the largest among them, in no order.
std::vector<std::int8_t> table_of(unsigned bits) {
  std::vector<std::int8_t> table(std::size_t{2} << bits);
  std::uint64_t state = bits;
  for (auto& value : table) value = static_cast<std::int8_t>(static_cast<int>(next_random(state) % 255) - 127);
  table.front() = table.back() = -127;
  return table;
}

/// Bytes of which every seventh is as large as they come.
std::vector<std::int8_t> bytes_of(std::size_t n, std::uint64_t& state) {
  std::vector<std::int8_t> bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::int8_t>(i % 7 == 0 ? -127 : static_cast<int>(next_random(state) % 255) - 127);
  return bytes;
}

/// Sums of products of high and high bytes, and of high and low ones.
struct Sums {
  std::int32_t top = 0, middle = 0;
  void add(int high, int low, int other_high, int other_low) {
    top += high * other_high;
    middle += high * other_low + low * other_high;
  }
  float value() const { return static_cast<float>(top) * 254.0F + static_cast<float>(middle); }
};

TEST_P(EveryTarget, wide_products_are_exact_at_every_width_length_and_number_of_queries) {
  for (unsigned bits = 5; bits <= 9; ++bits) {
    const std::vector<std::int8_t> table = table_of(bits);
    for (std::size_t dim = 1; dim <= 130; dim += dim < 70 ? 1 : 13) {
      const std::size_t padded = (dim + 31) / 32 * 32, n_words = interleaved_words(dim, bits);
      std::vector<std::byte> words(2 * n_words * 64, std::byte{0xFF});  // codes beyond dim must not count
      std::vector<std::uint16_t> codes(32 * dim);
      std::uint64_t state = dim * 10 + bits;
      for (auto& code : codes) code = static_cast<std::uint16_t>(next_random(state) & ((1U << bits) - 1));
      for (std::size_t r = 0; r < 32; ++r) interleave_row(codes.data() + r * dim, dim, bits, r % 16, words.data() + r / 16 * n_words * 64);
      for (const std::size_t n_queries : {1UL, 2UL, 3UL, 4UL, 13UL}) {
        std::vector<std::int8_t> queries(n_queries * 2 * padded, 0);
        std::vector<std::int32_t> sums(2 * n_queries, 0);
        for (std::size_t half = 0; half < 2 * n_queries; ++half) {
          const std::vector<std::int8_t> bytes = bytes_of(dim, state);
          std::copy(bytes.begin(), bytes.end(), queries.begin() + static_cast<std::ptrdiff_t>(half * padded));
          for (const std::int8_t byte : bytes) sums[half] += byte;
        }
        const auto row_scales = gaussian(32, 92), units = gaussian(n_queries, 93);
        std::vector<std::uint8_t> panel(2 * 32 * padded + 63);
        for (std::uint8_t* room : {static_cast<std::uint8_t*>(nullptr), panel.data()}) {
          std::vector<float> out(n_queries * 33, 99.0F);
          simd().dot_wide({.words = reinterpret_cast<const std::uint8_t*>(words.data()), .n_words = n_words, .bits = bits,
                           .table = table.data(), .row_scales = row_scales.data(), .queries = queries.data(), .query_stride = 2 * padded,
                           .query_sums = sums.data(), .query_units = units.data(), .n_queries = n_queries, .out = out.data(),
                           .out_stride = 33, .n_blocks = 2, .panel = room});
          for (std::size_t q = 0; q < n_queries; ++q) {
            for (std::size_t r = 0; r < 32; ++r) {
              Sums expected;
              for (std::size_t i = 0; i < dim; ++i) {
                const std::size_t code = codes[r * dim + i], at = q * 2 * padded + i;
                expected.add(table[code], table[(std::size_t{1} << bits) + code], queries[at], queries[at + padded]);
              }
              ASSERT_EQ(out[q * 33 + r], expected.value() * row_scales[r] * units[q])
                  << bits << " bits, " << dim << " values, query " << q << (room != nullptr ? ", panel" : "");
            }
            EXPECT_EQ(out[q * 33 + 32], 99.0F);
          }
        }
      }
    }
  }
}

TEST_P(EveryTarget, wide_transposed_sums_are_exact_in_each_group_at_every_width_and_number_of_sums) {
  constexpr std::size_t kRows = 32;
  for (unsigned bits = 5; bits <= 9; ++bits) {
    const std::vector<std::int8_t> table = table_of(bits);
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
        const std::size_t plane = n_sums * n_groups * kRows;
        const std::vector<std::int8_t> weights = bytes_of(2 * plane, state);
        std::vector<std::int32_t> totals(n_sums * 2 * n_groups, 0);
        for (std::size_t i = 0; i < weights.size(); ++i) totals[i / kRows] += weights[i];
        const auto units = gaussian(n_sums * n_groups, 3), before = gaussian(n_sums * (n + 1), 4);
        auto sums = before;
        simd().sum_wide({.words = reinterpret_cast<const std::uint8_t*>(words.data()), .group_bytes = group_bytes, .n_groups = n_groups, .n_blocks = n_blocks,
                         .bits = bits, .table = table.data(), .weights = weights.data(), .weight_sums = totals.data(),
                         .weight_units = units.data(), .n_queries = n_sums, .sums = sums.data(), .stride = n + 1});
        for (std::size_t q = 0; q < n_sums; ++q) {
          for (std::size_t c = 0; c < n; ++c) {
            float expected = before[q * (n + 1) + c];
            for (std::size_t g = 0; g < n_groups; ++g) {
              Sums of_group;
              for (std::size_t r = g * kRows; r < (g + 1) * kRows; ++r) {
                const std::size_t code = codes[r * n + c], at = (g * n_sums + q) * kRows + r % kRows;
                of_group.add(table[code], table[(std::size_t{1} << bits) + code], weights[at], weights[at + plane]);
              }
              expected += of_group.value() * units[g * n_sums + q];
            }
            ASSERT_EQ(sums[q * (n + 1) + c], expected) << bits << " bits, " << n_groups << " groups, " << n_sums << " sums";
          }
          EXPECT_EQ(sums[q * (n + 1) + n], before[q * (n + 1) + n]);
        }
      }
    }
  }
}

TEST_P(EveryTarget, two_bytes_are_wrong_by_half_a_32384th_of_the_largest) {
  for (const std::size_t n : {1UL, 15UL, 16UL, 17UL, 128UL, 1000UL}) {
    const auto x = gaussian(n, 7);
    std::vector<std::int8_t> high(n + 1, 99), low(n + 1, 99);
    float unit = 99;
    std::int32_t sums[2] = {99, 99}, expected[2] = {0, 0};
    simd().to_words(x.data(), n, high.data(), low.data(), &unit, sums);
    float largest = 0;
    for (const float value : x) largest = std::max(largest, std::abs(value));
    EXPECT_EQ(unit, largest / 32384.0F);
    for (std::size_t i = 0; i < n; ++i) {
      // Half a unit, and what single precision makes of 32384 of them.
      ASSERT_NEAR(static_cast<double>(x[i]) / static_cast<double>(unit), 254 * high[i] + low[i], 0.5 + 32384 * 0x1p-22);
      ASSERT_GE(std::min(high[i], low[i]), -127);
      expected[0] += high[i];
      expected[1] += low[i];
    }
    EXPECT_EQ(sums[0], expected[0]);
    EXPECT_EQ(sums[1], expected[1]);
    EXPECT_EQ(high[n], 99);
    EXPECT_EQ(low[n], 99);
  }
}

TEST_P(EveryTarget, all_numbers_of_units_come_back_from_two_bytes) {
  std::vector<float> x;
  for (int units = -32384; units <= 32384; ++units) x.push_back(static_cast<float>(units));
  std::vector<std::int8_t> high(x.size()), low(x.size());
  float unit = 0;
  std::int32_t sums[2];
  simd().to_words(x.data(), 32768, high.data(), low.data(), &unit, sums);  // the first half has the largest, −32384
  EXPECT_EQ(unit, 1.0F);
  for (std::size_t i = 0; i < 32768; ++i) ASSERT_EQ(254 * high[i] + low[i], static_cast<int>(x[i]));
}

TEST_P(EveryTarget, weights_in_two_bytes_are_those_of_each_group) {
  constexpr std::size_t kGroups = 3, kRows = 32;
  const auto weights = gaussian(kGroups * kRows, 1);
  auto scales = gaussian(kGroups * kRows, 2);
  scales[40] = std::numeric_limits<float>::infinity();  // the second group is no number
  // As the second of two queries, the first of which is its half.
  std::vector<float> rows(2 * kGroups * kRows);
  for (std::size_t i = 0; i < kGroups * kRows; ++i) {
    rows[i] = 0.5F * weights[i];
    rows[kGroups * kRows + i] = weights[i];
  }
  std::vector<std::int8_t> bytes(4 * kGroups * kRows, 99), high(kRows), low(kRows);
  std::vector<float> units(2 * kGroups, 99);
  std::vector<std::int32_t> sums(4 * kGroups, 99);
  simd().weights_to_words({.weights = rows.data(), .weight_stride = kGroups * kRows, .scales = scales.data(), .n_groups = kGroups,
                           .n_queries = 2, .bytes = bytes.data(), .units = units.data(), .sums = sums.data()});
  for (std::size_t g = 0; g < kGroups; ++g) {
    std::vector<float> scaled(kRows);
    for (std::size_t i = 0; i < kRows; ++i) scaled[i] = weights[g * kRows + i] * scales[g * kRows + i];
    float unit = 0;
    std::int32_t both[2];
    simd().to_words(scaled.data(), kRows, high.data(), low.data(), &unit, both);
    const std::size_t at = 2 * g + 1, low_at = 2 * kGroups + at;
    EXPECT_TRUE(std::equal(high.begin(), high.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at * kRows)));
    EXPECT_TRUE(std::equal(low.begin(), low.end(), bytes.begin() + static_cast<std::ptrdiff_t>(low_at * kRows)));
    EXPECT_EQ(std::isnan(units[at]), g == 1);
    if (g != 1) EXPECT_EQ(units[at], unit);
    EXPECT_EQ(sums[at], both[0]);
    EXPECT_EQ(sums[low_at], both[1]);
    if (g != 1) EXPECT_EQ(units[at - 1], 0.5F * unit);
    EXPECT_EQ(sums[at - 1], both[0]) << "a half has the same bytes";
  }
}

}  // namespace
}  // namespace tq::test
