// Error feedback: encoders that know what the inputs of a layer are.
#include "quant/feedback_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "support/must.h"
#include "support/random_rows.h"

namespace tq::test {
namespace {

/// H_ij = 0.95^|i − j|: inputs that resemble their neighbours. Its LDLᵀ has D_0 = 1 and D_i = 1 − 0.95² behind, so that
/// feedback leaves a tenth of the error.
std::vector<float> correlated(std::size_t n) {
  std::vector<float> h(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) h[i * n + j] = std::pow(0.95F, std::abs(static_cast<float>(i) - static_cast<float>(j)));
  }
  return h;
}

std::vector<float> white(std::size_t n) {
  std::vector<float> h(n * n);
  for (std::size_t i = 0; i < n; ++i) h[i * n + i] = 1;
  return h;
}

std::shared_ptr<const HessianFactor> factor_of(std::vector<float> h, std::size_t n, double damping = 1e-6) {
  return std::make_shared<HessianFactor>(std::move(h), n, damping);
}

/// eᵀ H e / wᵀ H w of rows w and their errors e.
double weighted_error(const std::vector<float>& rows, const std::vector<float>& back, const std::vector<float>& h,
                      std::size_t n) {
  double error = 0, energy = 0;
  for (std::size_t first = 0; first < rows.size(); first += n) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const auto weight = static_cast<double>(h[i * n + j]);
        const auto a = static_cast<double>(rows[first + i]), b = static_cast<double>(rows[first + j]);
        error += weight * (a - static_cast<double>(back[first + i])) * (b - static_cast<double>(back[first + j]));
        energy += weight * a * b;
      }
    }
  }
  return error / energy;
}

struct Coded {
  std::shared_ptr<const Codec> codec;
  std::vector<std::byte> bytes;
  FeedbackEncoder::Cost cost;

  /// In the codec's basis.
  std::vector<float> back(std::size_t n_rows) const {
    std::vector<float> rows(n_rows * codec->dim());
    codec->decode_coded(bytes.data(), 0, n_rows, rows.data());
    return rows;
  }
};

Coded encode(const std::string& name, const std::vector<float>& rows, std::size_t n,
             std::shared_ptr<const HessianFactor> factor, float stretch = 1) {
  Coded coded{must(make_codec(must(CodecSpec::parse(name)), n)), {}, {}};
  const std::size_t n_rows = rows.size() / n;
  coded.bytes.resize(coded.codec->storage_bytes(n_rows));
  const auto encoder = FeedbackEncoder::create(coded.codec->spec(), std::move(factor));
  coded.cost = encoder->encode_rows(rows.data(), n_rows, stretch, coded.bytes.data(), 0);
  return coded;
}

std::vector<float> plain(const std::string& name, const std::vector<float>& rows, std::size_t n) {
  CodecSpec spec = must(CodecSpec::parse(name));
  spec.rotation = RotationKind::kNone;  // the rows are in the basis of the codec
  const auto codec = must(make_codec(spec, n));
  const std::size_t n_rows = rows.size() / n;
  std::vector<std::byte> bytes(codec->storage_bytes(n_rows));
  Workspace scratch;
  codec->encode_rows(rows.data(), n_rows, bytes.data(), 0, scratch);
  std::vector<float> back(rows.size());
  codec->decode(bytes.data(), 0, n_rows, back.data());
  return back;
}

TEST(HessianFactor, multiplies_back_to_the_hessian) {
  constexpr std::size_t n = 50;
  const std::vector<float> h = correlated(n);
  const HessianFactor factor(h, n, 0.01);
  double trace = 0;
  for (std::size_t i = 0; i < n; ++i) trace += static_cast<double>(factor.weights()[i]);
  const double unit = (1.01 * static_cast<double>(n)) * factor.gain() / trace;  // mean of the diagonal is 1
  const auto lower = [&](std::size_t i, std::size_t j) {
    return i == j ? 1.0 : i < j ? 0.0 : static_cast<double>(factor.row(i)[j]);
  };
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k <= j; ++k) sum += lower(i, k) * lower(j, k) * static_cast<double>(factor.weights()[k]);
      const double expected = static_cast<double>(h[i * n + j]) + (i == j ? 0.01 : 0.0);
      EXPECT_NEAR(sum * unit, expected, 1e-5) << i << " " << j;  // L is stored in f32
    }
  }
}

