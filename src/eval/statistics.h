// What a list of measurements says. docs/evaluation.md states each definition.
#pragma once

#include <span>
#include <vector>

namespace tq::eval {

/// NaN for an empty list; the error is NaN for a single value.
struct Mean {
  double value = 0;
  double standard_error = 0;  ///< sd / √n, sd with n − 1
};
Mean mean_of(std::span<const float> values);

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
