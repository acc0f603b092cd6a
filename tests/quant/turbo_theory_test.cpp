// TurboQuant against its theory: exact distortions of the codebook, and the figures of an independent
// simulation of 4000 and more random unit rows for the corrected scales (docs/algorithm.md, "One scale, and which").
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "support/random_rows.h"
#include "support/round_trip.h"
#include "turboquant/codebook.h"
#include "turboquant/codec.h"

namespace tq {
namespace {

constexpr std::size_t kRows = 6000;

std::shared_ptr<const Codec> turbo(unsigned bits, std::size_t dim, ScaleRule rule, bool wide_scale = false, std::uint64_t seed = 1) {
  CodecSpec spec = CodecSpec::parse("tq" + std::to_string(bits)).value().with_scale(rule);
  spec.wide_scale = wide_scale;
  spec.seed = seed;
  return make_codec(spec, dim).value();
}

using test::round_trip;

/// Mean ‖x − x̂‖² of unit rows.
double mean_squared_error(const Codec& codec, const std::vector<float>& rows) {
  const std::vector<float> decoded = round_trip(codec, rows);
  double error = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) error += std::pow(static_cast<double>(rows[i]) - static_cast<double>(decoded[i]), 2);
  return error / (static_cast<double>(rows.size()) / static_cast<double>(codec.dim()));
}

// With the exact norm as scale the error is the distortion of the codebook. A coordinate's squared error has a relative deviation of
// about 4 at 4 bits (most of it from the outermost cells): 4/√(40000 · 64) is a standard error of 0.25 % at d = 64.
TEST(TurboTheory, error_with_the_norm_as_scale_is_within_1_percent) {
  struct Row {
    std::size_t dim;
    std::vector<double> by_bits;
  };
  for (const Row& row : {Row{64, {0.358385, 0.114525, 0.033391, 0.009131}}, Row{128, {0.360886, 0.115999, 0.033966, 0.009315}},
                         Row{1536, {0.363173, 0.117358, 0.034499, 0.009485}}}) {
    const std::vector<float> rows = test::unit_rows(row.dim == 1536 ? 4000 : 40000, row.dim, 1);
    for (unsigned bits = 1; bits <= 4; ++bits) {
      const double mse = mean_squared_error(*turbo(bits, row.dim, ScaleRule::kNorm), rows);
      EXPECT_NEAR(mse / row.by_bits[bits - 1], 1, 0.01) << "d = " << row.dim << ", " << bits << " bits";
    }
  }
}

// A codebook in units of 1/√128 on parts of 32 and 96 gives 3.9 times the error (docs/algorithm.md, "Codebook").
TEST(TurboTheory, sub_vectors_of_32_and_96_have_their_own_unit) {
  for (const auto& [dim, bits, expected] : {std::tuple{32UL, 3U, 0.032261}, {32UL, 2U, 0.111600}, {96UL, 2U, 0.115507}, {96UL, 3U, 0.033773}}) {
    const double mse = mean_squared_error(*turbo(bits, dim, ScaleRule::kNorm), test::unit_rows(2 * kRows, dim, 2));
    EXPECT_NEAR(mse / expected, 1, 0.01) << "d = " << dim << ", " << bits << " bits";
  }
}

TEST(TurboTheory, least_squares_scale_lowers_the_error_as_measured) {
  const std::vector<double> expected = {0.3608, 0.1151, 0.0336, 0.00918, 0.00240};  // d = 128
  const std::vector<float> rows = test::unit_rows(kRows, 128, 3);
  for (unsigned bits = 1; bits <= 5; ++bits) {
    EXPECT_NEAR(mean_squared_error(*turbo(bits, 128, ScaleRule::kLeastSquares), rows) / expected[bits - 1], 1, 0.01) << bits;
  }
}

TEST(TurboTheory, wide_codes_reach_their_distortion_too) {
  const std::vector<float> rows = test::unit_rows(2000, 128, 4);
  for (unsigned bits = 5; bits <= 9; ++bits) {
    const double expected = Codebook::lloyd_max(bits, 128)->distortion;
    // An f16 scale adds at most 2^-22 to the relative error, 2 % of the distortion at 9 bits.
    EXPECT_NEAR(mean_squared_error(*turbo(bits, 128, ScaleRule::kLeastSquares), rows) / expected, 1, 0.03) << bits;
  }
}

TEST(TurboTheory, the_unbiased_scale_keeps_the_product_of_a_row_with_itself) {
  for (const std::size_t dim : {32UL, 64UL, 96UL, 128UL}) {
    const std::vector<float> rows = test::gaussian(500 * dim, 5);
    for (unsigned bits = 1; bits <= 9; ++bits) {
      for (const bool wide : {true, false}) {
        const std::vector<float> decoded = round_trip(*turbo(bits, dim, ScaleRule::kUnbiased, wide), rows);
        for (std::size_t r = 0; r < 500; ++r) {
          const float* x = rows.data() + r * dim;
          const double ratio = test::dot(x, decoded.data() + r * dim, dim) / test::dot(x, x, dim);
          // Float precision with an f32 scale; half a unit in the last place of the scale, 2^-11, with f16.
          ASSERT_NEAR(ratio, 1, wide ? 2e-6 : std::pow(2.0, -11) + 2e-6) << dim << " " << bits << " bits, row " << r;
        }
      }
    }
  }
}

/// Slope of the regression of ⟨q, x̂⟩ on ⟨q, x⟩ over the rotations (seeds), for queries near x, and d · variance of the error.
struct Regression {
  double slope = 0, error_variance = 0;
};

Regression inner_products(unsigned bits, std::size_t dim, ScaleRule rule) {
  double xy = 0, xx = 0, squared = 0;
  std::size_t n = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto codec = turbo(bits, dim, rule, false, seed);
    const std::vector<float> rows = test::unit_rows(2000, dim, 6 + seed), noise = test::unit_rows(2000, dim, 60 + seed);
    const std::vector<float> decoded = round_trip(*codec, rows);
    for (std::size_t r = 0; r < 2000; ++r) {
      std::vector<float> q(dim);
      for (std::size_t i = 0; i < dim; ++i) q[i] = rows[r * dim + i] + noise[r * dim + i];
      const double exact = test::dot(q.data(), rows.data() + r * dim, dim), coded = test::dot(q.data(), decoded.data() + r * dim, dim);
      xy += exact * coded;
      xx += exact * exact;
      const double error = test::dot(noise.data() + r * dim, decoded.data() + r * dim, dim) - test::dot(noise.data() + r * dim, rows.data() + r * dim, dim);
      squared += error * error;
      ++n;
    }
  }
  return {xy / xx, static_cast<double>(dim) * squared / static_cast<double>(n)};
}

