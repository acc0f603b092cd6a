#include "quant/hartley.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "support/random_rows.h"

namespace tq {
namespace {

// By its definition, in double: lengths that are one factor, two to four of them, or a prime with one and without.
TEST(Hartley, is_the_transform_of_its_definition_at_any_odd_length) {
  for (const std::size_t count : {3UL,  5UL,  7UL,  9UL,  11UL, 13UL, 15UL,  21UL,  25UL,  27UL, 33UL,
                                  45UL, 49UL, 63UL, 75UL, 77UL, 81UL, 105UL, 135UL, 243UL, 315UL}) {
    const Hartley hartley(count);
    for (const std::size_t n : {1UL, 4UL, 16UL, 19UL}) {
      const std::vector<float> before = test::gaussian(count * n, count + n);
      // Exactly as long as what may be touched.
      std::vector<float> x = before, other(count * n);
      x.shrink_to_fit();
      other.shrink_to_fit();
      const float* y = hartley.apply(x.data(), n, other.data());
      EXPECT_EQ(y == other.data(), hartley.ends_in_other()) << count;
      for (std::size_t j = 0; j < count; ++j) {
        for (std::size_t i = 0; i < n; ++i) {
          double expected = 0;
          for (std::size_t k = 0; k < count; ++k) {
            const double angle = 2 * std::numbers::pi * static_cast<double>(j * k % count) / static_cast<double>(count);
            expected += (std::cos(angle) + std::sin(angle)) * static_cast<double>(before[k * n + i]);
          }
          expected /= std::sqrt(static_cast<double>(count));
          // Values of size 1, entries rounded by 2^-27: √count of them make 2^-27, and a hundred roundings of 2^-24
          // less than 1e-5.
          ASSERT_NEAR(y[j * n + i], expected, 1e-5) << "run " << j << " of " << count << ", " << n << " values";
        }
      }
    }
  }
}

}  // namespace
}  // namespace tq
