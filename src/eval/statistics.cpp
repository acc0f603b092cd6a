#include "eval/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>

namespace tq::eval {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Mean mean_of(std::span<const float> values) {
  const auto n = static_cast<double>(values.size());
  if (values.empty()) return {kNaN, kNaN};
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  const double mean = sum / n;
  if (values.size() == 1) return {mean, kNaN};
  double squares = 0;  // around the mean: E[x²] − E[x]² cancels where all values are nearly the same
  for (const float value : values) squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

Percentiles::Percentiles(std::span<const float> values) {
  if (std::any_of(values.begin(), values.end(), [](float value) { return std::isnan(value); })) return;
  sorted_.assign(values.begin(), values.end());
  std::sort(sorted_.begin(), sorted_.end());
}

double Percentiles::at(double share) const {
  assert(share >= 0 && share <= 1);
  if (sorted_.empty()) return kNaN;
  const double position = share * static_cast<double>(sorted_.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted_.size() - 1);
  const double fraction = position - static_cast<double>(below);
  const auto low = static_cast<double>(sorted_[below]), high = static_cast<double>(sorted_[above]);
  return fraction == 0 ? low : low + fraction * (high - low);  // an infinite neighbour must not count with weight 0
}

}  // namespace tq::eval
