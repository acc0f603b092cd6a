#include "turboquant/model.h"

#include <fmt/format.h>

#include <cassert>
#include <initializer_list>
#include <optional>
#include <set>

#include "engine/architectures.h"
#include "engine/loaded_model.h"
#include "engine/weight_pages.h"
#include "engine/weight_runs.h"
#include "formats/checksum.h"

namespace tq {

/// Loads one model. Each step returns false after the first failure, which is kept in error_.
class ModelLoader {
 public:
  ModelLoader(std::shared_ptr<const TensorFile> file, const ModelOptions& options)
      : pool_(options.threads), options_(options), model_(std::make_shared<LoadedModel>()) {
    model_->file_ = std::move(file);
  }

  Result<std::shared_ptr<const Model>> load() {
    if (!load_config() || !load_spec() || !are_undamaged() || !load_outside_layers()) return std::unexpected(error_);
    for (std::size_t layer = 0; layer < config().n_layers; ++layer) {
      if (!load_layer(layer)) return std::unexpected(error_);
    }
    if (!all_tensors_used()) return std::unexpected(error_);
    interleave_weights(*model_, &file(), options_.place, pool_);
    if (options_.place == WeightsPlace::kLargePages) move_to_large_pages(*model_, &file(), pool_);
    return model_;
  }

 private:
  const TensorFile& file() const { return *model_->file_; }
  const ModelConfig& config() const { return model_->config_; }

  template <class T>
  bool take(Result<T>&& result, T& target) {
    if (!result) {
      error_ = std::move(result).error();
      return false;
    }
    target = std::move(*result);
    return true;
  }

  bool load_config() {
    const Result<const Architecture*> found = find_architecture(file());
    if (!found) {
      error_ = found.error();
      return false;
    }
    architecture_ = *found;
    return take(read_model_config(file()), model_->config_);
  }

  bool load_spec() {
    if (options_.weights.empty()) return true;
    spec_.emplace();
    return take(CodecSpec::parse(options_.weights), *spec_);
  }

