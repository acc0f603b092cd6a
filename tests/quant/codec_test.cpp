// What every codec of the table promises, checked for every codec of the table.
#include "turboquant/codec.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numbers>
#include <tuple>
#include <vector>

#include "support/random_rows.h"
#include "support/round_trip.h"

namespace tq {
namespace {

/// A codec of the table at one length, also behind llama.cpp's rotation.
struct Case {
  std::string name;
  std::size_t dim;
  bool rotated;
  Layout layout = Layout::kInterleaved;  ///< where the family has several
};

/// Row lengths that it can code; which it must refuse is in spec_test.cpp.
std::vector<std::size_t> lengths(const CodecSpec& spec) {
  // Its search takes 2^bits steps a value: long rows would take half of the time of all tests.
  const bool searches = spec.family == CodecFamily::kRabitq || spec.family == CodecFamily::kRabitqFast;
  if (searches && spec.bits >= 6) return {1, 8, 43, 64};
  if (make_codec(spec, 1).has_value()) return {1, 7, 8, 32, 43, 64, 96, 128, 172, 576};
  if (make_codec(spec, 32).has_value()) return {32, 64, 96, 128, 576};
  if (make_codec(spec, 64).has_value()) return {64, 128, 576};
  return {256, 768};
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const std::string& name : codec_names()) {
    const CodecSpec spec = CodecSpec::parse(name).value();
    for (const std::size_t dim : lengths(spec)) cases.push_back({name, dim, false});
    if (spec.rotation == RotationKind::kNone && spec.bits <= 8) cases.push_back({name, lengths(spec).front() == 256 ? 768UL : 192UL, true});
  }
  for (unsigned bits = 1; bits <= 9; ++bits) {
    for (const std::size_t dim : {1UL, 8UL, 43UL, 64UL, 96UL, 128UL, 172UL, 576UL}) {
      cases.push_back({"tq" + std::to_string(bits), dim, false, Layout::kRows});
      cases.push_back({"tq" + std::to_string(bits), dim, false, Layout::kTransposed});
    }
  }
  for (const std::string name : {"tt2", "tt3", "tt4"}) {
    for (const std::size_t dim : {64UL, 576UL}) cases.push_back({name, dim, false, Layout::kRows});
  }
  for (const std::string name : {"q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"}) {
    for (const std::size_t dim : {64UL, 576UL}) cases.push_back({name, dim, false, Layout::kInterleavedRuns});
  }
  for (const std::string name : {"q2_k", "q3_k", "q4_k", "q5_k", "q6_k"}) {
    for (const std::size_t dim : {256UL, 768UL}) cases.push_back({name, dim, false, Layout::kInterleavedRuns});
  }
  return cases;
}

using test::encode;
using test::round_trip;

class EveryCodec : public testing::TestWithParam<Case> {
 protected:
  std::shared_ptr<const Codec> codec(ScaleRule rule = ScaleRule::kLeastSquares) const {
    CodecSpec spec = CodecSpec::parse(GetParam().name).value().with_scale(rule).with_layout(GetParam().layout);
    if (GetParam().rotated) spec = spec.with_plain_hadamard(64);
    // A codebook of 9 bits for 7 values takes most of a second to compute, and 14 tests ask for it.
    static std::map<std::tuple<std::string, std::size_t, bool, Layout, ScaleRule>, std::shared_ptr<const Codec>> made;
    auto& codec = made[{GetParam().name, dim(), GetParam().rotated, GetParam().layout, rule}];
    if (!codec) codec = make_codec(spec, dim()).value();
    return codec;
  }
  std::size_t dim() const { return GetParam().dim; }
};

std::string name_of(const testing::TestParamInfo<Case>& row) {
  static const std::map<Layout, std::string> kLayouts = {
      {Layout::kRows, "_rows"}, {Layout::kInterleaved, ""}, {Layout::kTransposed, "_transposed"}, {Layout::kInterleavedRuns, "_interleaved_runs"}};
  std::string name = row.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name + "_" + std::to_string(row.param.dim) + (row.param.rotated ? "_rotated" : "") + kLayouts.at(row.param.layout);
}

INSTANTIATE_TEST_SUITE_P(Table, EveryCodec, testing::ValuesIn(all_cases()), name_of);

TEST_P(EveryCodec, true_bits_are_the_bytes_of_a_row) {
  const auto c = codec();
  EXPECT_EQ(c->dim(), dim());
  EXPECT_DOUBLE_EQ(c->bits_per_value() * static_cast<double>(dim() * c->group_rows()), 8.0 * static_cast<double>(c->group_bytes()));
  EXPECT_EQ(c->storage_bytes(3 * c->group_rows()), 3 * c->group_bytes());
  EXPECT_EQ(c->storage_bytes(2 * c->group_rows() + 1), 3 * c->group_bytes());
  EXPECT_GE(c->bits_per_value(), c->spec().bits) << "codes alone take this much";
}

TEST_P(EveryCodec, encoding_fills_its_group_and_nothing_else) {
  const auto c = codec();
  const std::vector<float> rows = test::gaussian(c->group_rows() * dim(), 11);
  for (const auto fill : {std::byte{0x00}, std::byte{0xFF}}) {
    std::vector<std::byte> bytes(c->group_bytes() + 2, fill);
    Workspace scratch;
    for (std::size_t r = 0; r < c->group_rows(); ++r) c->encode(rows.data() + r * dim(), bytes.data() + 1, r, scratch);
    EXPECT_EQ(bytes.front(), fill);
    EXPECT_EQ(bytes.back(), fill);
    EXPECT_EQ(std::vector(bytes.begin() + 1, bytes.end() - 1), encode(*c, rows)) << "bytes must not depend on what was there";
  }
}

TEST_P(EveryCodec, a_row_is_written_over_without_harm_to_its_neighbours) {
  const auto c = codec();
  const std::size_t n = 2 * c->group_rows() + 3;
  std::vector<float> rows = test::gaussian(n * dim(), 23);
  const std::vector<float> other = test::gaussian(dim(), 24);
  std::vector<std::byte> coded = encode(*c, rows);
  Workspace scratch;
  for (const std::size_t r : {std::size_t{0}, n / 2, n - 1}) {
    c->encode(other.data(), coded.data(), r, scratch);
    std::copy(other.begin(), other.end(), rows.begin() + static_cast<std::ptrdiff_t>(r * dim()));
  }
  EXPECT_EQ(coded, encode(*c, rows));
}

// Every place that a block of 16 rows can begin at, rows of zeros, of huge, tiny and no finite values among them, every scale rule.
TEST_P(EveryCodec, many_rows_at_once_have_the_bytes_of_one_by_one) {
  std::vector<float> rows = test::gaussian(53 * dim(), 25);
  const auto fill = [&](std::size_t r, float value) { std::fill_n(rows.begin() + static_cast<std::ptrdiff_t>(r * dim()), dim(), value); };
  fill(2, 0.0F), fill(19, -0.0F), fill(21, 3e38F), fill(22, 1e-40F), fill(23, std::numeric_limits<float>::infinity());
  rows[25 * dim()] = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t i = 0; i < dim(); ++i) rows[30 * dim() + i] *= 1e-42F, rows[31 * dim() + i] *= 1e30F;
  using Range = std::pair<std::size_t, std::size_t>;
  for (const ScaleRule rule : {ScaleRule::kLeastSquares, ScaleRule::kUnbiased, ScaleRule::kNorm}) {
    const bool alone = codec()->group_rows() == 1;  // then nothing is shared, and some of these codecs are slow
    if (alone && rule != ScaleRule::kLeastSquares) continue;
    const auto c = codec(rule);
    for (const auto& [first, n] : alone ? std::vector<Range>{{2, 3}} : std::vector<Range>{{0, 53}, {3, 50}, {16, 32}, {15, 3}, {1, 0}}) {
      std::vector<std::byte> many(c->storage_bytes(first + n), std::byte{0x5A}), one = many;
      Workspace scratch;
      c->encode_rows(rows.data(), n, many.data(), first, scratch);
      for (std::size_t r = 0; r < n; ++r) c->encode(rows.data() + r * dim(), one.data(), first + r, scratch);
      ASSERT_EQ(many, one) << n << " rows from " << first << " on";
      const std::size_t length = dim() - dim() / 4;  // of the same rows without their ends
      std::vector<float> shorter;
      for (std::size_t r = 0; r < n; ++r) {
        std::vector<float> row(rows.begin() + static_cast<std::ptrdiff_t>(r * dim()), rows.begin() + static_cast<std::ptrdiff_t>(r * dim() + length));
        shorter.insert(shorter.end(), row.begin(), row.end());
        row.resize(dim(), 0.0F);
        c->encode(row.data(), one.data(), first + r, scratch);
      }
      c->encode_short_rows(shorter.data(), length, n, many.data(), first, scratch);
      ASSERT_EQ(many, one) << n << " rows of " << length << " values from " << first << " on";
    }
  }
}

