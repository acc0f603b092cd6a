// Mixed precision: which matrix of a model, and which layer of its KV cache, gets which codec, by measurement or by
// rule (docs/plans.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/model.h"
#include "turboquant/quantize.h"
#include "turboquant/result.h"
#include "turboquant/session.h"
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

/// What is given one codec: matrices of a layer, or its keys, or its values.
struct PlanGroup {
  std::string name = {};                  ///< "blk.3.ffn_gate+up", "layer.3.k"
  std::vector<std::string> tensors = {};  ///< by their GGUF names; none of a cache
  std::uint64_t values = 0;               ///< how many
  std::vector<PlanOption> options = {};   ///< from the smallest to the largest
  std::size_t choice = 0;                 ///< of the options
};

/// Groups of a cache count the values and bytes of so many tokens: whole groups of rows for every codec.
constexpr std::size_t kPlanTokens = 1024;

/// A plan as it is saved: `tensors` and `cache` are what is applied, the rest tells how they came about and lets the
/// plan be solved again.
struct Plan {
  std::string model = {};                           ///< the name in its metadata
  std::string method = {};                          ///< for people: "measured", "rule", …
  std::map<std::string, std::string> tensors = {};  ///< GGUF name → codec name; those not named stay as they are
  std::vector<std::string> cache = {};       ///< `K:V` or `K` for each layer; empty: nothing is said of the cache
  std::vector<PlanGroup> groups = {};        ///< of matrices; empty unless measured
  std::vector<PlanGroup> cache_groups = {};  ///< keys and values of each layer, in this order; empty unless measured
};

/// What is chosen, summed over groups.
std::uint64_t bytes_of(std::span<const PlanGroup> groups);
double bits_of(std::span<const PlanGroup> groups);  ///< true bits of a value; NaN of no values
double kld_of(std::span<const PlanGroup> groups);

/// Reads a plan. kBadFile for anything that to_json() would not write; keys that it does not know are not read. `name`
/// is for messages. Fuzzed.
Result<Plan> parse_plan(std::string_view json, std::string_view name);
/// Schema turboquant.plan/1.
std::string to_json(const Plan& plan);

/// Whether an item of `--weights` is the path of a plan: it ends with .json.
bool names_a_plan(std::string_view weights);
Result<Plan> read_plan(const std::string& path);
/// Whether an item of `--kv` is the path of a plan, options of a cache behind it or none: `plan.json+sink=4`.
bool names_a_cache_plan(std::string_view cache);
/// CacheSpec::parse() where `text` may also be the path of a plan with options. kUsage when that plan says nothing of
/// the cache.
Result<CacheSpec> read_cache_spec(std::string_view text);
/// kUsage when the plan names a tensor that is no matrix of a layer in `file`.
Result<void> check_plan(const Plan& plan, const TensorFile& file);
/// What `--weights` and `--tensor-type` ask for, in one text: `tq4`, `tq4+token_embd=tq6`, `plan.json+ffn_down=keep`.
struct WeightsText {
  std::string type = {};                   ///< a codec, an average or the path of a plan
  std::vector<TensorTypeRule> rules = {};  ///< they count more; also for embedding and output
};
/// A pattern may hold + and =, but not =, what could be a codec, and + in this order: there the next rule begins.
WeightsText split_weights(std::string_view text);
/// The other way round.
std::string join_weights(const WeightsText& weights);
/// kUsage for a name or a pattern that is none; what a path names is not looked at.
Result<void> check_rules(const std::vector<TensorTypeRule>& rules);

/// Model::load() where `weights` is such a text. kUsage for a rule that matches no matrix of a layer, nor embedding or
/// output.
Result<std::shared_ptr<const Model>> load_compressed(std::shared_ptr<const TensorFile> file, const std::string& weights,
                                                     unsigned threads,
                                                     WeightsPlace place = WeightsPlace::kInterleaved);

/// What a plan may take; what is not set has no bound.
struct PlanBudget {
  std::optional<std::uint64_t> bytes = {};  ///< of the groups
  std::optional<double> kld = {};
};
/// Chooses one option of each group: with `bytes` the smallest sum of `kld` among those that fit, else the smallest
/// size among those within `kld`. Exact (a multiple-choice knapsack by its whole Pareto front). kUsage when nothing is
/// within the budget.
Result<void> solve(std::span<PlanGroup> groups, const PlanBudget& budget);
/// The same for the matrices, and puts the choice into plan.tensors.
Result<void> solve_weights(Plan& plan, const PlanBudget& budget);
/// The same for the cache, and puts the choice into plan.cache.
Result<void> solve_cache(Plan& plan, const PlanBudget& budget);

/// Whether `type` is an average such as `tq3.5` or `tt2.5`: a family of width N and N + 1, and a number between.
bool is_average(std::string_view type);
/// The plan of an average without measurement, by rule: every matrix gets the lower width; then one after the other
/// gets the higher one while the average allows, in the order value, key, down, attention output, gate and up, query,
/// within each from the ends of the model to its middle.
Result<Plan> plan_average(const TensorFile& file, std::string_view type);
/// The classical rule, to compare with: the first two and the last two layers, key, value and down get one bit more
/// than `codec`.
Result<Plan> plan_by_classical_rule(const TensorFile& file, std::string_view codec);
/// The same for a cache, as Plan::cache: keys and values of the first two and the last two layers get one bit more.
Result<std::vector<std::string>> cache_by_classical_rule(std::size_t n_layers, std::string_view codec);

struct CalibrationText;

struct MeasureOptions {
  std::vector<std::string> codecs = {};  ///< candidates for matrices, from the narrowest to the widest; none: no groups
  std::size_t measured = 2;  ///< so many of them by running the model, the wider by the error of the weights
  std::vector<std::string> cache_codecs = {};  ///< candidates for keys and for values, all measured; none: no groups
  std::size_t context = 256, chunks = 8;
  /// For codes that will be calibrated with it: what `tq` and `tt` cost is multiplied by the share of the error that
  /// feedback leaves with the inputs of the group. Null: for plain codes.
  std::shared_ptr<const CalibrationText> calibration = {};
  unsigned threads = 0;
};
/// `done` of `total` measurements; false stops.
using MeasureProgress = std::function<bool(std::uint64_t done, std::uint64_t total)>;
/// Groups with what each candidate costs: the KL divergence of the second halves of windows, with one group compressed
/// at a time (matrices with an f32 cache, sides of the cache with the weights as they are). Nothing is chosen yet.
Result<Plan> measure_plan(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                          const MeasureOptions& options, const MeasureProgress& progress = {});

}  // namespace tq
