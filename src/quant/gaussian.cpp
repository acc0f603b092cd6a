#include "quant/gaussian.h"

#include <cmath>
#include <numbers>

#include "base/random.h"

namespace tq {

std::vector<float> gaussian_values(std::size_t n, std::uint64_t seed) {
  const auto rounded = [](double x) { return static_cast<float>(std::round(x * 0x1p12) * 0x1p-12); };
  std::uint64_t state = seed;
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; i += 2) {
    const double radius = std::sqrt(-2 * std::log(1.0 - next_uniform(state)));  // never the logarithm of 0
    const double angle = 2 * std::numbers::pi * next_uniform(state);
    values[i] = rounded(radius * std::cos(angle));
    if (i + 1 < n) values[i + 1] = rounded(radius * std::sin(angle));
  }
  return values;
}

}  // namespace tq
