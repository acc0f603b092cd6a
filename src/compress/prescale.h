// Columns of weights stretched where errors of their products matter more, before they are rotated and coded. What
// makes the inputs is divided by the same numbers, so that the model stays what it was (docs/calibration.md).
#pragma once

#include <cstddef>
#include <vector>

#include "turboquant/imatrix.h"
#include "turboquant/result.h"
#include "turboquant/tensor_file.h"

namespace tq {

struct PlannedTensor;

/// Of one input, which one or several matrices read.
struct Prescale {
  std::vector<const PlannedTensor*> readers = {};
  std::vector<float> squares = {};    ///< mean of x_j²
  std::size_t run = 0, repeated = 1;  ///< runs of so many columns; `repeated` runs side by side share their factors
  std::vector<float> columns = {};    ///< factors of the readers' columns
  std::vector<float> made = {};       ///< divisors of what makes the input: a norm's values, or rows of a matrix

  /// Fills `columns` and `made`, once. Column j is multiplied by (squares_j / Σ_i w_ij²)^¼, over the geometric mean of
  /// these and within [1/4, 4]: of all factors those for which Σ_j squares_j E[error_j²] is smallest, when the errors
  /// of coded rows are the same in every direction (as after a rotation).
  void make();
};

/// Gives the tensors of `plan` their prescales; norms before them become f32. An input is scaled where all matrices
/// that read it are to be coded behind a rotation and something linear makes it: a norm; the values, for the attention
/// output; up, for down. Not the feed-forward network of experts, nor what is fused. kUsage where nothing is scaled,
/// kBadFile for a matrix of other columns. The plan must not move any more.
Result<void> plan_prescales(std::vector<PlannedTensor>& plan, const TensorFile& file,
                            const ImportanceMatrix& importance);

}  // namespace tq
