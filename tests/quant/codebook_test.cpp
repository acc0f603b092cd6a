#include "turboquant/codebook.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <nlohmann/json.hpp>
#include <vector>

namespace tq {
namespace {

Codebook make(unsigned bits, std::size_t dim = 0) { return Codebook::lloyd_max(bits, dim).value(); }

// Centroids are rounded to multiples of 2^-22, half of which is 1.2e-7; floats above 4 add 2.4e-7.
constexpr double kRounding = 4e-7;

TEST(Codebook, gaussian_equals_the_reference_to_1e_6) {
  const std::filesystem::path path = std::filesystem::path(TQ_SHARED_REFERENCE) / "codebooks.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs ../shared/reference/codebooks.json, which is not on this machine";
  const nlohmann::json reference = nlohmann::json::parse(std::ifstream(path));
  for (unsigned bits = 1; bits <= Codebook::kMaxBits; ++bits) {
    const nlohmann::json& expected = reference.at(std::to_string(bits));
    const Codebook book = make(bits);
    const std::size_t half = std::size_t{1} << (bits - 1);
    ASSERT_EQ(book.centroids.size(), 2 * half);
    for (std::size_t i = 0; i < half; ++i) {
      EXPECT_NEAR(book.centroids[half + i], expected.at("c").at(i).get<double>(), 1e-6) << bits << " bits, centroid " << i;
      if (i + 1 < half) EXPECT_NEAR(book.boundaries[half + i], expected.at("t").at(i).get<double>(), 1e-6);
    }
    EXPECT_NEAR(book.distortion / expected.at("D").get<double>(), 1, 1e-6) << bits;
    EXPECT_NEAR(book.entropy, expected.at("H").get<double>(), 1e-9) << bits;
  }
}

// Max (1960), table I, to the four digits printed there: an older source than the paper, and always at hand.
TEST(Codebook, gaussian_equals_the_table_of_max_1960) {
  const std::vector<std::vector<double>> positive = {
      {0.7980}, {0.4528, 1.510}, {0.2451, 0.7560, 1.344, 2.152}, {0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733}};
  for (unsigned bits = 1; bits <= 4; ++bits) {
    const Codebook book = make(bits);
    for (std::size_t i = 0; i < positive[bits - 1].size(); ++i) {
      EXPECT_NEAR(book.centroids[book.centroids.size() / 2 + i], positive[bits - 1][i], 6e-4) << bits << " bits";
    }
  }
}

TEST(Codebook, boundaries_are_midpoints_and_the_table_is_symmetric) {
  for (unsigned bits = 1; bits <= Codebook::kMaxBits; ++bits) {
    for (const std::size_t dim : {0UL, 8UL, 64UL, 4864UL}) {
      const Codebook book = make(bits, dim);
      const std::size_t n = book.centroids.size();
      ASSERT_EQ(book.boundaries.size(), n - 1);
      for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(book.centroids[i], -book.centroids[n - 1 - i]);
      for (std::size_t i = 0; i + 1 < n; ++i) {
        EXPECT_LT(book.centroids[i], book.centroids[i + 1]);
        EXPECT_EQ(book.boundaries[i], 0.5F * (book.centroids[i] + book.centroids[i + 1]));
      }
    }
  }
}

// The condition that defines the optimum, checked with a plain midpoint sum over the density of equation 4.
TEST(Codebook, every_centroid_is_the_mean_of_its_cell_at_finite_length) {
  for (const std::size_t dim : {5UL, 32UL, 128UL}) {
    const double d = static_cast<double>(dim), edge = std::sqrt(d);
    for (unsigned bits = 1; bits <= 5; ++bits) {
      const Codebook book = make(bits, dim);
      for (std::size_t i = 0; i < book.centroids.size(); ++i) {
        const double low = i == 0 ? -edge : static_cast<double>(book.boundaries[i - 1]);
        const double high = i + 1 == book.centroids.size() ? edge : static_cast<double>(book.boundaries[i]);
        double mass = 0, moment = 0;
        constexpr int kSteps = 200000;
        for (int s = 0; s < kSteps; ++s) {
          const double x = low + (high - low) * (s + 0.5) / kSteps;
          const double f = std::pow(1 - x * x / d, (d - 3) / 2);
          mass += f;
          moment += x * f;
        }
        EXPECT_NEAR(moment / mass, book.centroids[i], kRounding + 1e-6) << "d = " << dim << ", " << bits << " bits, cell " << i;
      }
    }
  }
}

// One centroid on each side: c = √d · E|x₁| of a unit row, and D = 1 − c².
TEST(Codebook, one_bit_has_its_closed_form) {
  for (const std::size_t dim : {4UL, 32UL, 64UL, 128UL, 1024UL, 1UL << 20}) {
    const double d = static_cast<double>(dim);
    const double c = std::sqrt(d / std::numbers::pi) * std::exp(std::lgamma(d / 2) - std::lgamma((d + 1) / 2));
    EXPECT_NEAR(make(1, dim).distortion, 1 - c * c, 1e-8) << dim;
  }
}

// From an independent numerical solution, whose sixth digit is off by up to 3 where the closed form above can judge it (1 bit).
TEST(Codebook, distortion_at_finite_length_equals_the_table) {
  struct Row {
    std::size_t dim;
    std::vector<double> distortion;
  };
  const std::vector<Row> rows = {{32, {0.353355, 0.111600, 0.032261, 0.008774, 0.002298}},
                                 {64, {0.358385, 0.114525, 0.033391, 0.009131, 0.002399}},
                                 {96, {0.360053, 0.115507, 0.033773, 0.009253, 0.002434}},
                                 {128, {0.360886, 0.115999, 0.033966, 0.009315, 0.002451}},
                                 {1024, {0.363066, 0.117295, 0.034474, 0.009477, 0.002498}}};
  for (const Row& row : rows) {
    for (unsigned bits = 1; bits <= 5; ++bits) {
      EXPECT_NEAR(make(bits, row.dim).distortion, row.distortion[bits - 1], 4e-6) << "d = " << row.dim << ", " << bits << " bits";
    }
  }
}

TEST(Codebook, long_rows_tend_to_the_gaussian_limit) {
  for (unsigned bits = 1; bits <= Codebook::kMaxBits; ++bits) {
    const Codebook limit = make(bits), book = make(bits, 1U << 20);
    for (std::size_t i = 0; i < limit.centroids.size(); ++i) EXPECT_NEAR(book.centroids[i], limit.centroids[i], 1e-4);
  }
}

TEST(Codebook, impossible_widths_are_usage_errors) {
  for (const unsigned bits : {0U, 10U, 64U}) {
    const Result<Codebook> book = Codebook::lloyd_max(bits);
    ASSERT_FALSE(book.has_value());
    EXPECT_EQ(book.error().code, ErrorCode::kUsage);
  }
}

TEST(Codebook, the_shortest_rows_still_get_one) {
  for (std::size_t dim = 1; dim <= 9; ++dim) {
    for (unsigned bits = 1; bits <= Codebook::kMaxBits; ++bits) {
      const Codebook book = make(bits, dim);
      for (const float centroid : book.centroids) EXPECT_TRUE(std::isfinite(centroid)) << dim << " " << bits;
    }
  }
}

}  // namespace
}  // namespace tq
