#include "turboquant/rotation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random_rows.h"

namespace tq {
namespace {

constexpr std::size_t kLengths[] = {1, 2, 3, 5, 8, 24, 32, 43, 64, 80, 96, 128, 172, 200, 576, 896, 4864};

Rotation three_rounds(std::size_t dim, std::uint64_t seed = 1) { return {RotationKind::kRandomHadamard, dim, 3, seed}; }

TEST(Rotation, inverse_undoes_apply_at_any_length) {
  for (const std::size_t dim : kLengths) {
    const std::vector<float> before = test::gaussian(dim, dim);
    std::vector<float> x = before;
    const Rotation rotation = three_rounds(dim);
    rotation.apply(x.data());
    rotation.apply_inverse(x.data());
    // Each round adds about log2(dim) roundings of 2^-24 both ways; values are of size 1, the largest below 5.
    for (std::size_t i = 0; i < dim; ++i) EXPECT_NEAR(x[i], before[i], 2e-5) << "length " << dim << ", coordinate " << i;
  }
}

TEST(Rotation, a_row_rotated_on_its_way_to_another_place_has_the_same_bits_and_stays_as_it_was) {
  for (const RotationKind kind : {RotationKind::kRandomHadamard, RotationKind::kPlainHadamard, RotationKind::kDenseHaar}) {
    for (const std::size_t dim : kLengths) {
      if (kind == RotationKind::kDenseHaar && dim > 200) continue;  // dim³ operations
      for (unsigned rounds = 0; rounds <= 3; ++rounds) {
        const Rotation rotation(kind, dim, rounds, 5);
        const std::vector<float> before = test::gaussian(dim, dim);
        std::vector<float> x = before, y(dim + 1, 99.0F), in_place = before;
        rotation.apply(x.data(), y.data());
        rotation.apply(in_place.data());
        EXPECT_EQ(x, before);
        EXPECT_EQ(std::vector<float>(y.begin(), y.end() - 1), in_place) << "length " << dim << ", " << rounds << " rounds";
        EXPECT_EQ(y.back(), 99.0F);
      }
    }
  }
}

TEST(Rotation, inner_products_are_kept_at_any_length) {
  for (const std::size_t dim : kLengths) {
    std::vector<float> a = test::gaussian(dim, 1), b = test::gaussian(dim, 2);
    const double before = test::dot(a.data(), b.data(), dim), norms = std::sqrt(test::dot(a.data(), a.data(), dim) * test::dot(b.data(), b.data(), dim));
    const Rotation rotation = three_rounds(dim);
    rotation.apply(a.data());
    rotation.apply(b.data());
    EXPECT_NEAR(test::dot(a.data(), b.data(), dim), before, 2e-6 * norms) << "length " << dim;
  }
}

// The point of three rounds: a one-hot row must not stay recognisable. Over all positions its rotated coordinates have mean
// square 1/d, and kurtosis near the 3(d/(d+2)) of a random direction; a single Hadamard round gives kurtosis 1.
TEST(Rotation, a_one_hot_row_becomes_a_random_direction) {
  for (const std::size_t dim : {64UL, 96UL, 128UL, 172UL}) {
    const double d = static_cast<double>(dim);
    double fourth = 0;
    for (std::size_t hot = 0; hot < dim; ++hot) {
      std::vector<float> x(dim, 0.0F);
      x[hot] = 1;
      three_rounds(dim).apply(x.data());
      for (const float v : x) fourth += std::pow(static_cast<double>(v), 4);
    }
    const double kurtosis = fourth / (d * d) * d * d;
    // dim² samples of u⁴, whose variance for a Gaussian is 96: the standard error is √96/d, below 0.16 here; four of them.
    EXPECT_NEAR(kurtosis, 3 * d / (d + 2), 4 * std::sqrt(96.0) / d) << "length " << dim;
  }
}

TEST(Rotation, seeds_give_different_rotations_and_the_same_seed_the_same) {
  std::vector<float> a = test::gaussian(64, 3), b = a, c = a;
  three_rounds(64, 1).apply(a.data());
  three_rounds(64, 1).apply(b.data());
  three_rounds(64, 2).apply(c.data());
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST(Rotation, plain_hadamard_is_the_matrix_that_its_name_says) {
  const Rotation rotation(RotationKind::kPlainHadamard, 192, 1, 0, 64);
  for (std::size_t hot = 0; hot < 192; ++hot) {
    std::vector<float> x(192, 0.0F);
    x[hot] = 1;
    rotation.apply(x.data());
    for (std::size_t i = 0; i < 192; ++i) {
      // Entry (i, j) of Sylvester's matrix of order 64 is (−1)^popcount(i & j), over √64.
      const bool same_block = i / 64 == hot / 64;
      const float sign = __builtin_popcountll(i % 64 & hot % 64) % 2 == 0 ? 1.0F : -1.0F;
      EXPECT_EQ(x[i], same_block ? sign / 8 : 0.0F);
    }
  }
}

TEST(Rotation, none_leaves_a_row_alone) {
  const std::vector<float> before = test::gaussian(48, 4);
  std::vector<float> x = before;
  Rotation(RotationKind::kNone, 48, 0, 0).apply(x.data());
  EXPECT_EQ(x, before);
}

}  // namespace
}  // namespace tq
