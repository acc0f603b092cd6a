#include "turboquant/model.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>
#include <optional>
#include <set>

#include "engine/architectures.h"
#include "engine/loaded_model.h"
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

  std::string name_of(TensorRole role, std::size_t layer = 0) {
    std::string name = architecture_->tensor_name(file(), role, layer);
    used_.insert(name);
    return name;
  }

  bool load_norm(TensorRole role, std::size_t layer, std::vector<float>& norm) {
    if (!take(load_vector(file(), name_of(role, layer), config().hidden_size), norm)) return false;
    add_to_footprint(norm.size(), norm.size() * sizeof(float));
    return true;
  }

  bool load_outside_layers() {
    const ModelConfig& c = config();
    if (!take(load_matrix(file(), name_of(TensorRole::kEmbedding), c.vocab_size, c.hidden_size, codecs_),
              model_->embedding_)) {
      return false;
    }
    add_to_footprint(c.vocab_size * c.hidden_size, model_->embedding_.bytes.size());
    const std::string output = name_of(TensorRole::kOutput);
    if (!c.tied_head) {
      if (!take(load_matrix(file(), output, c.vocab_size, c.hidden_size, codecs_), model_->output_)) return false;
      add_to_footprint(c.vocab_size * c.hidden_size, model_->output_.bytes.size());
    }
    return load_norm(TensorRole::kOutputNorm, 0, model_->output_norm_) && load_rope();
  }

  bool load_rope() {
    const std::size_t pairs = config().rope_dim / 2;
    std::vector<float> factors(pairs, 1.0F);
    const std::string name = name_of(TensorRole::kRopeFactors);
    if (file().find(name) != nullptr && !take(load_vector(file(), name, pairs), factors)) return false;
    for (std::size_t i = 0; i < pairs; ++i) {
      const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(config().rope_dim);
      model_->rope_frequencies_.push_back(std::pow(static_cast<double>(config().rope_theta), exponent) /
                                          static_cast<double>(factors[i]));
      if (!std::isfinite(model_->rope_frequencies_.back())) {
        error_ = {ErrorCode::kBadFile,
                  fmt::format("{}: the tensor {} divides a rotary frequency by {}", file().path(), name, factors[i])};
        return false;
      }
    }
    return true;
  }

  bool load_linear(TensorRole role, std::size_t layer, std::size_t rows, std::size_t cols, Matrix& matrix) {
    const std::string name = name_of(role, layer);
    if (!take(load_matrix(file(), name, rows, cols, codecs_), matrix)) return false;
    const bool rotary = role == TensorRole::kQuery || role == TensorRole::kKey;
    if (rotary && architecture_->half_split(file()))
      interleave_rotary_rows(matrix, config().head_dim, config().rope_dim);
    std::optional<CodecSpec> spec = spec_;
    if (!choose_spec(role, layer, spec)) return false;
    if (spec) {
      if (const Result<void> coded = recode(matrix, *spec, codecs_, pool_); !coded) {
        error_ = {coded.error().code, fmt::format("{}: the tensor {}: {}", file().path(), name, coded.error().message)};
        return false;
      }
    }
    note_type(matrix.codec->spec().name());
    add_to_footprint(rows * cols, matrix.bytes.size());
    model_->footprint_.linear_parameters += rows * cols;
    model_->footprint_.linear_bytes += matrix.bytes.size();
    return true;
  }

  /// What ModelOptions::tensor_types says of this matrix in place of `spec`.
  bool choose_spec(TensorRole role, std::size_t layer, std::optional<CodecSpec>& spec) {
    const auto found = options_.tensor_types.find(architecture_->gguf_name(role, layer));
    if (found == options_.tensor_types.end()) return true;
    spec.emplace();
    return take(CodecSpec::parse(found->second), *spec);
  }

  bool load_layer(std::size_t i) {
    const ModelConfig& c = config();
    const std::size_t hidden = c.hidden_size, heads = c.n_heads * c.head_dim, kv_heads = c.n_kv_heads * c.head_dim;
    Layer& layer = model_->layers_.emplace_back();
    return load_norm(TensorRole::kAttentionNorm, i, layer.attention_norm) &&
           load_norm(TensorRole::kFeedForwardNorm, i, layer.feed_forward_norm) &&
           load_linear(TensorRole::kQuery, i, heads, hidden, layer.query) &&
           load_linear(TensorRole::kKey, i, kv_heads, hidden, layer.key) &&
           load_linear(TensorRole::kValue, i, kv_heads, hidden, layer.value) &&
           load_linear(TensorRole::kAttentionOutput, i, hidden, heads, layer.attention_output) &&
           load_linear(TensorRole::kGate, i, c.feed_forward_size, hidden, layer.gate) &&
           load_linear(TensorRole::kUp, i, c.feed_forward_size, hidden, layer.up) &&
           load_linear(TensorRole::kDown, i, hidden, c.feed_forward_size, layer.down);
  }

  /// A tensor that the forward pass would leave out (a bias, say) means another model than the one that would be
  /// computed.
  bool all_tensors_used() {
    for (const TensorView& tensor : file().tensors()) {
      const bool buffer =
          tensor.name.ends_with("rotary_emb.inv_freq");  // written by old Hugging Face versions, never read
      if (used_.contains(tensor.name) || buffer) continue;
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
      return of.query;
    case TensorRole::kKey:
      return of.key;
    case TensorRole::kValue:
      return of.value;
    case TensorRole::kAttentionOutput:
      return of.attention_output;
    case TensorRole::kGate:
      return of.gate;
    case TensorRole::kUp:
      return of.up;
    default:
      assert(role == TensorRole::kDown);
      return of.down;
  }
}

Result<std::shared_ptr<const Model>> Model::load(std::shared_ptr<const TensorFile> file, const ModelOptions& options) {
  return ModelLoader(std::move(file), options).load();
}

}  // namespace tq
