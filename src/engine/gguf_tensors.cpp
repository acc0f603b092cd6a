#include "engine/gguf_tensors.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "engine/architectures.h"
#include "engine/matrix.h"

namespace tq {
namespace {

/// Stacks of experts are matrices, too; routers stay exact.
std::vector<GgufTensorView> named_as_they_are(const TensorFile& file) {
  std::vector<GgufTensorView> tensors;
  for (const TensorView& view : file.tensors()) {
    const bool in_layer = view.name.starts_with("blk.") && view.name.ends_with(".weight");
    const bool stack = view.shape.size() == 3 && view.name.ends_with("_exps.weight");
    const bool matrix = (view.shape.size() == 2 && !view.name.ends_with("ffn_gate_inp.weight")) || stack;
    tensors.push_back({.view = &view, .name = view.name, .layer_matrix = in_layer && matrix});
  }
  return tensors;
}

std::shared_ptr<const MadeTensor> make_tensor(const TensorView& like, std::string type,
                                              std::vector<std::uint64_t> shape, std::vector<std::byte> bytes) {
  auto made = std::make_shared<MadeTensor>();
  made->bytes = std::move(bytes);
  made->view = like;
  made->view.type = std::move(type);
  made->view.shape = std::move(shape);
  made->view.bytes = made->bytes;
  return made;
}

std::shared_ptr<const MadeTensor> make_floats(const TensorView& like, const std::vector<float>& values) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(values));
  return make_tensor(like, "f32", {values.size()}, {bytes.begin(), bytes.end()});
}

/// Collects the tensors of one Hugging Face model. Each step returns false after the first failure, kept in error_.
class Collector {
 public:
  Collector(const TensorFile& file, const Architecture& architecture, const ModelConfig& config)
      : file_(file), architecture_(architecture), config_(config) {}

  Result<std::vector<GgufTensorView>> collect() {
    const std::vector<TensorUse> uses = tensors_of(architecture_, config_);
    add_rope_factors();
    for (const TensorUse& use : uses) {
      if (!use.in_layer && !add(use, 0)) return std::unexpected(error_);
    }
    for (std::size_t layer = 0; layer < config_.n_layers; ++layer) {
      for (const TensorUse& use : uses) {
        if (use.in_layer && !add(use, layer)) return std::unexpected(error_);
      }
    }
    placed_.insert(architecture_.tensor_name(file_, TensorRole::kOutput) + ".weight");  // may be there and not used
    if (!all_have_a_place()) return std::unexpected(error_);
    return std::move(tensors_);
  }

 private:
  /// What config.json says in numbers, GGUF has as tensors.
  void add_rope_factors() {
    const RopeScaling& scaling = config_.rope_scaling;
    const auto put = [&](TensorRole role, const std::vector<float>& factors) {
      GgufTensorView tensor{.view = nullptr, .name = architecture_.gguf_name(role) + ".weight"};
      tensor.made = make_floats(TensorView{.name = tensor.name, .type = "f32", .shape = {}, .bytes = {}}, factors);
      tensor.view = &tensor.made->view;
      tensors_.push_back(std::move(tensor));
    };
    if (scaling.type == "llama3") put(TensorRole::kRopeFactors, scaling.divisors);
    if (scaling.type != "longrope") return;
    put(TensorRole::kRopeFactorsLong, scaling.long_divisors);
    put(TensorRole::kRopeFactorsShort, scaling.divisors);
  }

  bool add(const TensorUse& use, std::size_t layer) {
    const bool is_expert =
        use.role == TensorRole::kExpertGate || use.role == TensorRole::kExpertUp || use.role == TensorRole::kExpertDown;
    if (is_expert) return add_stack(use.role, layer);
    const std::string name = architecture_.tensor_name(file_, use.role, layer);
    const std::string gguf = architecture_.gguf_name(use.role, layer);
    return add(use, name + ".weight", gguf + ".weight") && (!use.has_bias || add(use, name + ".bias", gguf + ".bias"));
  }

  bool add(const TensorUse& use, const std::string& name, const std::string& gguf) {
    placed_.insert(name);
    const TensorView* view = file_.find(name);
    if (view == nullptr) return refuse(ErrorCode::kBadFile, "the tensor {} is missing", name);
    GgufTensorView tensor{.view = view, .name = gguf};
    tensor.layer_matrix = use.in_layer && !use.is_norm && use.role != TensorRole::kRouter && view->shape.size() == 2;
    const bool rotary =
        (use.role == TensorRole::kQuery || use.role == TensorRole::kKey) && architecture_.adjacent_pairs;
    const bool less_one = use.is_norm && architecture_.norms_less_one && name.ends_with(".weight");
    if (rotary && !turn_pairs(tensor)) return false;
    if (less_one && !add_one(tensor)) return false;
    if (tensor.layer_matrix && architecture_.transposed && !transpose(tensor)) return false;
    tensors_.push_back(std::move(tensor));
    return true;
  }

