// Mixed precision: which matrix of a model gets which codec, by measurement or by rule (docs/plans.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/model.h"
#include "turboquant/result.h"
#include "turboquant/tensor_file.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// One way to store a group.
struct PlanOption {
  std::string codec = {};
  std::uint64_t bytes = 0;  ///< of all tensors of the group
  double kld = 0;           ///< nats that it costs when all else is uncompressed
  bool measured = false;    ///< false: taken from a wider or narrower one by the error of the weights
};

/// Matrices of a layer that are given one codec.
struct PlanGroup {
  std::string name = {};                  ///< "blk.3.ffn_gate+up"
  std::vector<std::string> tensors = {};  ///< by their GGUF names
  std::uint64_t weights = 0;              ///< how many values
  std::vector<PlanOption> options = {};   ///< from the smallest to the largest
  std::size_t choice = 0;                 ///< of the options
};

/// A plan as it is saved: `tensors` is what is applied, the rest tells how it came about and lets it be solved again.
struct WeightPlan {
  std::string model = {};                           ///< the name in its metadata
  std::string method = {};                          ///< "measured", or "rule"
  std::map<std::string, std::string> tensors = {};  ///< GGUF name → codec name
  std::vector<PlanGroup> groups = {};               ///< empty unless measured

  std::uint64_t bytes() const;  ///< of the groups
  double bits() const;          ///< true bits of a weight in the groups
  double kld() const;           ///< the sum over groups
};

/// Reads a plan. kBadFile for anything that to_json() would not write; keys that it does not know are not read. `name`
/// is for messages. Fuzzed.
Result<WeightPlan> parse_plan(std::string_view json, std::string_view name);
/// Schema turboquant.plan/1.
std::string to_json(const WeightPlan& plan);

/// Whether an item of `--weights` is the path of a plan: it ends with .json.
bool names_a_plan(std::string_view weights);
Result<WeightPlan> read_plan(const std::string& path);
/// kUsage when the plan names a tensor that is no matrix of a layer in `file`.
Result<void> check_plan(const WeightPlan& plan, const TensorFile& file);
/// Model::load() where `weights` may also be an average (is_average()) or the path of a plan.
Result<std::shared_ptr<const Model>> load_compressed(std::shared_ptr<const TensorFile> file, const std::string& weights,
                                                     unsigned threads);

/// What a plan may take; what is not set has no bound.
struct PlanBudget {
  std::optional<std::uint64_t> bytes = {};  ///< of the groups
  std::optional<double> kld = {};
};
/// Chooses one option of each group: with `bytes` the smallest sum of `kld` among those that fit, else the smallest
/// size among those within `kld`. Exact (a multiple-choice knapsack by its whole Pareto front). kUsage when nothing is
/// within the budget.
Result<void> solve(WeightPlan& plan, const PlanBudget& budget);

/// Whether `type` is an average such as `tq3.5` or `tt2.5`: a family of width N and N + 1, and a number between.
bool is_average(std::string_view type);
/// The plan of an average without measurement, by rule: every matrix gets the lower width; then one after the other
/// gets the higher one while the average allows, in the order value, key, down, attention output, gate and up, query,
/// within each from the ends of the model to its middle.
Result<WeightPlan> plan_average(const TensorFile& file, std::string_view type);
/// The classical rule, to compare with: the first two and the last two layers, key, value and down get one bit more
/// than `codec`.
Result<WeightPlan> plan_by_classical_rule(const TensorFile& file, std::string_view codec);

struct CalibrationText;

struct MeasureOptions {
  std::vector<std::string> codecs = {};  ///< candidates, from the narrowest to the widest
  std::size_t measured = 2;  ///< so many of them by running the model, the wider by the error of the weights
  std::size_t context = 256, chunks = 8;
  /// For codes that will be calibrated with it: what `tq` and `tt` cost is multiplied by the share of the error that
  /// feedback leaves with the inputs of the group. Null: for plain codes.
  std::shared_ptr<const CalibrationText> calibration = {};
  unsigned threads = 0;
};
/// `done` of `total` measurements; false stops.
using MeasureProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;
/// Groups with what each candidate costs: the KL divergence of the second halves of windows, with one group compressed
/// at a time. Nothing is chosen yet.
Result<WeightPlan> measure_plan(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                                std::string_view text, const MeasureOptions& options,
                                const MeasureProgress& progress = {});

}  // namespace tq
