// Every target of this machine against scalar, and scalar against plain sums in double.
#include "simd/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/float16.h"
#include "quant/interleave.h"
#include "simd/every_target.h"
#include "support/random_rows.h"

namespace tq {
namespace {

using test::all_targets;
using test::EveryTarget;
using test::exactly;
using test::scalar;

INSTANTIATE_TEST_SUITE_P(Targets, EveryTarget, testing::ValuesIn(all_targets()),
                         [](const testing::TestParamInfo<const Kernels*>& target) { return std::string(target.param->name); });

// Body, epilogue and ragged tail of every unrolling: 0 to 70, and two long ones.
std::vector<std::size_t> lengths() {
  std::vector<std::size_t> n(71);
  std::iota(n.begin(), n.end(), 0U);
  n.insert(n.end(), {256, 1000});
  return n;
}

/// Σ |a·b| · n · 2⁻²⁴: what n roundings can do to a sum of products.
double rounding_bound(const std::vector<float>& a, const std::vector<float>& b, std::size_t n) {
  double magnitude = 0;
  for (std::size_t i = 0; i < n; ++i) magnitude += std::abs(static_cast<double>(a[i]) * static_cast<double>(b[i]));
  return magnitude * static_cast<double>(n + 2) * 0x1p-24;
}

TEST_P(EveryTarget, ordered_dot_has_the_bits_of_scalar_and_is_the_sum) {
  const auto a = test::gaussian(1000, 1), b = test::gaussian(1000, 2);
  for (const std::size_t n : lengths()) {
    const auto x = exactly(a, n), y = exactly(b, n);
    const float sum = simd().ordered_dot(x.data(), y.data(), n);
    EXPECT_EQ(sum, scalar().ordered_dot(x.data(), y.data(), n)) << n;
    EXPECT_NEAR(sum, test::dot(x.data(), y.data(), n), rounding_bound(a, b, n)) << n;
  }
}

TEST_P(EveryTarget, dot_tile_is_every_pair_and_no_pair_depends_on_its_place) {
  constexpr std::size_t kStride = 75;
  for (const std::size_t n : {1UL, 15UL, 16UL, 17UL, 64UL, 70UL}) {
    for (const std::size_t n_rows : {1UL, 3UL, 4UL, 5UL, 9UL}) {
      for (const std::size_t n_vectors : {1UL, 2UL, 4UL, 7UL, 9UL}) {
        const auto rows = exactly(test::gaussian(n_rows * kStride, 3), (n_rows - 1) * kStride + n);
        const auto vectors = exactly(test::gaussian(n_vectors * kStride, 4), (n_vectors - 1) * kStride + n);
        std::vector<float> out(n_vectors * (n_rows + 2), 99.0F);
        simd().dot_tile(rows.data(), kStride, n_rows, vectors.data(), kStride, n_vectors, n, out.data(), n_rows + 2);
        for (std::size_t v = 0; v < n_vectors; ++v) {
          for (std::size_t r = 0; r < n_rows; ++r) {
            const std::vector<float> a(&rows[r * kStride], &rows[r * kStride] + n), b(&vectors[v * kStride], &vectors[v * kStride] + n);
            const float value = out[v * (n_rows + 2) + r];
            EXPECT_NEAR(value, test::dot(a.data(), b.data(), n), rounding_bound(a, b, n));
            float alone = 0;
            simd().dot_tile(a.data(), n, 1, b.data(), n, 1, n, &alone, 1);
            EXPECT_EQ(alone, value);
          }
          EXPECT_EQ(out[v * (n_rows + 2) + n_rows], 99.0F) << "wrote beside the tile";
        }
      }
    }
  }
}

TEST_P(EveryTarget, weighted_sum_adds_to_what_is_there) {
  for (const std::size_t n : lengths()) {
    constexpr std::size_t kRows = 5;
    const auto rows = test::gaussian(kRows * n, 5), weights = test::gaussian(kRows, 6), start = test::gaussian(n, 7);
    std::vector<float> acc = start;
    simd().weighted_sum(weights.data(), rows.data(), n, kRows, n, acc.data());
    for (std::size_t j = 0; j < n; ++j) {
      double expected = static_cast<double>(start[j]), magnitude = std::abs(expected);
      for (std::size_t r = 0; r < kRows; ++r) {
        const double term = static_cast<double>(weights[r]) * static_cast<double>(rows[r * n + j]);
        expected += term;
        magnitude += std::abs(term);
      }
      EXPECT_NEAR(acc[j], expected, magnitude * (kRows + 2) * 0x1p-24);
    }
  }
}

TEST_P(EveryTarget, products_have_the_bits_of_scalar) {
  for (const std::size_t n : lengths()) {
    const auto x = test::gaussian(n, 9), factors = test::gaussian(n, 10);
    std::vector<float> a = x, b = x;
    simd().multiply(a.data(), factors.data(), n);
    scalar().multiply(b.data(), factors.data(), n);
    simd().scale(a.data(), 0.3F, n);
    scalar().scale(b.data(), 0.3F, n);
    EXPECT_EQ(a, b);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(a[i], x[i] * factors[i] * 0.3F);
  }
}

TEST_P(EveryTarget, quantize_counts_the_boundaries_strictly_below) {
  for (unsigned bits = 1; bits <= 9; ++bits) {
    const std::size_t n_boundaries = (std::size_t{1} << bits) - 1;
    std::vector<float> boundaries(n_boundaries);
    for (std::size_t i = 0; i < n_boundaries; ++i) boundaries[i] = static_cast<float>(i) - static_cast<float>(n_boundaries) / 2;
    std::vector<float> x = test::gaussian(64, 13 + bits);
    for (float& v : x) v *= static_cast<float>(n_boundaries) / 4;
    for (std::size_t i = 0; i < n_boundaries; ++i) x.push_back(boundaries[i]);  // ties
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    x.insert(x.end(), {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 0.0F, -0.0F});
    for (const std::size_t n : {x.size(), x.size() - 5, std::size_t{0}, std::size_t{3}}) {
      const std::vector<float> in(x.end() - static_cast<std::ptrdiff_t>(n), x.end());
      std::vector<std::uint16_t> codes(n);
      simd().quantize(in.data(), n, boundaries.data(), n_boundaries, codes.data());
      for (std::size_t i = 0; i < n; ++i) {
        unsigned expected = 0;
        for (const float boundary : boundaries) expected += boundary < in[i] ? 1U : 0U;
        EXPECT_EQ(codes[i], expected) << bits << " bits, " << in[i];
      }
    }
  }
}

TEST_P(EveryTarget, decode_codes_reads_the_bit_streams_and_nothing_around_them) {
  const std::vector<float> scales = {0.7F, -1.5F, 0.01F};
  for (unsigned bits = 1; bits <= 9; ++bits) {
    const auto table = test::gaussian(std::size_t{1} << bits, 30 + bits);
    for (const std::size_t n : lengths()) {
      const std::size_t bytes = (n * bits + 7) / 8;
      for (const std::size_t n_rows : {1UL, 3UL}) {
        const std::size_t stride = bytes + (n % 2 == 0 ? 0 : 2);  // between two rows a scale may stand
        std::vector<std::uint8_t> packed((n_rows - 1) * stride + bytes);
        std::uint64_t state = n + bits;
        for (auto& byte : packed) byte = static_cast<std::uint8_t>(next_random(state));
        std::vector<float> out(n_rows * n + 1, 99.0F);
        simd().decode_codes({packed.data(), stride, n_rows, bits, n, scales.data(), out.data()}, table.data());
        for (std::size_t i = 0; i < n_rows * n; ++i) {
          unsigned code = 0;
          for (unsigned bit = 0; bit < bits; ++bit) {
            const std::size_t at = i / n * stride * 8 + i % n * bits + bit;
            code |= (packed[at / 8] >> at % 8 & 1U) << bit;
          }
          ASSERT_EQ(out[i], scales[i / n] * table[code]) << bits << " bits, " << i << " of " << n;
        }
        EXPECT_EQ(out[n_rows * n], 99.0F);
      }
    }
  }
}

TEST_P(EveryTarget, look_up_codes_has_the_bits_of_its_definition) {
  const auto table = test::gaussian(512, 90);
  const auto x = test::gaussian(70, 91);
  for (const std::size_t size : {2UL, 16UL, 32UL, 512UL}) {
    for (const std::size_t n : lengths()) {
      std::vector<std::uint16_t> codes(n);
      std::uint64_t state = n;
      for (auto& code : codes) code = static_cast<std::uint16_t>(next_random(state) % size);
      std::vector<float> out(n + 1, 99.0F);
      simd().look_up_codes(codes.data(), n, table.data(), size, 0.7F, out.data());
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(out[i], 0.7F * table[codes[i]]);
      EXPECT_EQ(out[n], 99.0F);
    }
  }
}

TEST_P(EveryTarget, a_query_in_bytes_is_rounded_in_units_of_its_largest_value) {
  std::vector<float> x = test::gaussian(150, 97);
  for (std::size_t n = 0; n <= x.size(); ++n) {
    std::vector<std::int8_t> out(n + 1, 99);
    float unit = 99, largest = 0;
    std::int32_t sum = 99, expected = 0;
    simd().to_bytes(x.data(), n, out.data(), &unit, &sum);
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(x[i]));
    EXPECT_EQ(unit, largest / 127.0F);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_EQ(out[i], static_cast<std::int8_t>(std::nearbyint(x[i] * (127.0F / largest))));
      expected += out[i];
    }
    EXPECT_EQ(sum, expected);
    EXPECT_EQ(out[n], 99);
  }
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity(), 0x1p110F}) {
    for (const std::size_t at : {0UL, 77UL, 149UL}) {
      std::vector<float> broken = x;
      broken[at] = bad;
      std::vector<std::int8_t> out(x.size(), 99);
      float unit = 0;
      std::int32_t sum = 99;
      simd().to_bytes(broken.data(), x.size(), out.data(), &unit, &sum);
      EXPECT_TRUE(std::isnan(unit));
      EXPECT_EQ(sum, 0);
      EXPECT_EQ(out, std::vector<std::int8_t>(x.size(), 0));
    }
  }
  std::vector<std::int8_t> out(1, 99);
  float unit = 99;
  std::int32_t sum = 99;
  const float tiny = 0x1p-101F;
  simd().to_bytes(&tiny, 1, out.data(), &unit, &sum);
  EXPECT_EQ(unit, 0.0F);
  EXPECT_EQ(out[0], 0);
}

