// Plans without measurement.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "compress/plan.h"
#include "engine/gguf_tensors.h"
#include "quant/width_average.h"
#include "turboquant/codec.h"
#include "turboquant/plan.h"

namespace tq {
namespace {

/// A matrix of a layer, as its name tells it.
struct LayerMatrix {
  std::string name = {}, role = {};  ///< "blk.3.attn_v.weight", "attn_v"
  std::size_t layer = 0;
  double weights = 0;
};

Result<std::vector<LayerMatrix>> layer_matrices(const TensorFile& file) {
  const Result<std::vector<GgufTensorView>> tensors = gguf_tensors(file);
  if (!tensors) return std::unexpected(tensors.error());
  std::vector<LayerMatrix> matrices;
  for (const GgufTensorView& tensor : *tensors) {
    if (!tensor.layer_matrix) continue;
    LayerMatrix matrix{.name = tensor.name};
    const std::string_view rest = std::string_view(tensor.name).substr(4);  // behind "blk."
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), matrix.layer);
    if (error != std::errc{} || end == rest.data() + rest.size()) continue;
    const std::string_view role = rest.substr(static_cast<std::size_t>(end - rest.data()) + 1);
    matrix.role = role.substr(0, role.find('.'));
    matrix.weights = 1;
    for (const std::uint64_t size : tensor.view->shape) matrix.weights *= static_cast<double>(size);
    matrices.push_back(std::move(matrix));
  }
  if (matrices.empty())
    return fail(ErrorCode::kUsage, fmt::format("{}: there are no matrices of layers to plan for", file.path()));
  return matrices;
}

std::size_t rank_of(std::string_view role) {
  constexpr std::array<std::string_view, 7> kOrder = {"attn_v",   "attn_k", "ffn_down", "attn_output",
                                                      "ffn_gate", "ffn_up", "attn_q"};
  return static_cast<std::size_t>(std::ranges::find(kOrder, role) - kOrder.begin());
}

/// Those that gain most from a wider code first.
void sort_by_need(std::vector<LayerMatrix>& matrices) {
  std::size_t layers = 0;
  for (const LayerMatrix& matrix : matrices) layers = std::max(layers, matrix.layer + 1);
  const auto key = [&](const LayerMatrix& matrix) {
    return std::tuple(rank_of(matrix.role), std::min(matrix.layer, layers - 1 - matrix.layer), matrix.layer);
  };
  std::ranges::stable_sort(matrices, [&](const LayerMatrix& a, const LayerMatrix& b) { return key(a) < key(b); });
}

std::string name_of_model(const TensorFile& file) {
  return std::string(file.metadata().string("general.name").value_or(""));
}

}  // namespace

bool is_average(std::string_view type) { return parse_width_average(type).has_value(); }

Result<Plan> plan_average(const TensorFile& file, std::string_view type) {
  const std::optional<WidthAverage> average = parse_width_average(type);
  if (!average) return fail(ErrorCode::kUsage, fmt::format("'{}' is no average of two widths; tq3.5 is one", type));
  Result<std::vector<LayerMatrix>> matrices = layer_matrices(file);
  if (!matrices) return fail(std::move(matrices));
  Plan plan{.model = name_of_model(file), .method = "rule"};
  double weights = 0;
  for (const LayerMatrix& matrix : *matrices) {
    weights += matrix.weights;
    plan.tensors[matrix.name] = average->lower.name();
  }
  sort_by_need(*matrices);
  double rest = (average->bits - average->lower.bits) * weights;  // bits that may be added
  for (const LayerMatrix& matrix : *matrices) {
    if (matrix.weights > rest) continue;
    rest -= matrix.weights;
    plan.tensors[matrix.name] = average->higher.name();
  }
  return plan;
}

Result<std::vector<std::string>> matrices_by_need(const TensorFile& file) {
  Result<std::vector<LayerMatrix>> matrices = layer_matrices(file);
  if (!matrices) return fail(std::move(matrices));
  sort_by_need(*matrices);
  std::vector<std::string> names;
  for (LayerMatrix& matrix : *matrices) names.push_back(std::move(matrix.name));
  return names;
}

Result<Plan> plan_by_classical_rule(const TensorFile& file, std::string_view codec) {
  const Result<CodecSpec> spec = CodecSpec::parse(codec);
  if (!spec) return std::unexpected(spec.error());
  const Result<CodecSpec> higher = one_bit_wider(*spec);
  if (!higher) return std::unexpected(higher.error());
  const Result<std::vector<LayerMatrix>> matrices = layer_matrices(file);
  if (!matrices) return std::unexpected(matrices.error());
  std::size_t layers = 0;
  for (const LayerMatrix& matrix : *matrices) layers = std::max(layers, matrix.layer + 1);
  Plan plan{.model = name_of_model(file), .method = "rule"};
  for (const LayerMatrix& matrix : *matrices) {
    const bool end = matrix.layer < 2 || matrix.layer + 2 >= layers;
    const bool delicate = matrix.role == "attn_k" || matrix.role == "attn_v" || matrix.role == "ffn_down";
    plan.tensors[matrix.name] = end || delicate ? higher->name() : spec->name();
  }
  return plan;
}

}  // namespace tq
