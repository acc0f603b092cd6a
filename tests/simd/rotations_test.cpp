// The two parts of a rotation, against their definitions in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "simd/every_target.h"
#include "support/random_rows.h"

namespace tq::test {
namespace {

/// Stage after stage, as kernels.h has them.
std::vector<float> transformed(std::vector<float> x, std::size_t n, const std::vector<float>& signs, float factor) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= signs[i];
  for (std::size_t h = 1; h < n; h *= 2) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      if ((i & h) != 0) continue;
      const float a = x[i], b = x[i + h];
      x[i] = a + b;
      x[i + h] = a - b;
    }
  }
  for (float& value : x) value *= factor;
  return x;
}

TEST_P(EveryTarget, hadamard_runs_have_the_bits_of_their_stages) {
  for (std::size_t n = 1; n <= 4096; n *= 2) {
    for (const std::size_t n_runs : {1UL, 3UL, 9UL}) {
      const std::size_t length = n * n_runs;
      const std::vector<float> x = gaussian(length, 20 + n);
      std::vector<float> signs(length, 1.0F), y(length), in_place = x;
      simd().hadamard_runs(x.data(), n, n_runs, nullptr, 0.3F, y.data());
      EXPECT_EQ(y, transformed(x, n, signs, 0.3F)) << n_runs << " runs of " << n;
      for (std::size_t i = 0; i < length; i += 3) signs[i] = -1.0F;
      simd().hadamard_runs(in_place.data(), n, n_runs, signs.data(), 0.3F, in_place.data());
      EXPECT_EQ(in_place, transformed(x, n, signs, 0.3F)) << n_runs << " runs of " << n << ", with signs";
    }
  }
}

TEST_P(EveryTarget, hadamard_has_the_bits_of_scalar_and_is_its_definition) {
  for (std::size_t n = 1; n <= 1024; n *= 2) {
    const auto x = gaussian(n, 8);
    std::vector<float> once(n), reference = x;
    simd().hadamard_runs(x.data(), n, 1, nullptr, 1.0F, once.data());
    scalar().hadamard_runs(reference.data(), n, 1, nullptr, 1.0F, reference.data());
    EXPECT_EQ(once, reference) << n;
    for (std::size_t k = 0; k < n; ++k) {  // the definition: entry (k, i) is (−1)^popcount(k & i)
      double expected = 0, magnitude = 0;
      for (std::size_t i = 0; i < n; ++i) {
        expected += (std::popcount(k & i) % 2 == 0 ? 1.0 : -1.0) * static_cast<double>(x[i]);
        magnitude += std::abs(static_cast<double>(x[i]));
      }
      EXPECT_NEAR(once[k], expected, magnitude * 12 * 0x1p-24) << n << " " << k;  // log₂ 1024 + 2 roundings
    }
  }
}

TEST_P(EveryTarget, mixed_runs_have_the_bits_of_scalar_and_are_their_definition) {
  for (const std::size_t n : {1UL, 4UL, 7UL, 8UL, 15UL, 16UL, 17UL, 31UL, 32UL, 40UL, 70UL, 256UL}) {
    for (const std::size_t count : {3UL, 5UL, 7UL, 9UL, 13UL, 25UL}) {
      const std::size_t half = count / 2;
      const auto cosines = gaussian(half * half, 11), sines = gaussian(half * half, 13);
      const auto runs = exactly(gaussian(count * n, 12), count * n);
      std::vector<float> y(count * n + 1, 99.0F), z = y;
      simd().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, runs.data(), y.data(), n});
      scalar().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, runs.data(), z.data(), n});
      EXPECT_EQ(y, z) << count;
      EXPECT_EQ(y.back(), 99.0F);
      for (std::size_t j = 0; j < count; ++j) {
        for (std::size_t i = 0; i < n; ++i) {
          double expected = 0.7 * static_cast<double>(runs[i]);
          for (std::size_t k = 1; k <= half; ++k) {
            const auto left = static_cast<double>(runs[k * n + i]), right = static_cast<double>(runs[(count - k) * n + i]);
            if (j == 0) {
              expected += 0.7 * (left + right);
              continue;
            }
            const std::size_t entry = (std::min(j, count - j) - 1) * half + k - 1;
            const auto cosine = static_cast<double>(cosines[entry]), sine = static_cast<double>(sines[entry]);
            expected += cosine * (left + right) + (j <= half ? sine : -sine) * (left - right);
          }
          EXPECT_NEAR(y[j * n + i], expected, 5e-5) << count;  // at most 25 terms of size below 20
        }
      }
    }
  }
}