TEST_P(EveryTarget, interleaved_products_are_exact_at_every_width_length_and_number_of_queries) {
  for (unsigned bits = 1; bits <= 4; ++bits) {
    std::vector<std::int8_t> table(std::size_t{1} << bits);
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int8_t>(i % 2 == 0 ? -127 + 3 * static_cast<int>(i) : 127);
    for (std::size_t dim = 1; dim <= 130; dim += dim < 70 ? 1 : 13) {
      const std::size_t padded = (dim + 31) / 32 * 32, n_words = interleaved_words(dim, bits);
      std::vector<std::byte> words(2 * n_words * 64, std::byte{0xFF});  // codes beyond dim must not count
      std::vector<std::uint16_t> codes(32 * dim);
      std::uint64_t state = dim * 10 + bits;
      for (auto& code : codes) code = static_cast<std::uint16_t>(next_random(state) & ((1U << bits) - 1));
      for (std::size_t r = 0; r < 32; ++r) interleave_row(codes.data() + r * dim, dim, bits, r % 16, words.data() + r / 16 * n_words * 64);
      for (const std::size_t n_queries : {1UL, 2UL, 3UL, 8UL, 13UL}) {
        std::vector<std::int8_t> queries(n_queries * padded, 0);
        std::vector<std::int32_t> sums(n_queries, 0);
        for (std::size_t q = 0; q < n_queries; ++q) {
          for (std::size_t i = 0; i < dim; ++i) {
            const auto value = static_cast<std::int8_t>(static_cast<int>(next_random(state) % 255) - 127);
            queries[q * padded + i] = i % 7 == 0 ? std::int8_t{-127} : value;  // the largest products of all
            sums[q] += queries[q * padded + i];
          }
        }
        const auto row_scales = test::gaussian(32, 92), units = test::gaussian(n_queries, 93);
        std::vector<std::uint8_t> panel(32 * padded + 63);
        for (std::uint8_t* room : {static_cast<std::uint8_t*>(nullptr), panel.data()}) {
          std::vector<float> out(n_queries * 33, 99.0F);
          simd().dot_interleaved({.words = reinterpret_cast<const std::uint8_t*>(words.data()), .n_words = n_words, .bits = bits,
                                  .table = table.data(), .row_scales = row_scales.data(), .queries = queries.data(),
                                  .query_stride = padded, .query_sums = sums.data(), .query_units = units.data(),
                                  .n_queries = n_queries, .out = out.data(), .out_stride = 33, .n_blocks = 2, .panel = room});
          for (std::size_t q = 0; q < n_queries; ++q) {
            for (std::size_t r = 0; r < 32; ++r) {
              std::int32_t expected = 0;
              for (std::size_t i = 0; i < dim; ++i) expected += table[codes[r * dim + i]] * queries[q * padded + i];
              ASSERT_EQ(out[q * 33 + r], static_cast<float>(expected) * row_scales[r] * units[q]) << bits << " bits, " << dim;
            }
            EXPECT_EQ(out[q * 33 + 32], 99.0F);
          }
        }
      }
    }
  }
}