  /// The matrices of all experts as the one that GGUF has.
  bool add_stack(TensorRole role, std::size_t layer) {
    GgufTensorView tensor{
        .view = nullptr, .name = architecture_.gguf_name(role, layer) + ".weight", .layer_matrix = true};
    for (std::size_t expert = 0; expert < config_.n_experts; ++expert) {
      const std::string name = architecture_.tensor_name(file_, role, layer, expert) + ".weight";
      placed_.insert(name);
      const TensorView* view = file_.find(name);
      if (view == nullptr) return refuse(ErrorCode::kBadFile, "the tensor {} is missing", name);
      tensor.experts.push_back(view);
      const TensorView& first = *tensor.experts.front();
      if (view->shape.size() != 2 || view->shape != first.shape || view->type != first.type)
        return refuse(ErrorCode::kBadFile, "the tensor {} has another shape or type than the first expert's", name);
    }
    const TensorView& first = *tensor.experts.front();
    tensor.made = make_tensor(first, first.type, {config_.n_experts, first.shape[0], first.shape[1]}, {});
    tensor.view = &tensor.made->view;
    tensors_.push_back(std::move(tensor));
    return true;
  }

  bool turn_pairs(GgufTensorView& tensor) {
    const TensorView& view = *tensor.view;
    if (view.shape.empty() || view.shape.size() > 2 || view.shape[0] % config_.head_dim != 0) {
      return refuse(ErrorCode::kBadFile, "the tensor {} is not made of heads of {} rows", view.name, config_.head_dim);
    }
    if (view.shape.size() == 2) {
      tensor.head_dim = config_.head_dim;
      tensor.rope_dim = config_.rope_dim;
      return true;
    }
    std::vector<float> bias;
    if (!load(view, bias)) return false;
    return replace(tensor, make_floats(view, interleaved_rotary(bias, config_.head_dim, config_.rope_dim)));
  }

  bool add_one(GgufTensorView& tensor) {
    std::vector<float> weight;
    if (!load(*tensor.view, weight)) return false;
    for (float& w : weight) w += 1.0F;
    return replace(tensor, make_floats(*tensor.view, weight));
  }

  bool transpose(GgufTensorView& tensor) {
    const TensorView& view = *tensor.view;
    const auto rows = static_cast<std::size_t>(view.shape[1]), cols = static_cast<std::size_t>(view.shape[0]);
    Result<Matrix> turned = load_transposed(file_, view.name, rows, cols, codecs_);
    if (!turned) {
      error_ = turned.error();
      return false;
    }
    return replace(tensor, make_tensor(view, view.type, {rows, cols}, {turned->bytes.begin(), turned->bytes.end()}));
  }

  bool load(const TensorView& view, std::vector<float>& values) {
    if (view.shape.size() != 1) return refuse(ErrorCode::kBadFile, "the tensor {} is no list of numbers", view.name);
    Result<std::vector<float>> loaded = load_vector(file_, view.name, static_cast<std::size_t>(view.shape[0]));
    if (!loaded) error_ = loaded.error();
    if (loaded) values = std::move(*loaded);
    return loaded.has_value();
  }

  static bool replace(GgufTensorView& tensor, std::shared_ptr<const MadeTensor> made) {
    tensor.made = std::move(made);
    tensor.view = &tensor.made->view;
    return true;
  }

  template <class... Args>
  bool refuse(ErrorCode code, fmt::format_string<Args...> what, Args&&... args) {
    error_ = {code, fmt::format("{}: {}", file_.path(), fmt::format(what, std::forward<Args>(args)...))};
    return false;
  }

  bool all_have_a_place() {
    for (const TensorView& view : file_.tensors()) {
      if (placed_.contains(view.name) || is_unread_buffer(view.name)) continue;
      return refuse(ErrorCode::kUsage,
                    "the tensor {} has no place in the architecture {}; this is another kind of model", view.name,
                    config_.architecture);
    }
    return true;
  }

  const TensorFile& file_;
  const Architecture& architecture_;
  const ModelConfig& config_;
  std::vector<GgufTensorView> tensors_;
  std::set<std::string> placed_;
  CodecCache codecs_;
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