TEST_P(EveryCodec, the_error_of_gaussian_rows_is_what_the_width_allows) {
  const auto c = codec();
  const std::vector<float> rows = test::gaussian(64 * dim(), 12), decoded = round_trip(*c, rows);
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    error += std::pow(static_cast<double>(rows[i]) - static_cast<double>(decoded[i]), 2);
    energy += std::pow(static_cast<double>(rows[i]), 2);
  }
  // Panter and Dite bound any of our scalar quantizers at b bits by 2.73 · 4^-b (docs/algorithm.md, "Codebook"). Blocks of 32 with a linear grid
  // do worse: q4_0 0.0074, q8_0 about 3e-5 (docs/block-types.md); 3 · 4^-b · 1.6 covers both, q2_k … q6_k, which lie below q4_0's ratio of 1.9,
  // mxfp4, whose power-of-two scale costs it 0.0125 (docs/block-types.md), and
  // affine: 64 Gaussian values span about 4.8 deviations, so 4.8² / (2^b − 1)² / 12 is 3.4 · 4^-b at b = 2 and less at more. Floats: rounding of 2^-9 (bf16), 2^-12 (f16) at most.
  // One step for all rows (rabitq's fast mode) clips the largest values of some: beyond 5 bits this is most of its error.
  const bool one_step = c->spec().family == CodecFamily::kRabitqFast;
  double bound = 4.8 * std::pow(4.0, -static_cast<double>(one_step ? std::min(c->spec().bits, 5U) : c->spec().bits));
  // Two passes multiply what the first, one bit narrower, leaves over (docs/algorithm.md, "Two passes").
  if (c->spec().family == CodecFamily::kTwoPass) bound *= 4 * (std::numbers::pi / 2 - 1);
  if (c->spec().family == CodecFamily::kTwoPassGauss) bound *= 4 * std::numbers::pi / 2;
  if (c->spec().family == CodecFamily::kF16) bound = std::pow(2.0, -22);
  if (c->spec().family == CodecFamily::kBF16) bound = std::pow(2.0, -16);
  if (c->spec().family == CodecFamily::kF32) bound = 0;
  EXPECT_LE(error, bound * energy);
}