/// Bits [at, at + width) of a stream of n bits, with what is behind its end.
std::size_t window_at(const std::vector<std::uint8_t>& stream, std::size_t n, std::size_t at, unsigned width, bool closed) {
  std::size_t window = 0;
  for (unsigned bit = 0; bit < width; ++bit) {
    std::size_t from = at + bit;
    if (from >= n && !closed) break;
    from %= n;
    window |= std::size_t{stream[from / 8]} >> from % 8 << bit & std::size_t{1} << bit;
  }
  return window;
}

// ---- 16 rows in lanes: each row has the bits that the kernels for one row give it

constexpr std::size_t kLanes = 16;

std::vector<float> in_lanes(const std::vector<float>& rows, std::size_t n) {
  std::vector<float> lanes(n * kLanes);
  for (std::size_t r = 0; r < kLanes; ++r) {
    for (std::size_t i = 0; i < n; ++i) lanes[i * kLanes + r] = rows[r * n + i];
  }
  return lanes;
}

TEST_P(EveryTarget, to_lanes_moves_every_value_and_reads_none_behind_the_rows) {
  for (const std::size_t n : lengths()) {
    if (n == 0) continue;
    for (const std::size_t n_rows : {1UL, 5UL, 16UL}) {
      for (const std::size_t stride : {n, n + 3}) {
        const auto rows = exactly(test::gaussian(kLanes * stride, n), (n_rows - 1) * stride + n);
        std::vector<float> lanes(n * kLanes, 99.0F);
        simd().to_lanes(rows.data(), stride, n_rows, n, lanes.data());
        for (std::size_t r = 0; r < kLanes; ++r) {
          for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(lanes[i * kLanes + r], r < n_rows ? rows[r * stride + i] : 0.0F);
        }
      }
    }
  }
}

TEST_P(EveryTarget, hadamard_lanes_has_the_bits_of_the_transform_of_each_row) {
  for (std::size_t n = 1; n <= 1024; n *= 2) {
    for (const std::size_t n_runs : {1UL, 3UL}) {
      for (const bool with_signs : {false, true}) {
        const std::size_t length = n * n_runs;
        std::vector<float> rows = test::gaussian(kLanes * length, 30 + n), signs(length, 1.0F);
        for (std::size_t i = 0; with_signs && i < length; i += 3) signs[i] = -1.0F;
        std::vector<float> lanes = in_lanes(rows, length);
        simd().hadamard_lanes(lanes.data(), n, n_runs, with_signs ? signs.data() : nullptr, 0.3F);
        for (std::size_t r = 0; r < kLanes; ++r) {
          float* row = rows.data() + r * length;
          scalar().hadamard_runs(row, n, n_runs, signs.data(), 0.3F, row);
        }
        ASSERT_EQ(lanes, in_lanes(rows, length)) << n_runs << " runs of " << n;
      }
    }
  }
}

