// Plans without measurement.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "compress/plan.h"
#include "engine/gguf_tensors.h"
#include "turboquant/codec.h"
#include "turboquant/plan.h"

namespace tq {
namespace {

/// Two neighbouring widths of a family, and the number between them.
struct Average {
  std::string lower, higher;
  unsigned lower_bits = 0;
  double bits = 0;
};

std::optional<Average> parse_average(std::string_view type) {
  const std::size_t digit = type.find_first_of("0123456789");
  if (digit == std::string_view::npos || digit == 0 || type.size() > 16 || type.find('.') == std::string_view::npos)
    return std::nullopt;
  Average average;
  const auto [end, error] =
      std::from_chars(type.data() + digit, type.data() + type.size(), average.bits, std::chars_format::fixed);
  if (error != std::errc{} || end != type.data() + type.size() || !(average.bits >= 1 && average.bits < 16))
    return std::nullopt;
  average.lower_bits = static_cast<unsigned>(average.bits);
  if (average.bits == average.lower_bits) return std::nullopt;
  average.lower = fmt::format("{}{}", type.substr(0, digit), average.lower_bits);
  average.higher = fmt::format("{}{}", type.substr(0, digit), average.lower_bits + 1);
  if (!CodecSpec::parse(average.lower) || !CodecSpec::parse(average.higher)) return std::nullopt;
  return average;
}

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

bool is_average(std::string_view type) { return parse_average(type).has_value(); }

Result<WeightPlan> plan_average(const TensorFile& file, std::string_view type) {
  const std::optional<Average> average = parse_average(type);
  if (!average) return fail(ErrorCode::kUsage, fmt::format("'{}' is no average of two widths; tq3.5 is one", type));
  Result<std::vector<LayerMatrix>> matrices = layer_matrices(file);
  if (!matrices) return fail(std::move(matrices));
  WeightPlan plan{.model = name_of_model(file), .method = "rule"};
  double weights = 0;
  for (const LayerMatrix& matrix : *matrices) {
    weights += matrix.weights;
    plan.tensors[matrix.name] = average->lower;
  }
  sort_by_need(*matrices);
  double rest = (average->bits - average->lower_bits) * weights;  // bits that may be added
  for (const LayerMatrix& matrix : *matrices) {
    if (matrix.weights > rest) continue;
    rest -= matrix.weights;
    plan.tensors[matrix.name] = average->higher;
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

Result<WeightPlan> plan_by_classical_rule(const TensorFile& file, std::string_view codec) {
  const Result<CodecSpec> spec = CodecSpec::parse(codec);
  if (!spec) return std::unexpected(spec.error());
  const std::size_t digit = codec.find_first_of("0123456789");
  const std::string higher = fmt::format("{}{}", codec.substr(0, digit), spec->bits + 1);
  if (const Result<CodecSpec> known = CodecSpec::parse(higher); !known) return std::unexpected(known.error());
  const Result<std::vector<LayerMatrix>> matrices = layer_matrices(file);
  if (!matrices) return std::unexpected(matrices.error());
  std::size_t layers = 0;
  for (const LayerMatrix& matrix : *matrices) layers = std::max(layers, matrix.layer + 1);
  WeightPlan plan{.model = name_of_model(file), .method = "rule"};
  for (const LayerMatrix& matrix : *matrices) {
    const bool end = matrix.layer < 2 || matrix.layer + 2 >= layers;
    const bool delicate = matrix.role == "attn_k" || matrix.role == "attn_v" || matrix.role == "ffn_down";
    plan.tensors[matrix.name] = end || delicate ? higher : std::string(codec);
  }
  return plan;
}

}  // namespace tq
