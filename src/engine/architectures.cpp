// THE list of architectures. A new one is a row here and a file in architectures/.
#include "engine/architectures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/architectures/architectures.h"
#include "formats/message.h"

namespace tq {
namespace {

const auto& architectures() {
  static const std::array kArchitectures = {llama_architecture(),   mistral_architecture(), mixtral_architecture(),
                                            qwen2_architecture(),   qwen3_architecture(),   qwen3moe_architecture(),
                                            smollm3_architecture(), gemma2_architecture(),  gemma3_architecture(),
                                            phi3_architecture(),    gpt2_architecture()};
  return kArchitectures;
}

std::string architecture_name(const TensorFile& file) {
  const char* key = is_hugging_face(file) ? "hf.model_type" : "general.architecture";
  return std::string(file.metadata().string(key).value_or(""));
}

bool is_sound_factor(float factor) { return std::isfinite(factor) && factor > 0; }

/// Divisors of the rotary frequencies, windows, scales: what only some families have.
Result<void> check_extras(const ModelConfig& config, std::string_view path) {
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorCode::kBadFile, fmt::format("{}: {}", path, what));
  };
  const RopeScaling& scaling = config.rope_scaling;
  for (const std::vector<float>* divisors : {&scaling.divisors, &scaling.long_divisors}) {
    if (!divisors->empty() && divisors->size() != config.rope_dim / 2) {
      return refuse(
          fmt::format("{} rotary factors do not serve {} rotary pairs", divisors->size(), config.rope_dim / 2));
    }
    if (!std::all_of(divisors->begin(), divisors->end(), is_sound_factor))
      return refuse("a rotary frequency cannot be divided by a factor that is not positive");
  }
  if (!is_sound_factor(scaling.amplitude) || scaling.amplitude > 100)
    return refuse(fmt::format("rotated queries and keys cannot be scaled by {}", scaling.amplitude));
  if (!scaling.long_divisors.empty() && scaling.original_context == 0)
    return refuse("long rotary factors need the original context that they begin behind");
  if (!config.layers.empty() && config.layers.size() != config.n_layers)
    return refuse(fmt::format("{} windows do not serve {} layers", config.layers.size(), config.n_layers));
  for (const LayerAttention& layer : config.layers) {
    if (layer.window > (1U << 30)) return refuse(fmt::format("a window of {} positions is impossible", layer.window));
  }
  const auto is_cap = [](float cap) { return std::isfinite(cap) && cap >= 0; };
  if (!is_cap(config.attention_soft_cap) || !is_cap(config.logit_soft_cap))
    return refuse(fmt::format("the soft caps {} and {} must be positive, or 0 for none", config.attention_soft_cap,
                              config.logit_soft_cap));
  if (!is_cap(config.attention_scale) || !is_sound_factor(config.embedding_scale) || !is_cap(config.local_rope_theta))
    return refuse("the scales of attention and embedding and the local rotary base must be positive");
  if (config.n_experts > (1U << 12) || config.n_experts_used > config.n_experts ||
      (config.n_experts > 0 && config.n_experts_used == 0)) {
    return refuse(fmt::format("{} of {} experts cannot be used for a token; there are 4096 at most",
                              config.n_experts_used, config.n_experts));
  }
  return {};
}

}  // namespace

Result<const Architecture*> find_architecture(const TensorFile& file) {
  const std::string name = architecture_name(file);
  if (name.empty()) {
    return fail(
        ErrorCode::kBadFile,
        fmt::format(
            "{}: no architecture is named; a GGUF needs the key general.architecture, safetensors a config.json "
            "beside them",
            file.path()));
  }
  std::vector<std::string_view> known;
  for (const Architecture& architecture : architectures()) {
    const std::string_view here = is_hugging_face(file) ? architecture.model_type : architecture.name;
    if (name == here) return &architecture;
    if (std::find(known.begin(), known.end(), here) == known.end()) known.push_back(here);
  }
  return fail(ErrorCode::kUsage, fmt::format("{}: the architecture {} is not built; this version runs {}", file.path(),
                                             in_quotes(name), fmt::join(known, ", ")));
}

Result<void> check_config(const ModelConfig& config, std::string_view path) {
  struct Bound {
    const char* what;
    std::size_t value, low, high;
  };
  // The upper bounds are an order of magnitude above any published model; they keep every product of two of them far
  // from 2^64.
  const std::array bounds = {
      Bound{"vocabulary", config.vocab_size, 1, 1U << 24},
      Bound{"hidden size", config.hidden_size, 1, 1U << 20},
      Bound{"number of layers", config.n_layers, 1, 1U << 12},
      Bound{"number of heads", config.n_heads, 1, 1U << 14},
      Bound{"number of key/value heads", config.n_kv_heads, 1, config.n_heads},
      Bound{"head size", config.head_dim, 2, 1U << 12},
      Bound{"feed-forward size", config.feed_forward_size, 1, 1U << 22},
      Bound{"context length", config.context_length, 1, 1U << 30},
      Bound{"number of rotary dimensions", config.rope_dim, config.learned_positions ? 0U : 2U,
            config.learned_positions ? 0 : config.head_dim},
  };
  for (const Bound& bound : bounds) {
    if (bound.value < bound.low || bound.value > bound.high) {
      return fail(ErrorCode::kBadFile, fmt::format("{}: a {} of {} is impossible; it must lie between {} and {}", path,
                                                   bound.what, bound.value, bound.low, bound.high));
    }
  }
  if (config.n_heads % config.n_kv_heads != 0) {
    return fail(ErrorCode::kBadFile, fmt::format("{}: {} heads cannot share {} key/value heads evenly", path,
                                                 config.n_heads, config.n_kv_heads));
  }
  if (config.rope_dim % 2 != 0) {
    return fail(ErrorCode::kBadFile, fmt::format("{}: {} rotary dimensions do not make pairs", path, config.rope_dim));
  }
  const bool numbers_are_sound = std::isfinite(config.rms_norm_eps) && config.rms_norm_eps > 0 &&
                                 std::isfinite(config.rope_theta) && config.rope_theta > 0;
  if (!numbers_are_sound) {
    return fail(ErrorCode::kBadFile, fmt::format("{}: the norm epsilon {} and the rotary base {} must be positive",
                                                 path, config.rms_norm_eps, config.rope_theta));
  }
  return check_extras(config, path);
}

Result<ModelConfig> read_model_config(const TensorFile& file) {
  const Result<const Architecture*> architecture = find_architecture(file);
  if (!architecture) return std::unexpected(architecture.error());
  Result<ModelConfig> config = (*architecture)->read_config(file);
  if (!config) return config;
  const std::string name = (*architecture)->tensor_name(file, TensorRole::kEmbedding) + ".weight";
  const TensorView* embedding = file.find(name);
  if (embedding == nullptr)
    return fail(ErrorCode::kBadFile, fmt::format("{}: the tensor {} is missing", file.path(), name));
  if (embedding->shape.size() == 2) config->vocab_size = static_cast<std::size_t>(embedding->shape[0]);
  if (const Result<void> sound = check_config(*config, file.path()); !sound) return std::unexpected(sound.error());
  return config;
}

}  // namespace tq