TEST_P(EveryTarget, lanes_are_measured_scaled_and_quantized_as_rows_are) {
  for (const std::size_t n : lengths()) {
    if (n == 0) continue;
    std::vector<float> rows = test::gaussian(kLanes * n, 40 + n);
    rows[0] = std::numeric_limits<float>::infinity();
    rows[2 * n - 1] = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> lanes = in_lanes(rows, n);
    float largest[kLanes], factors[kLanes], squares[kLanes];
    simd().measure_lanes(lanes.data(), n, largest);
    rows[0] = rows[2 * n - 1] = 0;
    ASSERT_EQ(lanes, in_lanes(rows, n)) << "what is not finite becomes 0";
    for (std::size_t r = 0; r < kLanes; ++r) {
      float expected = 0;
      for (std::size_t i = 0; i < n; ++i) expected = std::max(expected, std::abs(rows[r * n + i]));
      ASSERT_EQ(largest[r], expected);
      factors[r] = 0.5F + 0.01F * static_cast<float>(r);
      scalar().scale(rows.data() + r * n, factors[r], n);
    }
    simd().scale_lanes(lanes.data(), n, factors, squares);
    ASSERT_EQ(lanes, in_lanes(rows, n));
    for (std::size_t r = 0; r < kLanes; ++r) ASSERT_EQ(squares[r], scalar().ordered_dot(&rows[r * n], &rows[r * n], n));

    for (unsigned bits = 1; bits <= 4; ++bits) {
      std::vector<float> centroids, boundaries;
      for (int i = 0; i < 1 << bits; ++i) centroids.push_back(static_cast<float>(2 * i + 1 - (1 << bits)) * 0.37F);
      for (std::size_t i = 0; i + 1 < centroids.size(); ++i) boundaries.push_back(0.5F * (centroids[i] + centroids[i + 1]));
      for (const bool squares_of_x : {false, true}) {
        factors[3] = std::numeric_limits<float>::quiet_NaN();  // code 0
        std::vector<std::uint8_t> fields((n + 3) / 4 * 64 + 1, 0xA5);
        float products[kLanes];
        simd().quantize_lanes({lanes.data(), n, factors, bits, boundaries.data(), centroids.data(), squares_of_x, fields.data(), products, squares});
        ASSERT_EQ(fields.back(), 0xA5) << "wrote behind the fields";
        for (std::size_t r = 0; r < kLanes; ++r) {
          std::vector<float> x(&rows[r * n], &rows[r * n] + n), c(n);
          std::vector<std::uint16_t> codes(n);
          scalar().scale(x.data(), factors[r], n);
          scalar().quantize(x.data(), n, boundaries.data(), boundaries.size(), codes.data());
          scalar().look_up_codes(codes.data(), n, centroids.data(), centroids.size(), 1.0F, c.data());
          for (std::size_t i = 0; i < (n + 3) / 4 * 4; ++i) ASSERT_EQ(fields[i / 4 * 64 + r * 4 + i % 4], i < n ? codes[i] : 0) << i;
          if (r == 3) continue;
          ASSERT_EQ(products[r], scalar().ordered_dot(c.data(), x.data(), n));
          const auto& squared = squares_of_x ? x : c;
          ASSERT_EQ(squares[r], scalar().ordered_dot(squared.data(), squared.data(), n));
        }
      }
    }
  }
}

