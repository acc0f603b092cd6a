// The two passes of Algorithm 2: its score written out, its bias and its variance (docs/algorithm.md, "Two passes").
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/random.h"
#include "quant/bits.h"
#include "quant/gaussian.h"
#include "support/random_rows.h"
#include "support/round_trip.h"
#include "turboquant/codebook.h"

namespace tq {
namespace {

std::shared_ptr<const Codec> two_pass(unsigned bits, bool gaussian, std::size_t dim, std::uint64_t seed = 1, ScaleRule rule = ScaleRule::kNorm) {
  CodecSpec spec = CodecSpec::parse("tq" + std::to_string(bits) + (gaussian ? "p-gauss" : "p")).value().with_scale(rule);
  spec.seed = seed;
  return make_codec(spec, dim).value();
}

/// What the paper multiplies γ ⟨S y, sign(S r)⟩ with.
double constant_of(bool gaussian, std::size_t dim) {
  const double d = static_cast<double>(dim);
  return std::sqrt(std::numbers::pi / 2) / (gaussian ? d : std::sqrt(d));
}

/// The estimator without its constant: both sums, from the bytes of the row and the definition.
struct Terms {
  double first = 0, second = 0;
};

class Reader {
 public:
  Reader(const Codec& codec, bool gaussian)
      : codec_(codec), dim_(codec.dim()), bits_(codec.spec().bits - 1), centroids_(Codebook::lloyd_max(bits_, dim_)->centroids) {
    const std::uint64_t seed = derived_seed(codec.spec().seed, 2);
    if (gaussian) {
      matrix_ = gaussian_values(dim_ * dim_, seed);
      return;
    }
    const Rotation rotation(RotationKind::kRandomHadamard, dim_, 3, seed);  // column by column
    matrix_.resize(dim_ * dim_);
    for (std::size_t j = 0; j < dim_; ++j) {
      std::vector<float> column(dim_, 0.0F);
      column[j] = 1;
      rotation.apply(column.data());
      for (std::size_t i = 0; i < dim_; ++i) matrix_[i * dim_ + j] = column[i];
    }
  }

  Terms terms(const float* query, const std::byte* row) const {
    std::vector<float> y(query, query + dim_);
    codec_.to_coded(y.data());
    const double scale = static_cast<double>(half_to_float(load_u16(row))), rms = static_cast<double>(half_to_float(load_u16(row + 2)));
    const std::byte* codes = row + 4;
    const std::byte* signs = codes + packed_bytes(dim_, bits_);
    Terms sum;
    for (std::size_t i = 0; i < dim_; ++i) {
      sum.first += scale * static_cast<double>(y[i]) * static_cast<double>(centroids_[code(codes, i, bits_)]);
      const double projected = test::dot(matrix_.data() + i * dim_, y.data(), dim_);
      sum.second += code(signs, i, 1) == 1 ? projected : -projected;
    }
    sum.second *= rms * std::sqrt(static_cast<double>(dim_));  // γ
    return sum;
  }

 private:
  static std::size_t code(const std::byte* stream, std::size_t i, unsigned bits) {
    std::size_t value = 0;
    for (std::size_t b = 0; b < bits; ++b) {
      const std::size_t at = i * bits + b;
      value |= (std::to_integer<std::size_t>(stream[at / 8]) >> at % 8 & 1U) << b;
    }
    return value;
  }

  const Codec& codec_;
  std::size_t dim_;
  unsigned bits_;
  std::vector<float> centroids_, matrix_;
};

/// The slope of the regression through 0 of estimates on inner products, in standard errors from 1.
struct Slope {
  double xy = 0, xx = 0, yy = 0;
  double n = 0;