// Where the runs of y lie apart, nothing between them is written; where y is x, nothing is read that has been written.
TEST_P(EveryTarget, mixed_runs_may_lie_apart_or_in_place) {
  for (const std::size_t n : {1UL, 8UL, 16UL, 35UL}) {
    for (std::size_t count = 3; count <= HartleyRuns::kMostInPlace; count += 2) {
      const std::size_t half = count / 2, stride = 3 * n;
      const auto cosines = gaussian(half * half, 14), sines = gaussian(half * half, 15);
      auto x = exactly(gaussian(count * n, 16), count * n);
      std::vector<float> y(count * n), apart(count * stride, 99.0F), expected = apart;
      scalar().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, x.data(), y.data(), n});
      simd().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, x.data(), apart.data(), stride});
      simd().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, x.data(), x.data(), n});
      EXPECT_EQ(x, y) << count << " runs of " << n;
      for (std::size_t i = 0; i < count * n; ++i) expected[i / n * stride + i % n] = y[i];
      EXPECT_EQ(apart, expected) << count << " runs of " << n;
    }
  }
}

TEST_P(EveryTarget, pairs_of_runs_are_turned_and_mixed_with_the_bits_of_scalar) {
  for (const std::size_t n : {1UL, 8UL, 16UL, 35UL}) {
    for (std::size_t count = 3; count <= HartleyRuns::kMostInPlace; count += 2) {
      const std::size_t half = count / 2, stride = 2 * n;
      const auto cosines = gaussian(half * half, 17), sines = gaussian(half * half, 18), turns = gaussian(2 * count - 2, 19);
      const auto x = exactly(gaussian(count * n, 20), count * n), mirrored = exactly(gaussian(count * n, 21), count * n);
      std::vector<float> y(count * stride, 99.0F), out = y, y_scalar = y, out_scalar = y;
      HartleyPairs job{{cosines.data(), sines.data(), 0.7F, count, n, x.data(), y.data(), stride}, turns.data(), mirrored.data(), out.data()};
      simd().mix_pairs(job);
      job.runs.y = y_scalar.data();
      job.out = out_scalar.data();
      scalar().mix_pairs(job);
      EXPECT_EQ(y, y_scalar);
      EXPECT_EQ(out, out_scalar);

      std::vector<float> p(count * n), q(count * n), mixed_p(count * n), mixed_q(count * n);
      for (std::size_t i = 0; i < count * n; ++i) {
        const std::size_t k = i / n;
        const float cosine = k == 0 ? 1.0F : turns[2 * k - 2], sine = k == 0 ? 0.0F : turns[2 * k - 1];
        p[i] = cosine * x[i] + sine * mirrored[i];
        q[i] = cosine * mirrored[i] - sine * x[i];
      }
      scalar().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, p.data(), mixed_p.data(), n});
      scalar().mix_runs({cosines.data(), sines.data(), 0.7F, count, n, q.data(), mixed_q.data(), n});
      for (std::size_t j = 0; j < count; ++j) {
        const std::size_t opposite = (count - j) % count;
        for (std::size_t i = 0; i < n; ++i) {
          // What j and its opposite have in common comes from the sums, half of what they differ by from the differences.
          const auto even = [&](const std::vector<float>& of) { return (of[j * n + i] + of[opposite * n + i]) / 2; };
          const auto odd = [&](const std::vector<float>& of) { return (of[j * n + i] - of[opposite * n + i]) / 2; };
          EXPECT_NEAR(y[j * stride + i], even(mixed_p) + odd(mixed_q), 2e-4);  // 9 terms of size below 30, in another order
          EXPECT_NEAR(out[(j + count - 1) % count * stride + i], even(mixed_q) + odd(mixed_p), 2e-4);
        }
      }
      for (std::size_t j = 0; j < count; ++j) {
        for (std::size_t i = n; i < stride; ++i) {
          EXPECT_EQ(y[j * stride + i], 99.0F);
          EXPECT_EQ(out[j * stride + i], 99.0F);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tq::test
