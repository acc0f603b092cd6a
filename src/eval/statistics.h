// What a list of measurements says. docs/evaluation.md states each definition.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace tq::eval {

/// NaN for an empty list; the error is NaN for a single value.
struct Mean {
  double value = 0;
  double standard_error = 0;  ///< sd / √n, sd with n − 1
};
Mean mean_of(std::span<const float> values);
Mean mean_of(std::span<const double> values);

/// How probable a split of `lost` + `gained` at least as uneven as this one is when each falls on either side with 1/2:
/// the exact sign test, two-sided; McNemar's when they are discordant pairs. 1 for none.
double sign_test(std::size_t lost, std::size_t gained);

/// The lowest index of the largest value, as a greedy sampler picks it.
std::size_t top_of(std::span<const float> logits);
bool all_finite(std::span<const float> logits);
/// ln Σ exp of the logits, of which `largest` is the largest.
double log_sum_exp(std::span<const float> logits, double largest);
/// ln of the softmax of `logits` at `token`; NaN where a logit is not a number.
double log_probability(std::span<const float> logits, std::size_t token);

/// Sorted once, asked often. One value that is not a number makes every percentile NaN.
class Percentiles {
 public:
  explicit Percentiles(std::span<const float> values);
  /// Linear between the two nearest of the sorted values x₀ … xₙ₋₁, at position share · (n − 1). `share` 0 … 1; NaN of
  /// an empty list.
  double at(double share) const;

 private:
  std::vector<float> sorted_;
};

}  // namespace tq::eval
