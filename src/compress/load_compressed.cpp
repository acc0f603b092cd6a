#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "engine/gguf_tensors.h"
#include "turboquant/model.h"
#include "turboquant/plan.h"

namespace tq {

bool names_a_plan(std::string_view weights) { return weights.ends_with(".json"); }

Result<Plan> read_plan(const std::string& path) {
  constexpr std::uint64_t kLongest = std::uint64_t{64} << 20;
  const Result<std::string> text = read_file(path, kLongest);
  if (!text) return std::unexpected(text.error());
  return parse_plan(*text, path);
}

Result<void> check_plan(const Plan& plan, const TensorFile& file) {
  const Result<std::vector<GgufTensorView>> tensors = gguf_tensors(file);
  if (!tensors) return std::unexpected(tensors.error());
  for (const auto& [name, type] : plan.tensors) {
    const bool found = std::ranges::any_of(
        *tensors, [&](const GgufTensorView& tensor) { return tensor.name == name && tensor.layer_matrix; });
    if (!found)
      return fail(ErrorCode::kUsage,
                  fmt::format("{}: the plan names the tensor {}, which is no matrix of a layer there; "
                              "it is of another model",
                              file.path(), name));
  }
  return {};
}

Result<std::shared_ptr<const Model>> load_compressed(std::shared_ptr<const TensorFile> file, const std::string& weights,
                                                     unsigned threads, bool large_pages) {
  if (!is_average(weights) && !names_a_plan(weights))
    return Model::load(std::move(file), {.weights = weights, .threads = threads, .large_pages = large_pages});
  Result<Plan> plan = names_a_plan(weights) ? read_plan(weights) : plan_average(*file, weights);
  if (!plan) return fail(std::move(plan));
  if (Result<void> fits = check_plan(*plan, *file); !fits) return fail(std::move(fits));
  return Model::load(std::move(file), {.weights = {},
                                       .tensor_types = std::move(plan->tensors),
                                       .name = weights,
                                       .threads = threads,
                                       .large_pages = large_pages});
}

}  // namespace tq
