// A compressed model of a wanted size: which matrix gets which codec so that it fits (docs/plans.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "turboquant/plan.h"
#include "turboquant/quantize.h"
#include "turboquant/result.h"
#include "turboquant/tensor_file.h"

namespace tq {

/// What the output of quantize() may take: one of `bits` and `file_bytes`.
struct SizeTarget {
  std::vector<std::string> codecs = {};          ///< to choose from, from the narrowest to the widest
  std::optional<double> bits = {};               ///< true bits of a weight in the matrices of the layers
  std::optional<std::uint64_t> file_bytes = {};  ///< of the whole file
};

/// QuantizeOptions::plan of a file that takes no more than `target`, and as little less as whole matrices allow.
/// `options` is what quantize() will get; its `type` and `plan` do not count, its `tensor_types` do.
///
/// Without `groups` the rule of averages (plan_average()) decides: all matrices get the widest codec that all can have,
/// then one after the other the next one while the target allows. With the groups of measure_plan() those of their
/// options are chosen whose sum of divergences is the smallest (solve_weights()); `codecs` does not count then. kUsage,
/// with the smallest that is possible, when the narrowest codec everywhere takes more.
Result<std::map<std::string, std::string>> plan_for_target(const TensorFile& file, const SizeTarget& target,
                                                           const QuantizeOptions& options,
                                                           std::vector<PlanGroup> groups = {});

}  // namespace tq
