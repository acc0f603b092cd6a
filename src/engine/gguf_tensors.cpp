#include "engine/gguf_tensors.h"

#include <fmt/format.h>

#include <array>
#include <set>

#include "engine/architectures.h"

namespace tq {
namespace {

constexpr std::array kOutsideLayers = {TensorRole::kEmbedding, TensorRole::kOutputNorm, TensorRole::kOutput,
                                       TensorRole::kRopeFactors};
constexpr std::array kInLayer = {TensorRole::kAttentionNorm,
                                 TensorRole::kQuery,
                                 TensorRole::kKey,
                                 TensorRole::kValue,
                                 TensorRole::kAttentionOutput,
                                 TensorRole::kFeedForwardNorm,
                                 TensorRole::kGate,
                                 TensorRole::kUp,
                                 TensorRole::kDown};

std::vector<GgufTensorView> named_as_they_are(const TensorFile& file) {
  std::vector<GgufTensorView> tensors;
  for (const TensorView& view : file.tensors()) {
    const bool in_layer = view.name.starts_with("blk.") && view.name.ends_with(".weight");
    tensors.push_back({.view = &view, .name = view.name, .layer_matrix = in_layer && view.shape.size() == 2});
  }
  return tensors;
}

/// Collects the tensors of one Hugging Face model. Each step returns false after the first failure, kept in error_.
class Collector {
 public:
  Collector(const TensorFile& file, const Architecture& architecture, const ModelConfig& config)
      : file_(file), architecture_(architecture), config_(config) {}

  Result<std::vector<GgufTensorView>> collect() {
    for (const TensorRole role : kOutsideLayers) {
      const bool optional = role == TensorRole::kRopeFactors;
      const bool unused = role == TensorRole::kOutput && config_.tied_head;
      if (!add(role, 0, optional, unused)) return std::unexpected(error_);
    }
    for (std::size_t layer = 0; layer < config_.n_layers; ++layer) {
      for (const TensorRole role : kInLayer) {
        if (!add(role, layer, false, false)) return std::unexpected(error_);
      }
    }
    if (!all_have_a_place()) return std::unexpected(error_);
    return std::move(tensors_);
  }

 private:
  bool add(TensorRole role, std::size_t layer, bool optional, bool unused) {
    const std::string name = architecture_.tensor_name(file_, role, layer);
    placed_.insert(name);
    const TensorView* view = file_.find(name);
    if (unused || (view == nullptr && optional)) return true;
    if (view == nullptr) {
      error_ = {ErrorCode::kBadFile, fmt::format("{}: the tensor {} is missing", file_.path(), name)};
      return false;
    }
    GgufTensorView tensor{.view = view, .name = architecture_.gguf_name(role, layer)};
    const bool norm = role == TensorRole::kAttentionNorm || role == TensorRole::kFeedForwardNorm;
    tensor.layer_matrix = tensor.name.starts_with("blk.") && !norm && view->shape.size() == 2;
    if ((role == TensorRole::kQuery || role == TensorRole::kKey) && architecture_.half_split(file_))
      return add_rotary(std::move(tensor));
    tensors_.push_back(std::move(tensor));
    return true;
  }

  bool add_rotary(GgufTensorView tensor) {
    if (tensor.view->shape.size() != 2 || tensor.view->shape[0] % config_.head_dim != 0) {
      error_ = {ErrorCode::kBadFile, fmt::format("{}: the tensor {} is not made of heads of {} rows", file_.path(),
                                                 tensor.view->name, config_.head_dim)};
      return false;
    }
    tensor.head_dim = config_.head_dim;
    tensor.rope_dim = config_.rope_dim;
    tensors_.push_back(std::move(tensor));
    return true;
  }

  bool all_have_a_place() {
    for (const TensorView& view : file_.tensors()) {
      if (placed_.contains(view.name) || view.name.ends_with("rotary_emb.inv_freq")) continue;
      error_ = {ErrorCode::kUsage, fmt::format("{}: the tensor {} has no place in the architecture {}; this is another "
                                               "kind of model",
                                               file_.path(), view.name, config_.architecture)};
      return false;
    }
    return true;
  }

  const TensorFile& file_;
  const Architecture& architecture_;
  const ModelConfig& config_;
  std::vector<GgufTensorView> tensors_;
  std::set<std::string> placed_;
  Error error_;
};

}  // namespace

Result<std::vector<GgufTensorView>> gguf_tensors(const TensorFile& file) {
  if (file.format() != "safetensors") return named_as_they_are(file);
  const Result<const Architecture*> architecture = find_architecture(file);
  if (!architecture) return std::unexpected(architecture.error());
  const Result<ModelConfig> config = read_model_config(file);
  if (!config) return std::unexpected(config.error());
  return Collector(file, **architecture, *config).collect();
}

}  // namespace tq