  /// Reads the weights once, as the first token would.
  bool are_undamaged() {
    const std::vector<TensorView>& tensors = file().tensors();
    std::vector<char> damaged(tensors.size(), 0);
    pool_.for_ranges(tensors.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i)
        damaged[i] = tensors[i].checksum && checksum(tensors[i].bytes) != *tensors[i].checksum;
    });
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (damaged[i] == 0) continue;
      error_ = {ErrorCode::kBadFile,
                fmt::format("{}: the tensor {} does not have the checksum that the file says; it is "
                            "damaged, fetch the file again",
                            file().path(), tensors[i].name)};
      return false;
    }
    return true;
  }

  std::string name_of(TensorRole role, std::size_t layer = 0, std::size_t expert = 0) {
    std::string name = architecture_->tensor_name(file(), role, layer, expert);
    used_.insert(name + ".weight");
    return name;
  }

  bool load_floats(const std::string& name, std::size_t length, std::vector<float>& values) {
    used_.insert(name);
    if (!take(load_vector(file(), name, length), values)) return false;
    add_to_footprint(values.size(), values.size() * sizeof(float));
    return true;
  }

  bool load_weight_of_norm(TensorRole role, std::size_t layer, std::size_t length, std::vector<float>& weight) {
    if (!load_floats(name_of(role, layer) + ".weight", length, weight)) return false;
    if (architecture_->norms_less_one && is_hugging_face(file())) {
      for (float& w : weight) w += 1.0F;
    }
    return true;
  }

  bool load_norm(TensorRole role, std::size_t layer, Norm& norm) {
    const std::size_t hidden = config().hidden_size;
    return load_weight_of_norm(role, layer, hidden, norm.weight) &&
           (config().norm == NormKind::kRms || load_floats(name_of(role, layer) + ".bias", hidden, norm.bias));
  }

  /// Outside the layers: used as the file has it, unless ModelOptions::tensor_types names it.
  bool load_table(TensorRole role, std::size_t rows, Matrix& matrix) {
    std::optional<CodecSpec> spec;
    if (!take(load_matrix(file(), name_of(role) + ".weight", rows, config().hidden_size, codecs_), matrix) ||
        !choose_spec(role, 0, 0, spec) || !code(role, 0, 0, spec, matrix))
      return false;
    add_to_footprint(rows * config().hidden_size, matrix.bytes.size());
    return true;
  }

  /// Codes the matrix again where there is a spec.
  bool code(TensorRole role, std::size_t layer, std::size_t expert, const std::optional<CodecSpec>& spec,
            Matrix& matrix) {
    if (!spec) return true;
    const Result<void> coded = recode(matrix, *spec, codecs_, pool_);
    if (coded) return true;
    error_ = {coded.error().code,
              fmt::format("{}: the tensor {}.weight: {}", file().path(),
                          architecture_->tensor_name(file(), role, layer, expert), coded.error().message)};
    return false;
  }

  bool load_outside_layers() {
    const ModelConfig& c = config();
    for (const TensorRole role :
         {TensorRole::kRopeFactors, TensorRole::kRopeFactorsLong, TensorRole::kRopeFactorsShort})
      name_of(role);               // part of the config
    name_of(TensorRole::kOutput);  // may be there and yet not used
    return load_table(TensorRole::kEmbedding, c.vocab_size, model_->embedding_) &&
           (!c.learned_positions || load_table(TensorRole::kPositions, c.context_length, model_->positions_)) &&
           (c.tied_head || load_table(TensorRole::kOutput, c.vocab_size, model_->output_)) &&
           load_norm(TensorRole::kOutputNorm, 0, model_->output_norm_);
  }

  /// As the file has it, with rows that stand where GGUF puts them; rotary pairs are not yet where the engine has them.
  bool load_stored(TensorRole role, std::size_t layer, std::size_t rows, std::size_t cols, bool bias, Linear& linear) {
    const std::string name = name_of(role, layer);
    const bool transposed = architecture_->transposed && is_hugging_face(file());
    if (!take(transposed ? load_transposed(file(), name + ".weight", rows, cols, codecs_)
                         : load_matrix(file(), name + ".weight", rows, cols, codecs_),
              linear.matrix)) {
      return false;
    }
    return !bias || load_floats(name + ".bias", rows, linear.bias);
  }

  /// Turns pairs if they must be turned, codes the matrix if that was asked for, and counts it.
  bool complete(TensorRole role, std::size_t layer, Linear& linear, std::size_t expert = 0) {
    const ModelConfig& c = config();
    Matrix& matrix = linear.matrix;
    const bool rotary = role == TensorRole::kQuery || role == TensorRole::kKey;
    if (rotary && architecture_->adjacent_pairs && is_hugging_face(file())) {
      interleave_rotary_rows(matrix, c.head_dim, c.rope_dim);
      linear.bias = interleaved_rotary(linear.bias, c.head_dim, c.rope_dim);
    }
    std::optional<CodecSpec> spec = spec_;
    if (!choose_spec(role, layer, expert, spec) || !code(role, layer, expert, spec, matrix)) return false;
    note_type(matrix.codec->spec().name());
    const std::uint64_t bytes = matrix.codec->storage_bytes(matrix.rows);
    add_to_footprint(matrix.rows * matrix.cols, bytes);
    model_->footprint_.linear_parameters += matrix.rows * matrix.cols;
    model_->footprint_.linear_bytes += bytes;
    return true;
  }

  bool load_linear(TensorRole role, std::size_t layer, std::size_t rows, std::size_t cols, bool bias, Linear& linear) {
    return load_stored(role, layer, rows, cols, bias, linear) && complete(role, layer, linear);
  }

  struct Part {
    TensorRole role;
    std::size_t rows;
    Linear* to;
  };
  /// One tensor for several matrices, one below the other.
  bool load_fused(TensorRole role, std::size_t layer, std::size_t cols, bool bias, std::initializer_list<Part> parts) {
    std::size_t rows = 0;
    for (const Part& part : parts) rows += part.rows;
    Linear whole;
    if (!load_stored(role, layer, rows, cols, bias, whole)) return false;
    std::size_t first = 0;
    for (const Part& part : parts) {
      part.to->matrix = whole.matrix.part(first, part.rows);
      const auto from = whole.bias.begin() + static_cast<std::ptrdiff_t>(bias ? first : 0);
      part.to->bias.assign(from, from + static_cast<std::ptrdiff_t>(bias ? part.rows : 0));
      if (!complete(part.role, layer, *part.to)) return false;
      first += part.rows;
    }
    return true;
  }

  bool load_attention(std::size_t i, Layer& layer) {
    const ModelConfig& c = config();
    const std::size_t hidden = c.hidden_size, heads = c.n_heads * c.head_dim, kv_heads = c.n_kv_heads * c.head_dim;
    const bool loaded = architecture_->fused_attention
                            ? load_fused(TensorRole::kQueryKeyValue, i, hidden, c.qkv_bias,
                                         {{TensorRole::kQuery, heads, &layer.query},
                                          {TensorRole::kKey, kv_heads, &layer.key},
                                          {TensorRole::kValue, kv_heads, &layer.value}})
                            : load_linear(TensorRole::kQuery, i, heads, hidden, c.qkv_bias, layer.query) &&
                                  load_linear(TensorRole::kKey, i, kv_heads, hidden, c.qkv_bias, layer.key) &&
                                  load_linear(TensorRole::kValue, i, kv_heads, hidden, c.qkv_bias, layer.value);
    if (!loaded) return false;
    if (c.query_key_norm && (!load_weight_of_norm(TensorRole::kQueryNorm, i, c.head_dim, layer.query_norm) ||
                             !load_weight_of_norm(TensorRole::kKeyNorm, i, c.head_dim, layer.key_norm))) {
      return false;
    }
    return load_linear(TensorRole::kAttentionOutput, i, hidden, heads, c.output_bias, layer.attention_output) &&
           (!c.post_norms || load_norm(TensorRole::kPostAttentionNorm, i, layer.post_attention_norm));
  }

  bool load_feed_forward(std::size_t i, Layer& layer) {
    const ModelConfig& c = config();
    const std::size_t hidden = c.hidden_size, inner = c.feed_forward_size;
    const bool bias = c.feed_forward_bias;
    if (c.n_experts > 0) return load_experts(i, layer);
    FeedForward& network = layer.experts.emplace_back();
    const bool loaded =
        architecture_->fused_gate
            ? load_fused(TensorRole::kGateUp, i, hidden, bias,
                         {{TensorRole::kGate, inner, &network.gate}, {TensorRole::kUp, inner, &network.up}})
            : (!c.gated || load_linear(TensorRole::kGate, i, inner, hidden, bias, network.gate)) &&
                  load_linear(TensorRole::kUp, i, inner, hidden, bias, network.up);
    return loaded && load_linear(TensorRole::kDown, i, hidden, inner, bias, network.down);
  }

  /// All experts in one tensor (GGUF), or each in its own (Hugging Face, old GGUFs).
  bool load_experts(std::size_t i, Layer& layer) {
    const ModelConfig& c = config();
    if (!take(load_matrix(file(), name_of(TensorRole::kRouter, i) + ".weight", c.n_experts, c.hidden_size, codecs_),
              layer.router)) {
      return false;
    }
    add_to_footprint(c.n_experts * c.hidden_size, layer.router.bytes.size());
    layer.experts.resize(c.n_experts);
    const std::size_t hidden = c.hidden_size, inner = c.feed_forward_size;
    return load_expert_role(TensorRole::kExpertGate, i, inner, hidden, layer, &FeedForward::gate) &&
           load_expert_role(TensorRole::kExpertUp, i, inner, hidden, layer, &FeedForward::up) &&
           load_expert_role(TensorRole::kExpertDown, i, hidden, inner, layer, &FeedForward::down);
  }

  bool load_expert_role(TensorRole role, std::size_t i, std::size_t rows, std::size_t cols, Layer& layer,
                        Linear FeedForward::*linear) {
    Matrix stack;
    const bool stacked = architecture_->tensor_name(file(), role, i) == architecture_->gguf_name(role, i);
    if (stacked &&
        !take(load_stack(file(), name_of(role, i) + ".weight", {config().n_experts, rows, cols}, codecs_), stack)) {
      return false;
    }
    for (std::size_t e = 0; e < layer.experts.size(); ++e) {
      Linear& expert = layer.experts[e].*linear;
      if (stacked) expert.matrix = stack.part(e * rows, rows);
      if (!stacked && !take(load_matrix(file(), name_of(role, i, e) + ".weight", rows, cols, codecs_), expert.matrix))
        return false;
      if (!complete(role, i, expert, e)) return false;
    }
    return true;
  }

  /// What ModelOptions::tensor_types says of this matrix in place of `spec`.
  bool choose_spec(TensorRole role, std::size_t layer, std::size_t expert, std::optional<CodecSpec>& spec) {
    const bool attention = role == TensorRole::kQuery || role == TensorRole::kKey || role == TensorRole::kValue;
    const bool gate = role == TensorRole::kGate || role == TensorRole::kUp;
    if (attention && architecture_->fused_attention) role = TensorRole::kQueryKeyValue;
    if (gate && architecture_->fused_gate) role = TensorRole::kGateUp;
    const auto found =
        options_.tensor_types.find((is_hugging_face(file()) ? architecture_->gguf_name(role, layer)
                                                            : architecture_->tensor_name(file(), role, layer, expert)) +
                                   ".weight");
    if (found == options_.tensor_types.end()) return true;
    if (found->second == "keep") {
      spec.reset();
      return true;
    }
    spec.emplace();
    return take(CodecSpec::parse(found->second), *spec);
  }

  bool load_layer(std::size_t i) {
    Layer& layer = model_->layers_.emplace_back();
    return load_norm(TensorRole::kAttentionNorm, i, layer.attention_norm) &&
           load_norm(TensorRole::kFeedForwardNorm, i, layer.feed_forward_norm) && load_attention(i, layer) &&
           load_feed_forward(i, layer) &&
           (!config().post_norms || load_norm(TensorRole::kPostFeedForwardNorm, i, layer.post_feed_forward_norm));
  }

  /// A tensor that the forward pass would leave out (a bias, say) means another model than the one that would be
  /// computed.
  bool all_tensors_used() {
    for (const TensorView& tensor : file().tensors()) {
      if (used_.contains(tensor.name) || is_unread_buffer(tensor.name)) continue;
      error_ = {ErrorCode::kUsage,
                fmt::format("{}: the tensor {} has no place in the architecture {}; this is another kind of model",
                            file().path(), tensor.name, config().architecture)};
      return false;
    }
    return true;
  }

  void add_to_footprint(std::uint64_t parameters, std::uint64_t bytes) {
    model_->footprint_.parameters += parameters;
    model_->footprint_.weights_bytes += bytes;
  }

  void note_type(const std::string& type) {
    std::string& name = model_->weights_name_;
    if (!options_.name.empty()) {
      name = options_.name;
      return;
    }
    if (name.empty()) name = type;
    if (name != type) name = "mixed";
  }

  ThreadPool pool_;
  const ModelOptions& options_;
  std::shared_ptr<LoadedModel> model_;
  const Architecture* architecture_ = nullptr;
  CodecCache codecs_;
  std::optional<CodecSpec> spec_;
  std::set<std::string> used_;
  Error error_;
};

