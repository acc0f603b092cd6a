#include "eval/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>

namespace tq::eval {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class Value>
Mean mean_in_double(std::span<const Value> values) {
  const auto n = static_cast<double>(values.size());
  if (values.empty()) return {kNaN, kNaN};
  double sum = 0;
  for (const Value value : values) sum += static_cast<double>(value);
  const double mean = sum / n;
  if (values.size() == 1) return {mean, kNaN};
  double squares = 0;  // around the mean: E[x²] − E[x]² cancels where all values are nearly the same
  for (const Value value : values) squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

}  // namespace

Mean mean_of(std::span<const float> values) { return mean_in_double(values); }
Mean mean_of(std::span<const double> values) { return mean_in_double(values); }

double sign_test(std::size_t lost, std::size_t gained) {
  const auto n = static_cast<double>(lost + gained);
  double tail = 0;
  for (std::size_t i = 0; i <= std::min(lost, gained); ++i) {
    const auto k = static_cast<double>(i);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  }
  return std::min(2 * tail, 1.0);
}

std::size_t top_of(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

bool all_finite(std::span<const float> logits) {
  return std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); });
}

double log_sum_exp(std::span<const float> logits, double largest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

double log_probability(std::span<const float> logits, std::size_t token) {
  const auto highest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - highest);
  return static_cast<double>(logits[token]) - highest - std::log(sum);
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