// Codes in two planes against plain sums: single rows of 2 to 4 bits, and the signs alone against 1 to 9 queries.
TEST_P(EveryTarget, codes_in_two_planes_have_exact_sums) {
  constexpr std::size_t kRows = 48, kMostQueries = 9;
  for (const std::size_t chunks : {1UL, 2UL, 7UL, 16UL, 17UL, 48UL}) {
    for (unsigned bits = 2; bits <= 4; ++bits) {
      const std::size_t n = chunks * 32, padded = (chunks + 15) / 16 * 16, rest_words = (bits - 1) * chunks;
      std::uint64_t state = 50 + chunks;
      std::vector<std::vector<std::uint16_t>> codes(kRows, std::vector<std::uint16_t>(n));
      std::vector<std::uint8_t> signs(kRows / 16 * chunks * 64), rest(kRows * rest_words * 4 + 64);
      for (std::size_t block = 0; block < kRows / 16; ++block) {
        std::vector<std::byte> words(chunks * bits * 64), sign_words(chunks * 64), rest_of_block(rest_words * 64);
        for (std::size_t r = 0; r < 16; ++r) {
          for (auto& code : codes[block * 16 + r]) code = static_cast<std::uint16_t>(next_random(state) >> 60 & ((1U << bits) - 1));
          interleave_row(codes[block * 16 + r].data(), n, bits, r, words.data());
        }
        split_planes(words.data(), n, bits, sign_words.data(), rest_of_block.data());
        std::memcpy(signs.data() + block * chunks * 64, sign_words.data(), sign_words.size());
        for (std::size_t w = 0; w < rest_words; ++w) {
          for (std::size_t r = 0; r < 16; ++r) std::memcpy(&rest[((block * 16 + r) * rest_words + w) * 4], &rest_of_block[w * 64 + r * 4], 4);
        }
      }
      std::vector<std::int8_t> table(1U << bits), queries(kMostQueries * n), spread(32 * padded);
      for (auto& entry : table) entry = static_cast<std::int8_t>(next_random(state) % 255);
      for (auto& q : queries) q = static_cast<std::int8_t>(static_cast<int>(next_random(state) % 255) - 127);
      for (auto& entry : table) entry = entry == -128 ? std::int8_t{-127} : entry;
      std::vector<std::int32_t> sums(kMostQueries, 0);
      for (std::size_t q = 0; q < kMostQueries; ++q) sums[q] = std::accumulate(&queries[q * n], &queries[q * n] + n, 0);
      for (std::size_t i = 0; i < n; ++i) spread[4 * (i % 32 / 4 * padded + i / 32) + i % 4] = queries[i];
      const std::vector<float> scales = test::gaussian(kRows, 51), errors = test::gaussian(kRows, 52), units = test::gaussian(kMostQueries, 53),
                               margins = test::gaussian(kMostQueries, 54), offsets = test::gaussian(kMostQueries, 55);
      std::vector<std::uint8_t> tables(kMostQueries * chunks * 128);
      for (auto& entry : tables) entry = static_cast<std::uint8_t>(next_random(state) % 128);
      const std::vector<std::uint32_t> wanted = {47, 0, 16, 31, 5};
      std::vector<float> out(wanted.size());
      simd().dot_plane_rows({signs.data(), rest.data(), chunks, bits, table.data(), scales.data(), wanted.data(), wanted.size(), spread.data(), sums[0],
                             units[0], out.data()});
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        std::int32_t sum = 0;
        for (std::size_t j = 0; j < n; ++j) sum += table[codes[wanted[i]][j]] * queries[j];
        ASSERT_EQ(out[i], static_cast<float>(sum) * scales[wanted[i]] * units[0]) << bits << " bits, " << chunks << " chunks";
      }
      std::vector<float> lanes(rest_words * 16), block(kMostQueries * 17, 99.0F);
      simd().to_lanes(reinterpret_cast<const float*>(&rest[16 * rest_words * 4]), rest_words, 16, rest_words, lanes.data());
      simd().dot_planes({&signs[chunks * 64], reinterpret_cast<const std::uint8_t*>(lanes.data()), chunks, bits, table.data(), &scales[16], queries.data(), n,
                         sums.data(), units.data(), kMostQueries, block.data(), 17});
      for (std::size_t q = 0; q < kMostQueries; ++q) {
        for (std::size_t r = 0; r < 16; ++r) {
          std::int32_t sum = 0;
          for (std::size_t j = 0; j < n; ++j) sum += table[codes[16 + r][j]] * queries[q * n + j];
          ASSERT_EQ(block[q * 17 + r], static_cast<float>(sum) * scales[16 + r] * units[q]) << bits << " bits, " << chunks << " chunks, query " << q;
        }
        ASSERT_EQ(block[q * 17 + 16], 99.0F);
      }
      for (std::size_t n_queries = 1; n_queries <= kMostQueries; ++n_queries) {
        std::vector<float> bounds(n_queries * (kRows + 1), 99.0F);
        simd().scan_signs({signs.data(), kRows / 16, chunks, scales.data(), errors.data(), tables.data(), tables.size() / kMostQueries, units.data(),
                           offsets.data(), margins.data(), n_queries, bounds.data(), kRows + 1});
        for (std::size_t q = 0; q < n_queries; ++q) {
          for (std::size_t r = 0; r < kRows; ++r) {
            std::int32_t sum = 0;
            for (std::size_t j = 0; j < n; j += 16) {
              for (std::size_t k = j; k < j + 4; ++k) {
                std::size_t nibble = 0;
                for (std::size_t bit = 0; bit < 4; ++bit) nibble |= static_cast<std::size_t>(codes[r][k + 4 * bit] >> (bits - 1)) << bit;
                sum += tables[q * n * 4 + j * 4 + k % 4 * 16 + nibble];
              }
            }
            const float estimate = (static_cast<float>(sum) * units[q] + offsets[q]) * scales[r], error = margins[q] * errors[r];
            ASSERT_EQ(bounds[q * (kRows + 1) + r], estimate + error) << n_queries << " queries, row " << r;
          }
          ASSERT_EQ(bounds[q * (kRows + 1) + kRows], 99.0F);
        }
      }
    }
  }
}

TEST_P(EveryTarget, find_above_lists_what_is_above_and_nothing_else) {
  for (const std::size_t n : lengths()) {
    auto x = test::gaussian(n, 60 + n);
    for (std::size_t i = 0; i < n; i += 5) x[i] = i % 2 == 0 ? 0.25F : std::numeric_limits<float>::quiet_NaN();
    const auto values = exactly(x, n);
    for (const float threshold : {0.25F, -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::infinity()}) {
      std::vector<std::uint32_t> found(n), expected;
      for (std::size_t i = 0; i < n; ++i) {
        if (values[i] > threshold) expected.push_back(static_cast<std::uint32_t>(i));
      }
      found.resize(simd().find_above(values.data(), n, threshold, found.data()));
      ASSERT_EQ(found, expected) << n;
    }
  }
}