TEST_P(EveryCodec, scores_are_inner_products_with_the_decoded_rows) {
  const auto c = codec(ScaleRule::kUnbiased);
  constexpr std::size_t kRows = 37, kQueries = 5;
  const std::vector<float> rows = test::gaussian(kRows * dim(), 13), queries = test::gaussian(kQueries * dim(), 14);
  const std::vector<std::byte> coded = encode(*c, rows);
  const std::vector<float> decoded = round_trip(*c, rows);
  Query query;
  Workspace scratch;
  c->prepare(queries.data(), kQueries, dim(), query);
  std::vector<float> scores(kQueries * kRows);
  c->scores(query, coded.data(), 0, kRows, scores.data(), kRows, scratch);
  for (std::size_t i = 0; i < kQueries; ++i) {
    for (std::size_t r = 0; r < kRows; ++r) {
      const float* q = queries.data() + i * dim();
      const float* x = decoded.data() + r * dim();
      // Two orthogonal maps and one sum in single precision: a few dozen roundings of 2^-24 of the product of the norms.
      double tolerance = 1e-5 * std::sqrt(test::dot(q, q, dim()) * test::dot(x, x, dim()));
      if (!query.units.empty()) {
        // A query in bytes is wrong by at most half its unit in each coordinate.
        const double unit = static_cast<double>(query.units[i]), length = std::sqrt(static_cast<double>(dim()) * test::dot(x, x, dim()));
        tolerance += unit / 2 * length;
        if (c->spec().bits > 4) {
          // Two bytes: centroids, of which none is beyond 5 root mean squares, are wrong by half of 1/32384 of the largest; and products of
          // two low bytes, each at most 127 units, are left out.
          tolerance += 5.0 / 32384 / 2 * std::sqrt(test::dot(q, q, dim()) * test::dot(x, x, dim())) + 5.0 / 32384 * 127 * 127 * unit * length;
        }
      }
      EXPECT_NEAR(scores[i * kRows + r], test::dot(q, x, dim()), tolerance + 1e-30);
    }
  }
}

