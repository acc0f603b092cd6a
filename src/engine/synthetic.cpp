// Models of a known shape with random weights, made in memory: they run as fast as the real ones and say nothing.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/random.h"
#include "engine/loaded_model.h"
#include "engine/weight_pages.h"
#include "engine/weight_runs.h"

namespace tq {
namespace {

struct Shape {
  std::string_view name;
  std::size_t vocab, hidden, layers, heads, kv_heads, head_dim, feed_forward, context;
  float theta;
  bool tied;
};

/// From the config.json of each model on Hugging Face. What is no matrix (the q/k norms of Qwen3) is left out.
constexpr std::array kShapes = {
    Shape{"smollm2-135m", 49152, 576, 30, 9, 3, 64, 1536, 8192, 100000.0F, true},
    Shape{"llama-3.2-1b", 128256, 2048, 16, 32, 8, 64, 8192, 131072, 500000.0F, true},
    Shape{"qwen3-0.6b", 151936, 1024, 28, 16, 8, 128, 3072, 40960, 1000000.0F, true},
    Shape{"llama-3.1-8b", 128256, 4096, 32, 32, 8, 128, 14336, 131072, 500000.0F, false},
};

constexpr std::string_view kOutside = "q8_0";  // embedding and output, unless asked otherwise

/// Rows of N(0, 1/cols), of which 32 are drawn and then repeated: products take no notice.
Result<Matrix> random_matrix(std::size_t rows, std::size_t cols, const CodecSpec& spec, CodecCache& codecs,
                             std::uint64_t& state) {
  constexpr std::size_t kDrawn = 32;
  Result<std::shared_ptr<const Codec>> codec = codecs.get(spec, cols);
  if (!codec) return fail(std::move(codec));
  std::vector<float> drawn(kDrawn * cols);
  const double width = std::sqrt(12.0 / static_cast<double>(cols));  // uniform values will do
  for (float& x : drawn) x = static_cast<float>((next_uniform(state) - 0.5) * width);
  std::vector<std::byte> coded((*codec)->storage_bytes(kDrawn));
  Workspace scratch;
  (*codec)->encode_rows(drawn.data(), kDrawn, coded.data(), 0, scratch);
  const std::size_t size = (*codec)->storage_bytes(rows);
  if (size >= available_memory())
    return fail(ErrorCode::kOutOfMemory,
                "the random weights do not fit in memory; --weights with fewer bits need less");
  LargeBytes bytes = make_large_bytes(size);
  for (std::size_t at = 0; at < size; at += coded.size())
    std::memcpy(bytes.get() + at, coded.data(), std::min(coded.size(), size - at));
  Matrix matrix{rows, cols, *codec, {}, {}};
  matrix.own(std::move(bytes), size);
  return matrix;
}

}  // namespace

class SyntheticModel {
 public:
  SyntheticModel(const Shape& shape, const CodecSpec& weights, const CodecSpec& outside)
      : model_(std::make_shared<LoadedModel>()), weights_(weights), outside_(outside) {
    ModelConfig& c = model_->config_;
    c.architecture = "llama";
    c.name = fmt::format("{} (random)", shape.name);
    c.vocab_size = shape.vocab;
    c.hidden_size = shape.hidden;
    c.n_layers = shape.layers;
    c.n_heads = shape.heads;
    c.n_kv_heads = shape.kv_heads;
    c.head_dim = c.rope_dim = shape.head_dim;
    c.feed_forward_size = shape.feed_forward;
    c.context_length = shape.context;
    c.rope_theta = shape.theta;
    c.tied_head = shape.tied;
    model_->weights_name_ = weights.name();
    if (outside.name() != kOutside) model_->weights_name_ += fmt::format("+token_embd={}", outside.name());
  }

  Result<std::shared_ptr<const Model>> make() {
    const ModelConfig& c = model_->config_;
    add_norm(model_->output_norm_);
    if (!add(c.vocab_size, c.hidden_size, outside_, model_->embedding_)) return std::unexpected(error_);
    if (!c.tied_head && !add(c.vocab_size, c.hidden_size, outside_, model_->output_)) return std::unexpected(error_);
    for (std::size_t i = 0; i < c.n_layers; ++i) {
      if (!add_layer(model_->layers_.emplace_back())) return std::unexpected(error_);
    }
    ThreadPool one(1);
    interleave_weights(*model_, nullptr, WeightsPlace::kLargePages, one);
    move_to_large_pages(*model_, nullptr, one);
    return model_;
  }

 private:
  bool add_layer(Layer& layer) {
    const ModelConfig& c = model_->config_;
    const std::size_t hidden = c.hidden_size, heads = c.n_heads * c.head_dim, kv_heads = c.n_kv_heads * c.head_dim;
    add_norm(layer.attention_norm);
    add_norm(layer.feed_forward_norm);
    FeedForward& feed_forward = layer.experts.emplace_back();
    return add_linear(heads, hidden, layer.query) && add_linear(kv_heads, hidden, layer.key) &&
           add_linear(kv_heads, hidden, layer.value) && add_linear(hidden, heads, layer.attention_output) &&
           add_linear(c.feed_forward_size, hidden, feed_forward.gate) &&
           add_linear(c.feed_forward_size, hidden, feed_forward.up) &&
           add_linear(hidden, c.feed_forward_size, feed_forward.down);
  }

  bool add_linear(std::size_t rows, std::size_t cols, Linear& linear) {
    if (!add(rows, cols, weights_, linear.matrix)) return false;
    model_->footprint_.linear_parameters += rows * cols;
    model_->footprint_.linear_bytes += linear.matrix.bytes.size();
    return true;
  }

  bool add(std::size_t rows, std::size_t cols, const CodecSpec& spec, Matrix& matrix) {
    Result<Matrix> made = random_matrix(rows, cols, spec, codecs_, state_);
    if (!made) {
      error_ = made.error();
      return false;
    }
    matrix = std::move(*made);
    model_->footprint_.parameters += rows * cols;
    model_->footprint_.weights_bytes += matrix.bytes.size();
    return true;
  }

  void add_norm(Norm& norm) {
    norm.weight.assign(model_->config_.hidden_size, 1.0F);
    model_->footprint_.parameters += norm.weight.size();
    model_->footprint_.weights_bytes += norm.weight.size() * sizeof(float);
  }

  std::shared_ptr<LoadedModel> model_;
  CodecSpec weights_, outside_;
  CodecCache codecs_;
  std::uint64_t state_ = 1;
  Error error_;
};

std::vector<std::string> synthetic_models() {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) names.emplace_back(shape.name);
  return names;
}

Result<std::shared_ptr<const Model>> make_synthetic_model(std::string_view name, const std::string& weights,
                                                          const std::string& outside) {
  const auto* shape = std::find_if(kShapes.begin(), kShapes.end(), [&](const Shape& s) { return s.name == name; });
  if (shape == kShapes.end()) {
    return fail(ErrorCode::kUsage,
                fmt::format("there is no shape '{}'; did you mean '{}'? Known are {}", name.substr(0, 64),
                            nearest(name, synthetic_models()), fmt::join(synthetic_models(), ", ")));
  }
  const Result<CodecSpec> spec = CodecSpec::parse(weights.empty() ? "f16" : weights);
  if (!spec) return std::unexpected(spec.error());
  const Result<CodecSpec> outside_spec = CodecSpec::parse(outside.empty() ? kOutside : outside);
  if (!outside_spec) return std::unexpected(outside_spec.error());
  return SyntheticModel(*shape, *spec, *outside_spec).make();
}

}  // namespace tq