TEST(TurboTheory, inner_products_are_unbiased_with_the_unbiased_scale) {
  const std::vector<double> variance = {0.5677, 0.1304, 0.0348, 0.00927};  // §2.4, d = 128, column EDEN unbiased
  for (unsigned bits = 1; bits <= 4; ++bits) {
    const Regression r = inner_products(bits, 128, ScaleRule::kUnbiased);
    // 8000 products near 1 with an error of √(D/d): the slope's standard error is below 8e-4 at 1 bit; four of them.
    EXPECT_NEAR(r.slope, 1, 4 * std::sqrt(variance[bits - 1] / 128 / 8000) + 1e-4) << bits;
    // The variance of 8000 squares has a relative standard error of √(2/8000) = 1.6 %; three of them.
    EXPECT_NEAR(r.error_variance / variance[bits - 1], 1, 0.05) << bits;
  }
}

TEST(TurboTheory, the_printed_algorithm_shrinks_products_by_its_distortion) {
  for (unsigned bits = 1; bits <= 3; ++bits) {
    const double expected = 1 - Codebook::lloyd_max(bits, 128)->distortion;  // E⟨y, x̂⟩ = (1 − D)⟨y, x⟩; 2/π at 1 bit
    EXPECT_NEAR(inner_products(bits, 128, ScaleRule::kNorm).slope, expected, 0.005) << bits;
  }
}

// One-hot rows are the worst case of a structured input; three rounds bring them to the distortion of random rows (§1.1: 0.1158,
// 0.0341, 0.0095 at d = 128), one round does not (0.2605 at 2 bits).
TEST(TurboTheory, one_hot_rows_cost_no_more_than_random_ones) {
  constexpr std::size_t kDim = 128;
  std::vector<float> rows(kDim * kDim, 0.0F);
  for (std::size_t i = 0; i < kDim; ++i) rows[i * kDim + i] = 1;
  const std::vector<double> expected = {0.1158, 0.0341, 0.0095};
  for (unsigned bits = 2; bits <= 4; ++bits) {
    double mse = 0;
    for (std::uint64_t seed = 1; seed <= 16; ++seed) mse += mean_squared_error(*turbo(bits, kDim, ScaleRule::kNorm, false, seed), rows) / 16;
    EXPECT_NEAR(mse / expected[bits - 2], 1, 0.03) << bits;
  }
}

}  // namespace
}  // namespace tq