TEST_P(EveryCodec, a_score_does_not_depend_on_its_neighbours) {
  const auto c = codec();
  constexpr std::size_t kRows = 70, kQueries = 9;
  const std::vector<std::byte> coded = encode(*c, test::gaussian(kRows * dim(), 15));
  const std::vector<float> queries = test::gaussian(kQueries * dim(), 16);
  Query all, one;
  Workspace scratch;
  c->prepare(queries.data(), kQueries, dim(), all);
  std::vector<float> scores(kQueries * kRows);
  c->scores(all, coded.data(), 0, kRows, scores.data(), kRows, scratch);
  for (std::size_t i = 0; i < kQueries; ++i) {
    c->prepare(queries.data() + i * dim(), 1, dim(), one);
    for (std::size_t r = 0; r < kRows; ++r) {
      float alone = 0;
      c->scores(one, coded.data(), r, 1, &alone, 1, scratch);
      ASSERT_EQ(alone, scores[i * kRows + r]) << "query " << i << ", row " << r;
    }
  }
}

TEST_P(EveryCodec, accumulate_is_the_weighted_sum_of_the_decoded_rows) {
  const auto c = codec();
  constexpr std::size_t kRows = 41, kSums = 3;
  const std::vector<float> rows = test::gaussian(kRows * dim(), 17), weights = test::gaussian(kSums * kRows, 18);
  const std::vector<std::byte> coded = encode(*c, rows);
  const std::vector<float> decoded = round_trip(*c, rows);
  std::vector<float> sums(kSums * dim(), 0.0F);
  Workspace scratch;
  c->accumulate(weights.data(), kSums, kRows, coded.data(), 0, kRows, sums.data(), scratch);
  for (std::size_t i = 0; i < kSums; ++i) {
    c->from_coded(sums.data() + i * dim());
    // 41 terms of size 1 and a rotation: the sum is about 6, its roundings about 2^-24 of √41 · 3 each.
    double tolerance = 1e-4;
    if (GetParam().layout == Layout::kTransposed) tolerance += test::error_of_rounded_weights(weights.data() + i * kRows, decoded.data(), kRows, dim(), c->spec().bits);
    for (std::size_t j = 0; j < dim(); ++j) {
      double expected = 0;
      for (std::size_t r = 0; r < kRows; ++r) {
        expected += static_cast<double>(weights[i * kRows + r]) * static_cast<double>(decoded[r * dim() + j]);
      }
      EXPECT_NEAR(sums[i * dim() + j], expected, tolerance);
    }
  }
}