const Matrix& LoadedModel::matrix(std::size_t layer, TensorRole role) const {
  const Layer& of = layers_.at(layer);
  switch (role) {
    case TensorRole::kQuery:
      return of.query.matrix;
    case TensorRole::kKey:
      return of.key.matrix;
    case TensorRole::kValue:
      return of.value.matrix;
    case TensorRole::kAttentionOutput:
      return of.attention_output.matrix;
    case TensorRole::kGate:
      return of.experts.front().gate.matrix;
    case TensorRole::kUp:
      return of.experts.front().up.matrix;
    default:
      assert(role == TensorRole::kDown);
      return of.experts.front().down.matrix;
  }
}

std::vector<Matrix*> LoadedModel::matrices() {
  std::vector<Matrix*> found;
  for (Layer& layer : layers_) {
    found.insert(found.end(), {&layer.query.matrix, &layer.key.matrix, &layer.value.matrix,
                               &layer.attention_output.matrix, &layer.router});
    for (FeedForward& expert : layer.experts)
      found.insert(found.end(), {&expert.gate.matrix, &expert.up.matrix, &expert.down.matrix});
  }
  found.push_back(config_.tied_head ? &embedding_ : &output_);
  return found;
}

Result<std::shared_ptr<const Model>> Model::load(std::shared_ptr<const TensorFile> file, const ModelOptions& options) {
  return ModelLoader(std::move(file), options).load();
}

}  // namespace tq