TEST(HessianFactor, takes_inputs_that_were_never_seen) {
  const HessianFactor factor(std::vector<float>(16, 0.0F), 4, 0.01);
  for (const float weight : factor.weights()) EXPECT_FLOAT_EQ(weight, 1);
  EXPECT_EQ(factor.row(3)[0], 0);
}

class Feedback : public testing::TestWithParam<const char*> {};

/// With D_i alike the error is that of white inputs times gain(); feedback widens what is coded a little.
TEST_P(Feedback, leaves_the_share_of_the_error_that_the_factor_says) {
  constexpr std::size_t n = 256, n_rows = 24;
  const std::vector<float> rows = gaussian(n_rows * n, 1), h = correlated(n);
  const auto factor = factor_of(h, n);
  ASSERT_LT(factor->gain(), 0.11);
  const Coded coded = encode(GetParam(), rows, n, factor);
  const double uncalibrated = weighted_error(rows, plain(GetParam(), rows, n), h, n);
  const double measured = weighted_error(rows, coded.back(n_rows), h, n);
  EXPECT_LT(measured, 2 * factor->gain() * uncalibrated);
  EXPECT_NEAR(measured, coded.cost.error / coded.cost.energy, 0.02 * measured);  // the scale is rounded to f16
}

TEST_P(Feedback, costs_nothing_where_inputs_are_white) {
  constexpr std::size_t n = 256, n_rows = 32;
  const std::vector<float> rows = gaussian(n_rows * n, 2), h = white(n);
  const double with = weighted_error(rows, encode(GetParam(), rows, n, factor_of(h, n)).back(n_rows), h, n);
  const double without = weighted_error(rows, plain(GetParam(), rows, n), h, n);
  EXPECT_NEAR(with, without, 0.01 * without);
}

TEST_P(Feedback, codes_a_row_alike_whatever_stands_beside_it) {
  constexpr std::size_t n = 96, n_rows = 35;
  const std::vector<float> rows = gaussian(n_rows * n, 3);
  const auto factor = factor_of(correlated(n), n);
  Coded together = encode(GetParam(), rows, n, factor);
  std::vector<std::byte> alone(together.bytes.size());
  const auto encoder = FeedbackEncoder::create(together.codec->spec(), factor);
  for (std::size_t r = n_rows; r-- > 0;) encoder->encode_rows(rows.data() + r * n, 1, 1, alone.data(), r);
  EXPECT_EQ(together.bytes, alone);
}

TEST_P(Feedback, codes_rows_of_any_length) {
  for (const std::size_t n : {1, 2, 5, 15, 16, 17, 31, 32, 33, 64, 65, 100}) {
    const std::vector<float> rows = gaussian(3 * n, n);
    const Coded coded = encode(GetParam(), rows, n, factor_of(correlated(n), n));
    for (const float value : coded.back(3)) ASSERT_TRUE(std::isfinite(value)) << n;
    EXPECT_GE(coded.cost.error, 0) << n;
    EXPECT_LE(coded.cost.error, coded.cost.energy) << n;
  }
}

TEST_P(Feedback, keeps_rows_of_zeros) {
  constexpr std::size_t n = 64;
  const Coded coded = encode(GetParam(), std::vector<float>(2 * n), n, factor_of(correlated(n), n));
  EXPECT_EQ(coded.back(2), std::vector<float>(2 * n));
}

INSTANTIATE_TEST_SUITE_P(Codecs, Feedback, testing::Values("tq2", "tq4", "tq6", "tt2", "tt3", "tt4", "tt5"),
                         [](const auto& codec) { return std::string(codec.param); });

TEST(FeedbackEncoder, knows_the_codecs_of_turboquant_alone) {
  for (const char* name : {"tq1", "tq9", "tt2", "tt5"})
    EXPECT_TRUE(FeedbackEncoder::knows(must(CodecSpec::parse(name)))) << name;
  for (const char* name : {"f16", "q4_k", "affine4", "tq4p", "rabitq4"})
    EXPECT_FALSE(FeedbackEncoder::knows(must(CodecSpec::parse(name)))) << name;
}

}  // namespace
}  // namespace tq::test