TEST_P(EveryCodec, accumulate_softmax_weighs_the_decoded_rows_by_exponentials_of_scores) {
  const auto c = codec();
  constexpr std::size_t kRows = 41, kSums = 3;
  const std::vector<float> rows = test::gaussian(kRows * dim(), 17), given = test::gaussian(kSums * kRows, 19);
  const std::vector<std::byte> coded = encode(*c, rows);
  const std::vector<float> decoded = round_trip(*c, rows);
  const std::vector<std::size_t> begins = {0, 7, 20}, ends = {kRows, 36, 20};  // the third sees nothing
  std::vector<float> scores = given, sums(kSums * dim(), 0.0F), tops(kSums), totals(kSums);
  Workspace scratch;
  c->accumulate_softmax(scores.data(), kSums, kRows, begins.data(), ends.data(), coded.data(), 0, kRows, sums.data(), tops.data(), totals.data(), scratch);
  for (std::size_t i = 0; i < kSums; ++i) {
    float top = -std::numeric_limits<float>::infinity();
    for (std::size_t r = begins[i]; r < ends[i]; ++r) top = std::max(top, given[i * kRows + r]);
    EXPECT_EQ(tops[i], top);
    c->from_coded(sums.data() + i * dim());
    std::vector<float> weights(kRows, 0.0F);
    double total = 0;
    for (std::size_t r = begins[i]; r < ends[i]; ++r) {
      weights[r] = std::exp(given[i * kRows + r] - top);
      total += static_cast<double>(weights[r]);
    }
    const bool to_bytes = GetParam().layout == Layout::kTransposed && c->spec().bits <= 4;
    const double error = to_bytes ? 2.5e-3 : 1e-4;  // of an exponential
    EXPECT_NEAR(totals[i], total, error * total);
    // 41 terms of size 1 at most, as in a sum of weights. Where weights are rounded, their exponentials may be off, too, and a unit of
    // 32 rows is that of their largest scale, which is less than twice the scale of the row with the largest weight.
    double tolerance = 1e-4;
    if (GetParam().layout == Layout::kTransposed) {
      tolerance += 2 * test::error_of_rounded_weights(weights.data(), decoded.data(), kRows, dim(), c->spec().bits);
      for (std::size_t r = 0; r < kRows; ++r) tolerance += error * static_cast<double>(weights[r]) * std::sqrt(test::dot(decoded.data() + r * dim(), decoded.data() + r * dim(), dim()));
    }
    for (std::size_t j = 0; j < dim(); ++j) {
      double expected = 0;
      for (std::size_t r = 0; r < kRows; ++r) expected += static_cast<double>(weights[r]) * static_cast<double>(decoded[r * dim() + j]);
      EXPECT_NEAR(sums[i * dim() + j], expected, tolerance);
    }
  }
}

TEST_P(EveryCodec, a_zero_row_decodes_to_zeros) {
  const std::vector<float> zeros(dim(), 0.0F);
  for (const ScaleRule rule : {ScaleRule::kUnbiased, ScaleRule::kLeastSquares, ScaleRule::kNorm}) {
    EXPECT_EQ(round_trip(*codec(rule), zeros), zeros);
  }
}

TEST_P(EveryCodec, one_hot_and_constant_rows_keep_their_size) {
  const auto c = codec();
  // A least-squares reconstruction is the row's projection on a line: never longer than the row. Rounding of the scale aside. Two passes
  // add √(π/2) γ z', γ the length of the residual and z' at most as long as the largest stretch of S: 1, or 2 for a large Gaussian one.
  // By Cauchy their sum has an energy of at most 1 + π/2 or 1 + 4π/2. The residual of 3 bits is below 0.2 of the row, what is added at most
  // 1.25 or 2.5 times as long: x̂ is within 0.45 or 0.7 of x.
  double longest = 1, nearest = 0.9;
  if (c->spec().family == CodecFamily::kTwoPass) longest += std::numbers::pi / 2, nearest = 0.55;
  if (c->spec().family == CodecFamily::kTwoPassGauss) longest += 2 * std::numbers::pi, nearest = 0.3;
  // Every place of the short rows, every seventh of the long ones.
  for (std::size_t hot = 0; hot <= dim(); hot += dim() > 100 && hot + 7 <= dim() ? 7 : 1) {
    std::vector<float> row(dim(), hot == dim() ? 0.5F : 0.0F);  // the last one is constant
    if (hot < dim()) row[hot] = 3.0F;
    const std::vector<float> decoded = round_trip(*c, row);
    const double energy = test::dot(row.data(), row.data(), dim());
    EXPECT_LE(test::dot(decoded.data(), decoded.data(), dim()), 1.02 * longest * energy);
    if (c->spec().bits >= 4) EXPECT_GE(test::dot(decoded.data(), row.data(), dim()), nearest * energy) << hot;
  }
}

