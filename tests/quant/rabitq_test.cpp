// Extended RaBitQ: its search against all code words, and its error against an independent scan.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/random_rows.h"
#include "support/round_trip.h"

namespace tq {
namespace {

std::shared_ptr<const Codec> rabitq(const std::string& name, std::size_t dim, ScaleRule rule = ScaleRule::kLeastSquares) {
  return make_codec(CodecSpec::parse(name).value().with_scale(rule), dim).value();
}

/// Without a rotation and with a scale in f32, so that only the choice of the codes matters.
std::shared_ptr<const Codec> bare(unsigned bits, std::size_t dim) {
  CodecSpec spec = CodecSpec::parse("rabitq" + std::to_string(bits)).value();
  spec.rotation = RotationKind::kNone;
  spec.wide_scale = true;
  return make_codec(spec, dim).value();
}

double cosine(const float* a, const float* b, std::size_t n) {
  return test::dot(a, b, n) / std::sqrt(test::dot(a, a, n) * test::dot(b, b, n));
}

/// The best cosine of x with any of the levels^n vectors of x's signs.
double best_of_all_codes(const float* x, std::size_t n, std::size_t levels) {
  double best = 0;
  std::vector<std::size_t> k(n, 0);
  for (;;) {
    double along = 0, square = 0, norm = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double u = static_cast<double>(k[i]) + 0.5, a = std::abs(static_cast<double>(x[i]));
      along += a * u;
      square += u * u;
      norm += a * a;
    }
    best = std::max(best, along / std::sqrt(square * norm));
    std::size_t i = 0;
    while (i < n && ++k[i] == levels) k[i++] = 0;
    if (i == n) return best;
  }
}

TEST(Rabitq, the_exact_search_finds_the_best_of_all_code_words) {
  for (const auto& [bits, n] : {std::pair{1U, 6UL}, {2U, 1UL}, {2U, 10UL}, {3U, 6UL}, {4U, 4UL}, {6U, 3UL}, {9U, 2UL}}) {
    const auto codec = bare(bits, n);
    std::vector<float> rows = test::gaussian(60 * n, 100 + bits);
    for (std::size_t r = 0; r < 60; ++r) {
      float* x = rows.data() + r * n;
      if (r % 4 == 1) x[0] *= 1000;                                 // an outlier, which stops at the top level
      if (r % 4 == 2) std::fill_n(x, n, 0.25F);                     // all steps at once
      if (r % 4 == 3) for (std::size_t i = 1; i < n; i += 2) x[i] = 0;  // no steps at all
    }
    const std::vector<float> decoded = test::round_trip(*codec, rows);
    for (std::size_t r = 0; r < 60; ++r) {
      const double found = cosine(rows.data() + r * n, decoded.data() + r * n, n);
      // The search divides the row by its rms in single precision: 2^-24 for each value.
      EXPECT_NEAR(found, best_of_all_codes(rows.data() + r * n, n, std::size_t{1} << (bits - 1)), 1e-6) << bits << " bits, row " << r;
    }
  }
}

TEST(Rabitq, no_scale_of_a_fine_scan_beats_the_search_at_64) {
  constexpr std::size_t kDim = 64, kRows = 40;
  const std::vector<float> rows = test::gaussian(kRows * kDim, 110);
  for (unsigned bits = 2; bits <= 9; ++bits) {
    const double top = std::pow(2.0, bits - 1) - 1;
    const std::vector<float> decoded = test::round_trip(*bare(bits, kDim), rows);
    for (std::size_t r = 0; r < kRows; ++r) {
      const float* x = rows.data() + r * kDim;
      double best = 0;
      for (int step = 1; step <= 4000; ++step) {
        const double t = 2 * top * step / 4000;  // to twice the scale at which a value of 1 is at the top
        double along = 0, square = 0;
        for (std::size_t i = 0; i < kDim; ++i) {
          const double a = std::abs(static_cast<double>(x[i])), u = std::min(std::floor(t * a), top) + 0.5;
          along += a * u;
          square += u * u;
        }
        best = std::max(best, along / std::sqrt(square * test::dot(x, x, kDim)));
      }
      const double found = cosine(x, decoded.data() + r * kDim, kDim);
      EXPECT_GE(found, best - 1e-7) << bits << " bits, row " << r;
      EXPECT_LE(1 - found, 1 - best + 1e-7) << bits << " bits, row " << r;
    }
  }
}

// The figures are those of a scan of 4000 scales for each of 6000 random rows (1500 of 1536 values) in double precision, which shares no
// code with the search; standard errors below 0.35 %. Published implementations begin their search late and stay above them, by 4.6 % at
// 128 values and 4 bits (0.0103). At 1536 the scale that fits best falls between two of the scan: the search is up to 0.7 % better.
TEST(Rabitq, error_is_within_1_percent_of_the_best_scale) {
  struct Row {
    std::size_t dim, n_rows;
    ScaleRule rule;
    std::vector<double> by_bits;  // 2, 3, 4
  };
  for (const Row& row : {Row{64, 6000, ScaleRule::kLeastSquares, {0.11243, 0.03312, 0.00869}},
                         Row{128, 6000, ScaleRule::kLeastSquares, {0.11568, 0.03517, 0.00987}},
                         Row{128, 6000, ScaleRule::kUnbiased, {0.13117, 0.03651, 0.00998}},
                         Row{1536, 1000, ScaleRule::kLeastSquares, {0.11854, 0.03714, 0.01133}}}) {
    const std::vector<float> rows = test::unit_rows(row.n_rows, row.dim, 111);
    for (unsigned bits = 2; bits <= 4; ++bits) {
      const double error = test::relative_error(*rabitq("rabitq" + std::to_string(bits), row.dim, row.rule), rows);
      EXPECT_NEAR(error / row.by_bits[bits - 2], 1, 0.01) << "d = " << row.dim << ", " << bits << " bits";
    }
  }
}

// With one bit the grid is ±½, and so the code is the one-pass TurboQuant code of one bit: the same error, 1 − 2/π and a little.
TEST(Rabitq, one_bit_is_the_sign) {
  const std::vector<float> rows = test::unit_rows(4000, 128, 112);
  EXPECT_NEAR(test::relative_error(*rabitq("rabitq1", 128), rows) / 0.3608, 1, 0.01);
  EXPECT_NEAR(test::relative_error(*rabitq("rabitq1", 128, ScaleRule::kUnbiased), rows) / 0.5688, 1, 0.01);
}

// Max's table of the best uniform quantizer for the normal distribution (1960): 0.1188, 0.03744, 0.01154 for 4, 8, 16 levels. A constant
// step with a least-squares scale for each row can do no worse than 2 % above it, and no better than the search.
TEST(Rabitq, the_fast_mode_lies_between_the_search_and_a_constant_grid) {
  const std::vector<double> constant_grid = {0.1188, 0.03744, 0.01154};
  for (const std::size_t dim : {64UL, 128UL, 1536UL}) {
    const std::vector<float> rows = test::unit_rows(51200 / dim, dim, 113);
    for (unsigned bits = 2; bits <= 4; ++bits) {
      const double exact = test::relative_error(*rabitq("rabitq" + std::to_string(bits), dim), rows);
      const double fast = test::relative_error(*rabitq("rabitq" + std::to_string(bits) + "-fast", dim), rows);
      EXPECT_GT(fast, exact) << dim << ", " << bits << " bits";
      EXPECT_LT(fast, 1.02 * constant_grid[bits - 2]) << dim << ", " << bits << " bits";
    }
  }
}

TEST(Rabitq, each_scale_rule_keeps_what_it_promises) {
  constexpr std::size_t kDim = 96, kRows = 200;
  const std::vector<float> rows = test::gaussian(kRows * kDim, 114);
  for (const char* name : {"rabitq2", "rabitq5", "rabitq9", "rabitq3-fast"}) {
    const std::vector<float> unbiased = test::round_trip(*rabitq(name, kDim, ScaleRule::kUnbiased), rows);
    const std::vector<float> nearest = test::round_trip(*rabitq(name, kDim, ScaleRule::kLeastSquares), rows);
    const std::vector<float> plain = test::round_trip(*rabitq(name, kDim, ScaleRule::kNorm), rows);
    for (std::size_t r = 0; r < kRows; ++r) {
      const float* x = rows.data() + r * kDim;
      const auto dot = [&](const float* a, const std::vector<float>& b) { return test::dot(a, b.data() + r * kDim, kDim); };
      const double own = test::dot(x, x, kDim), rounding = std::pow(2.0, -10) * own;  // of the f16 scale, once or twice
      EXPECT_NEAR(dot(x, unbiased), own, rounding) << name;
      EXPECT_NEAR(dot(x, nearest), dot(nearest.data() + r * kDim, nearest), rounding) << name;  // x − x̂ is orthogonal to x̂
      EXPECT_NEAR(dot(plain.data() + r * kDim, plain), own, rounding) << name;
    }
  }
}

}  // namespace
}  // namespace tq