TEST_P(EveryTarget, decode_windows_reads_the_bit_stream_and_nothing_behind_it) {
  for (unsigned bits = 1; bits <= 5; ++bits) {
    for (unsigned window = std::max(bits, 5U); window <= std::min(9U, bits + 8); ++window) {
      std::uint64_t state = 100 * bits + window;
      std::vector<std::int8_t> table((std::size_t{1} << window) + 3);
      for (auto& value : table) value = static_cast<std::int8_t>(next_random(state));
      const auto mirror = static_cast<std::uint8_t>(window == 8 && bits > 1 ? 0x80U | next_random(state) : 0U);
      for (std::size_t w = 128; w < 256 && mirror != 0; ++w) table[w] = table[w ^ mirror];
      for (std::size_t n = 0; n <= 130; ++n) {
        std::vector<std::uint8_t> packed((n * bits + 7) / 8);
        for (auto& byte : packed) byte = static_cast<std::uint8_t>(next_random(state));
        if (n * bits % 8 != 0) packed.back() &= static_cast<std::uint8_t>((1U << n * bits % 8) - 1);
        for (const bool closed : {false, true}) {
          if (closed && n * bits < 8) continue;
          std::vector<std::uint8_t> rows = packed;  // the same row twice
          rows.insert(rows.end(), packed.begin(), packed.end());
          const std::vector<float> scales = {0.7F, -2.0F};
          std::vector<float> out(2 * n + 1, 99.0F);
          simd().decode_windows({rows.data(), packed.size(), 2, bits, n, scales.data(), out.data()}, {table.data(), window, closed, mirror});
          for (std::size_t i = 0; i < 2 * n; ++i) {
            const std::size_t w = window_at(packed, n * bits, i % n * bits, window, closed);
            ASSERT_EQ(out[i], scales[i / n] * static_cast<float>(table[w])) << bits << " bits of " << window << ", " << i << " of " << n;
          }
          EXPECT_EQ(out[2 * n], 99.0F);
        }
      }
    }
  }
}

TEST_P(EveryTarget, products_with_interleaved_streams_are_exact) {
  std::uint64_t state = 5;
  std::vector<std::int8_t> table(128);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<std::int8_t>(static_cast<int>(i * 37 % 255) - 127);
  for (const auto& [bits, mirror] : {std::pair{2U, 0x80U}, {2U, 0x9AU}, {3U, 0xFFU}, {3U, 0x81U}, {4U, 0xABU}, {4U, 0xD5U}}) {
    for (const std::size_t dim : {32UL, 64UL, 96UL, 160UL, 576UL}) {
      const std::size_t n_words = dim * bits / 32;
      std::vector<std::vector<std::uint8_t>> streams(32, std::vector<std::uint8_t>(4 * n_words));
      std::vector<std::byte> words(2 * n_words * 64);
      for (std::size_t r = 0; r < 32; ++r) {
        for (auto& byte : streams[r]) byte = static_cast<std::uint8_t>(next_random(state));
        interleave_stream(reinterpret_cast<const std::byte*>(streams[r].data()), n_words, r % 16, words.data() + r / 16 * n_words * 64);
      }
      for (const std::size_t n_queries : {1UL, 2UL, 7UL, 15UL}) {
        std::vector<std::int8_t> queries(n_queries * dim);
        std::vector<std::int32_t> sums(n_queries, 0);
        for (std::size_t i = 0; i < queries.size(); ++i) {
          queries[i] = static_cast<std::int8_t>(i % 7 == 0 ? -127 : static_cast<int>(next_random(state) % 255) - 127);
          sums[i / dim] += queries[i];
        }
        const auto row_scales = test::gaussian(32, 95), units = test::gaussian(n_queries, 96);
        std::vector<std::uint8_t> panel(32 * dim + 63);
        for (std::uint8_t* room : {static_cast<std::uint8_t*>(nullptr), panel.data()}) {
          std::vector<float> out(n_queries * 33, 99.0F);
          simd().dot_windows({.words = reinterpret_cast<const std::uint8_t*>(words.data()), .n_words = n_words, .bits = bits,
                              .table = table.data(), .row_scales = row_scales.data(), .queries = queries.data(), .query_stride = dim,
                              .query_sums = sums.data(), .query_units = units.data(), .n_queries = n_queries, .out = out.data(),
                              .out_stride = 33, .n_blocks = 2, .mirror = static_cast<std::uint8_t>(mirror), .panel = room});
          for (std::size_t q = 0; q < n_queries; ++q) {
            for (std::size_t r = 0; r < 32; ++r) {
              std::int32_t expected = 0;
              for (std::size_t i = 0; i < dim; ++i) {
                const std::size_t window = window_at(streams[r], dim * bits, i * bits, 8, true), quarter = dim / 4;
                expected += table[window < 128 ? window : window ^ mirror] * queries[q * dim + i % quarter * 4 + i / quarter];
              }
              ASSERT_EQ(out[q * 33 + r], static_cast<float>(expected) * row_scales[r] * units[q]) << bits << " bits, " << dim;
            }
            EXPECT_EQ(out[q * 33 + 32], 99.0F);
          }
        }
      }
    }
  }
}