TEST_P(EveryCodec, denormal_rows_vanish_or_stay) {
  const auto c = codec();
  std::vector<float> row = test::gaussian(dim(), 19);
  for (float& x : row) x *= 1e-39F;
  for (const float x : round_trip(*c, row)) EXPECT_LE(std::abs(x), 1e-37F);
}

TEST_P(EveryCodec, huge_rows_stay_finite) {
  const auto c = codec();
  if (c->spec().family == CodecFamily::kF16) GTEST_SKIP() << "f16 turns them into infinities, as the type does";
  std::vector<float> row(dim(), 1e38F);
  row[0] = -3e38F;
  for (const float x : round_trip(*c, row)) EXPECT_TRUE(std::isfinite(x));
}

TEST_P(EveryCodec, rows_with_nan_or_infinity_decode_to_something_finite) {
  const auto c = codec();
  const bool keeps_them = c->spec().family <= CodecFamily::kBF16;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> row = test::gaussian(dim(), 20);
    row[dim() / 2] = bad;
    const std::vector<float> decoded = round_trip(*c, row);
    for (std::size_t i = 0; i < dim(); ++i) {
      if (!keeps_them) EXPECT_TRUE(std::isfinite(decoded[i]));
      if (keeps_them && i == dim() / 2) EXPECT_FALSE(std::isfinite(decoded[i]));
    }
  }
}

TEST_P(EveryCodec, any_bytes_decode_without_harm) {
  const auto c = codec();
  std::uint64_t state = 21;
  std::vector<std::byte> row(c->group_bytes());
  std::vector<float> decoded(dim());
  for (int i = 0; i < 50; ++i) {
    for (std::byte& b : row) b = static_cast<std::byte>(next_random(state));
    c->decode(row.data(), 0, 1, decoded.data());  // the sanitizers watch
  }
}

/// docs/layout.md, "Wide codes": two bytes on each side must not be what limits any width. 9 bits have an error of 1.04e-5 of the energy
/// (2.72 / 4^9); a thousandth of it is where nobody would see the product.
TEST(WideCodes, products_are_a_thousand_times_as_exact_as_9_bits) {
  constexpr std::size_t kDim = 128, kRows = 512, kQueries = 8;
  const std::vector<float> rows = test::gaussian(kRows * kDim, 23), queries = test::gaussian(kQueries * kDim, 24);
  for (const char* name : {"tq5", "tq6", "tq7", "tq8", "tq9"}) {
    const auto codec = make_codec(CodecSpec::parse(name).value(), kDim).value();
    const std::vector<std::byte> coded = encode(*codec, rows);
    std::vector<float> decoded(kRows * kDim), scores(kQueries * kRows);
    codec->decode_coded(coded.data(), 0, kRows, decoded.data());
    Query query;
    Workspace scratch;
    codec->prepare(queries.data(), kQueries, kDim, query);
    ASSERT_FALSE(query.bytes.empty()) << "decoded to floats";
    codec->scores(query, coded.data(), 0, kRows, scores.data(), kRows, scratch);
    double error = 0, energy = 0;
    for (std::size_t i = 0; i < kQueries * kRows; ++i) {
      const double exact = test::dot(query.coded.data() + i / kRows * kDim, decoded.data() + i % kRows * kDim, kDim);
      error += std::pow(static_cast<double>(scores[i]) - exact, 2);
      energy += exact * exact;
    }
    EXPECT_LT(error / energy, 1.04e-8) << name;
  }
}