  void add(double exact, double estimate) {
    xy += exact * estimate;
    xx += exact * exact;
    yy += estimate * estimate;
    ++n;
  }
  double off() const {
    const double slope = xy / xx, residual = (yy - slope * xy) / (n - 1);
    return std::abs(slope - 1) / std::sqrt(residual / xx);
  }
};

// Queries near the row, so that products are near 1 and their bias shows. The orthogonal constant is the limit of large d and has a bias
// of 1/(4d) of what the second pass carries: 2e-4 of the product here at 2 bits, half a standard error.
TEST(TwoPass, scores_are_the_estimator_and_have_slope_1_and_the_other_constant_does_not) {
  constexpr std::size_t kDim = 512, kRows = 300, kSeeds = 5;
  for (const bool gaussian : {true, false}) {
    for (unsigned bits = 2; bits <= 4; ++bits) {
      Slope right, swapped;
      for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        const auto codec = two_pass(bits, gaussian, kDim, seed);
        const Reader reader(*codec, gaussian);
        const std::vector<float> rows = test::unit_rows(kRows, kDim, 200 + seed);
        std::vector<float> queries = test::unit_rows(kRows, kDim, 210 + seed);
        for (std::size_t i = 0; i < queries.size(); ++i) queries[i] += rows[i];
        const std::vector<std::byte> coded = test::encode(*codec, rows);
        Query query;
        Workspace scratch;
        for (std::size_t r = 0; r < kRows; ++r) {
          const float* q = queries.data() + r * kDim;
          codec->prepare(q, 1, kDim, query);
          float score = 0;
          codec->scores(query, coded.data(), r, 1, &score, 1, scratch);
          const Terms terms = reader.terms(q, coded.data() + r * codec->group_bytes());
          // Sums of 1024 products in single precision, of a few units altogether.
          ASSERT_NEAR(score, terms.first + constant_of(gaussian, kDim) * terms.second, 1e-5);
          const double exact = test::dot(q, rows.data() + r * kDim, kDim);
          right.add(exact, static_cast<double>(score));
          swapped.add(exact, terms.first + constant_of(!gaussian, kDim) * terms.second);
        }
      }
      EXPECT_LT(right.off(), 3) << bits << " bits, " << (gaussian ? "Gaussian" : "orthogonal");
      EXPECT_GT(swapped.off(), 10) << bits << " bits, " << (gaussian ? "Gaussian" : "orthogonal");
    }
  }
}

/// d · mean (score − ⟨q, x⟩)² over unit rows and random unit queries.
double error_variance(unsigned bits, bool gaussian, std::size_t dim, std::size_t n_rows, ScaleRule rule) {
  constexpr std::size_t kQueries = 32, kSeeds = 4;
  double squares = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto codec = two_pass(bits, gaussian, dim, seed, rule);
    const std::vector<float> rows = test::unit_rows(n_rows, dim, 220 + seed), queries = test::unit_rows(kQueries, dim, 230 + seed);
    const std::vector<std::byte> coded = test::encode(*codec, rows);
    Query query;
    Workspace scratch;
    std::vector<float> scores(kQueries * n_rows);
    codec->prepare(queries.data(), kQueries, dim, query);
    codec->scores(query, coded.data(), 0, n_rows, scores.data(), n_rows, scratch);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const double exact = test::dot(queries.data() + i / n_rows * dim, rows.data() + i % n_rows * dim, dim);
      squares += std::pow(static_cast<double>(scores[i]) - exact, 2);
    }
  }
  return static_cast<double>(dim) * squares / static_cast<double>(kSeeds * kQueries * n_rows);
}

// (π/2) D(b − 1) with D of the limit of large d; at d = 512 it is 0.6 % less. The mean of n squares of normal errors has a standard
// error of √(2/n), 0.4 % here, and ‖S‖² of one Gaussian matrix one of √2/d, 0.3 %.
TEST(TwoPass, a_gaussian_matrix_has_the_variance_of_the_theory) {
  const std::vector<double> expected = {0.571, 0.1845, 0.0543};
  for (unsigned bits = 2; bits <= 4; ++bits) {
    EXPECT_NEAR(error_variance(bits, true, 512, 1000, ScaleRule::kNorm) / expected[bits - 2], 1, 0.03) << bits;
  }
}

// (π/2 − 1) D(b − 1) with D at d = 128.
TEST(TwoPass, an_orthogonal_matrix_has_the_variance_of_the_theory) {
  const std::vector<double> expected = {0.204, 0.066, 0.0193};
  for (unsigned bits = 2; bits <= 4; ++bits) {
    EXPECT_NEAR(error_variance(bits, false, 128, 2000, ScaleRule::kNorm) / expected[bits - 2], 1, 0.03) << bits;
  }
}

// The variance is proportional to what the first pass leaves over, which is least under the least-squares scale.
TEST(TwoPass, a_least_squares_scale_in_the_first_pass_lowers_the_error) {
  for (const bool gaussian : {true, false}) {
    for (unsigned bits = 3; bits <= 5; ++bits) {
      const std::vector<float> rows = test::unit_rows(4000, 128, 240);
      const double norm = test::relative_error(*two_pass(bits, gaussian, 128), rows);
      const double nearest = test::relative_error(*two_pass(bits, gaussian, 128, 1, ScaleRule::kLeastSquares), rows);
      EXPECT_LT(nearest, norm) << bits;
      // Unbiasedness is not the first pass's business: the same bytes.
      EXPECT_EQ(test::encode(*two_pass(bits, gaussian, 128, 1, ScaleRule::kUnbiased), rows),
                test::encode(*two_pass(bits, gaussian, 128, 1, ScaleRule::kLeastSquares), rows));
    }
  }
}

TEST(TwoPass, a_gaussian_matrix_too_large_for_memory_is_a_usage_error) {
  const auto codec = make_codec(CodecSpec::parse("tq3p-gauss").value(), 4097);
  ASSERT_FALSE(codec.has_value());
  EXPECT_EQ(codec.error().code, ErrorCode::kUsage);
  EXPECT_NE(codec.error().message.find("at most 4096"), std::string::npos) << codec.error().message;
}

}  // namespace
}  // namespace tq