TEST_P(EveryTarget, search_windows_has_the_bits_of_scalar_and_keeps_the_cheapest_way) {
  for (const auto& [bits, window] : {std::pair{1U, 5U}, {1U, 8U}, {2U, 8U}, {3U, 8U}, {4U, 8U}, {5U, 9U}}) {
    const std::size_t states = std::size_t{1} << (window - bits), n = 150;
    const auto values = test::gaussian(states << bits, window), x = test::gaussian(n, bits);
    std::vector<float> costs(states), scalar_costs(states);
    std::vector<std::uint8_t> choices(n * states), scalar_choices(n * states);
    simd().search_windows({x.data(), n, bits, window, values.data(), costs.data(), choices.data()});
    scalar().search_windows({x.data(), n, bits, window, values.data(), scalar_costs.data(), scalar_choices.data()});
    EXPECT_EQ(costs, scalar_costs);
    EXPECT_EQ(choices, scalar_choices);

    // One step by hand, where costs are a single square: the replaced bits are worth less than 2^(bits − 23) of it.
    std::vector<float> one(states);
    simd().search_windows({x.data(), 1, bits, window, values.data(), one.data(), choices.data()});
    for (std::size_t state = 0; state < states; ++state) {
      float best = 1e30F;
      for (std::size_t top = 0; top < std::size_t{1} << bits; ++top) {
        best = std::min(best, std::abs(x[0] - values[top * states + state]));
      }
      const float chosen = std::abs(x[0] - values[choices[state] * states + state]);
      EXPECT_LE(chosen, best * (1 + std::ldexp(1.0F, static_cast<int>(bits) - 23)));
      EXPECT_NEAR(one[state], chosen * chosen, std::ldexp(chosen * chosen, static_cast<int>(bits) - 23) + 1e-40F);
    }
  }
}

TEST_P(EveryTarget, search_windows_gives_equal_costs_to_the_smaller_window) {
  const std::vector<float> values(256, 1.0F), x(70, 0.5F);
  std::vector<float> costs(64);
  std::vector<std::uint8_t> choices(70 * 64, 1);
  simd().search_windows({x.data(), 70, 2, 8, values.data(), costs.data(), choices.data()});
  for (const std::uint8_t choice : choices) EXPECT_EQ(choice, 0);
}

std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }

TEST_P(EveryTarget, every_half_becomes_its_float_and_every_float_near_a_half_rounds_to_even) {
  std::vector<std::uint16_t> halves(65536);
  std::iota(halves.begin(), halves.end(), std::uint16_t{0});
  std::vector<float> floats(halves.size()), reference(halves.size());
  simd().f16_to_f32(halves.data(), halves.size(), floats.data());
  scalar().f16_to_f32(halves.data(), halves.size(), reference.data());
  EXPECT_EQ(std::memcmp(floats.data(), reference.data(), floats.size() * sizeof(float)), 0);
  std::vector<float> between;
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const float exact = half_to_float(halves[i]);
    if (std::isnan(exact)) {
      EXPECT_TRUE(std::isnan(floats[i]));
      continue;
    }
    EXPECT_EQ(bits_of(floats[i]), bits_of(exact)) << i;
    between.insert(between.end(), {exact, std::nextafter(exact, 1e9F), std::nextafter(exact, -1e9F)});
    const float next = half_to_float(static_cast<std::uint16_t>(i + 1));
    if (std::isfinite(next)) between.push_back((exact + next) / 2);  // exactly half way: ties to even
  }
  between.insert(between.end(), {65519.99F, 65520.0F, 1e30F, -1e30F, 1e-30F, std::numeric_limits<float>::quiet_NaN(),
                                 std::numeric_limits<float>::signaling_NaN()});
  std::vector<std::uint16_t> rounded(between.size()), rounded_reference(between.size());
  simd().f32_to_f16(between.data(), between.size(), rounded.data());
  scalar().f32_to_f16(between.data(), between.size(), rounded_reference.data());
  EXPECT_EQ(rounded, rounded_reference);
  for (std::size_t i = 0; i < between.size(); ++i) {
    if (std::isnan(between[i])) {
      EXPECT_TRUE(std::isnan(half_to_float(rounded[i])));
    } else {
      EXPECT_EQ(rounded[i], float_to_half(between[i])) << between[i];
    }
  }
}

TEST_P(EveryTarget, bfloat16_is_the_upper_half_rounded_to_even) {
  std::vector<float> x = {0.0F, -0.0F, 1.0F, 3.0e38F, 3.4e38F, -3.4e38F, 1e-40F, std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN(), std::bit_cast<float>(0x7F800001U), std::bit_cast<float>(0x3F808000U),
                          std::bit_cast<float>(0x3F818000U), std::bit_cast<float>(0x3F808001U)};
  for (const float value : test::gaussian(100, 40)) x.push_back(value);
  std::vector<std::uint16_t> rounded(x.size());
  std::vector<float> back(x.size());
  simd().f32_to_bf16(x.data(), x.size(), rounded.data());
  simd().bf16_to_f32(rounded.data(), x.size(), back.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(bits_of(back[i]), std::uint32_t{rounded[i]} << 16);
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(back[i])) << std::hex << bits_of(x[i]);
      continue;
    }
    // The nearest of the two neighbours, the even one when both are as near.
    const std::uint32_t down = bits_of(x[i]) & 0xFFFF0000U, rest = bits_of(x[i]) & 0xFFFFU;
    const bool up = rest > 0x8000U || (rest == 0x8000U && (down & 0x10000U) != 0);
    EXPECT_EQ(bits_of(back[i]), down + (up ? 0x10000U : 0U)) << x[i];
  }
  EXPECT_EQ(rounded[10], 0x3F80) << "a tie goes to the even neighbour below";
  EXPECT_EQ(rounded[11], 0x3F82) << "a tie goes to the even neighbour above";
}