// Files and saved caches travel between CPUs, so the bytes of a version are frozen. These figures are hashes of what each wrote when
// it was fixed, the same under TQ_SIMD=scalar, avx2 and avx512. A change that alters one needs a new CodecSpec::version.
TEST(FrozenBytes, each_version_of_each_codec_writes_the_same_bytes_on_every_cpu) {
  struct Frozen {
    const char* name;
    std::uint64_t hash;
    Layout layout = Layout::kInterleaved;
    std::uint32_t version = 1;
  };
  constexpr Frozen kFrozen[] = {
      {"f32", 0x1311b3341a6c89e0U},
      {"f16", 0xe326c078c2a0e99aU},
      {"bf16", 0x90d28717573908c9U},
      {"q8_0", 0x93dba2378e8b70a1U},
      {"q4_0", 0xa8c8baf0ef51281cU},
      {"tq1", 0xf41a933d3e69a3a7U},
      {"tq2", 0x5fe3275ffcb5a9eeU},
      {"tq3", 0x252603f47c26537cU},
      {"tq4", 0x747aa335d5c329a9U},
      {"tq5", 0xb64ab17b6fb1200aU},
      {"tq6", 0x4b0bad2e847691faU},
      {"tq7", 0x933f29f2d03313acU},
      {"tq8", 0xe10ecb40e690576eU},
      {"tq9", 0x5cb1fc34baa47d3dU},
      {"tq1", 0x731c46cb49168818U, Layout::kRows},
      {"tq2", 0x73b9f32be0ea2974U, Layout::kRows},
      {"tq3", 0xb8862edc93ed013bU, Layout::kRows},
      {"tq4", 0x3faf5e15d24e1734U, Layout::kRows},
      {"tq5", 0x14b4a3b952e22cdU, Layout::kRows},
      {"tq6", 0x79774254f7842b1U, Layout::kRows},
      {"tq7", 0x7e77f025af9fe7c3U, Layout::kRows},
      {"tq8", 0x3eea6c77935fb211U, Layout::kRows},
      {"tq9", 0x15873acc4a6e1a30U, Layout::kRows},
      {"tq1", 0x5f66de983b557880U, Layout::kTransposed},
      {"tq2", 0x91a920640e74efe3U, Layout::kTransposed},
      {"tq3", 0x54bbe9c0fcc8b4c5U, Layout::kTransposed},
      {"tq4", 0xd45d67df744577f3U, Layout::kTransposed},
      {"tq5", 0x5b1404b5403858dbU, Layout::kTransposed},
      {"tq6", 0xdf429a40d995b053U, Layout::kTransposed},
      {"tq7", 0xd69d34538152458eU, Layout::kTransposed},
      {"tq8", 0x863a19b5a171ef87U, Layout::kTransposed},
      {"tq9", 0x2d2e5bac1c51367fU, Layout::kTransposed},
      {"tt2", 0xf0684b1de9a02e09U, Layout::kRows},
      {"tt3", 0xfa488b674f85a46fU, Layout::kRows},
      {"tt4", 0x4c43468bcc86ce5U, Layout::kRows},
      {"tt5", 0x92c5452c8140bcdeU},
      {"tt2", 0x85f448c41e12e426U},
      {"tt3", 0x17ef410dc66793cbU},
      {"tt4", 0xc6382651747dc90eU},
      {"tt2", 0x9438d67a9fc0038eU, Layout::kRows, 2},
      {"tt3", 0xc564d5c4bcf0cc5cU, Layout::kRows, 2},
      {"tt4", 0x13bc7ba855648914U, Layout::kRows, 2},
      {"tt2", 0x2835b5e66b385e2aU, Layout::kInterleaved, 2},
      {"tt3", 0xdfe9b755acac4a98U, Layout::kInterleaved, 2},
      {"tt4", 0x281f40653c434704U, Layout::kInterleaved, 2}};
  for (const Frozen& frozen : kFrozen) {
    std::uint64_t hash = 0;
    for (const std::size_t dim : {64UL, 96UL, 576UL}) {
      CodecSpec spec = CodecSpec::parse(frozen.name).value().with_layout(frozen.layout);
      spec.version = frozen.version;
      const auto codec = make_codec(spec, dim).value();
      const std::vector<float> rows = test::gaussian(16 * dim, 22);
      std::vector<std::byte> coded(codec->storage_bytes(16));
      Workspace scratch;
      for (std::size_t r = 0; r < 16; ++r) codec->encode(rows.data() + r * dim, coded.data(), r, scratch);
      hash = XXH64(coded.data(), coded.size(), hash);
    }
    EXPECT_EQ(hash, frozen.hash) << frozen.name << " version " << frozen.version << std::hex << " 0x" << hash;
  }
}

}  // namespace
}  // namespace tq