TEST_P(EveryTarget, blocks_of_ggml_decode_value_by_value) {
  std::uint64_t state = 50;
  std::vector<std::uint8_t> q8(3 * 34), q4(3 * 18);
  for (auto* blocks : {&q8, &q4}) {
    for (auto& byte : *blocks) byte = static_cast<std::uint8_t>(next_random(state));
    const std::size_t size = blocks->size() / 3;
    for (std::size_t b = 0; b < 3; ++b) (*blocks)[b * size + 1] &= 0x3FU;  // finite, positive scales
  }
  std::vector<float> out8(96), out4(96);
  simd().decode_q8_0(q8.data(), 96, out8.data());
  simd().decode_q4_0(q4.data(), 96, out4.data());
  for (std::size_t i = 0; i < 96; ++i) {
    const std::uint8_t* block8 = q8.data() + i / 32 * 34;
    const std::uint8_t* block4 = q4.data() + i / 32 * 18;
    EXPECT_EQ(out8[i], half_to_float(load_u16(block8)) * static_cast<float>(static_cast<std::int8_t>(block8[2 + i % 32])));
    const unsigned byte = block4[2 + i % 16];
    const int nibble = static_cast<int>(i % 32 < 16 ? byte & 15U : byte >> 4) - 8;
    EXPECT_EQ(out4[i], half_to_float(load_u16(block4)) * static_cast<float>(nibble));
  }
}

TEST_P(EveryTarget, rms_norm_divides_by_the_root_mean_square) {
  for (const std::size_t n : lengths()) {
    if (n == 0) continue;
    const auto x = test::gaussian(n, 60), weight = test::gaussian(n, 61);
    std::vector<float> y(n);
    simd().rms_norm(x.data(), weight.data(), n, 1e-5F, y.data());
    const double root = std::sqrt(test::dot(x.data(), x.data(), n) / static_cast<double>(n) + 1e-5);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = static_cast<double>(x[i]) / root * static_cast<double>(weight[i]);
      EXPECT_NEAR(y[i], expected, std::abs(expected) * 1e-5 + 1e-12);  // the sum's roundings, halved by the root, and four more
    }
  }
}

TEST_P(EveryTarget, softmax_is_within_1e_6_of_the_exponentials) {
  for (const std::size_t n : lengths()) {
    if (n == 0) continue;
    auto x = test::gaussian(n, 70);
    for (float& v : x) v *= 10;
    std::vector<float> y = x;
    const float log_sum = simd().softmax(y.data(), n);
    std::vector<float> exponentials = x;
    float total = 0;
    const float largest = simd().exponentials(exponentials.data(), n, &total);
    double top = -1e30, sum = 0;
    for (const float v : x) top = std::max(top, static_cast<double>(v));
    for (const float v : x) sum += std::exp(static_cast<double>(v) - top);
    EXPECT_NEAR(log_sum, top + std::log(sum), 1e-5 + 1e-6 * std::abs(top));
    EXPECT_EQ(largest, static_cast<float>(top));
    EXPECT_NEAR(total, sum, sum * 1e-5);  // arguments of any size that counts, below 15, and 130 / 16 + 4 additions
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = std::exp(static_cast<double>(x[i]) - top) / sum;
      // The argument x − top is rounded at a size of up to 90: half an ulp there, 3.8e-6, is a relative error of the exponential.
      const double argument = std::abs(static_cast<double>(x[i]) - top) * 0x1p-24;
      EXPECT_NEAR(y[i], expected, expected * (1e-6 + argument)) << n << " " << x[i];
      EXPECT_NEAR(exponentials[i], expected * sum, expected * sum * (1e-6 + argument)) << n << " " << x[i];
    }
  }
}

TEST_P(EveryTarget, softmax_hides_no_nan_and_survives_far_apart_values) {
  std::vector<float> x = {0, 1, std::numeric_limits<float>::quiet_NaN()};
  simd().softmax(x.data(), x.size());
  EXPECT_TRUE(std::isnan(x[0]) && std::isnan(x[2]));
  x = {-3e38F, 0, -std::numeric_limits<float>::infinity(), -1000};
  simd().softmax(x.data(), x.size());
  EXPECT_EQ(x[1], 1.0F);
  for (const std::size_t i : {0UL, 2UL, 3UL}) EXPECT_LT(x[i], 1e-37F);
}

TEST_P(EveryTarget, silu_multiply_is_the_definition) {
  auto gate = test::gaussian(70, 80), up = test::gaussian(70, 81);
  for (float& v : gate) v *= 20;
  const auto x = gate;
  simd().silu_multiply(gate.data(), up.data(), 70);
  for (std::size_t i = 0; i < 70; ++i) {
    const double expected = static_cast<double>(x[i]) / (1 + std::exp(-static_cast<double>(x[i]))) * static_cast<double>(up[i]);
    EXPECT_NEAR(gate[i], expected, std::abs(expected) * 5e-6);  // the exponential's argument, up to 60, is rounded to 2^-18 at most
  }
}

}  // namespace
}  // namespace tq
