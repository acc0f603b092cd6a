// THE list of architectures. A new one is a row here and a file in architectures/.
#include "engine/architectures.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "engine/architectures/architectures.h"

namespace tq {
namespace {

std::string architecture_name(const TensorFile& file) {
  for (const char* key : {"general.architecture", "hf.model_type"}) {
    if (const auto name = file.metadata().string(key)) return std::string(*name);
  }
  return {};
}

}  // namespace

Result<const Architecture*> find_architecture(const TensorFile& file) {
  static const std::array kArchitectures = {llama_architecture()};
  const std::string name = architecture_name(file);
  if (name.empty()) {
    return fail(
        ErrorCode::kBadFile,
        fmt::format(
            "{}: no architecture is named; a GGUF needs the key general.architecture, safetensors a config.json "
            "beside them",
            file.path()));
  }
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return fail(ErrorCode::kUsage, fmt::format("{}: the architecture '{}' is not built; this version runs {}",
                                             file.path(), name.substr(0, 64), known));
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
      Bound{"number of rotary dimensions", config.rope_dim, 2, config.head_dim},
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
  return {};
}

Result<ModelConfig> read_model_config(const TensorFile& file) {
  const Result<const Architecture*> architecture = find_architecture(file);
  if (!architecture) return std::unexpected(architecture.error());
  Result<ModelConfig> config = (*architecture)->read_config(file);
  if (!config) return config;
  if (const Result<void> sound = check_config(*config, file.path()); !sound) return std::unexpected(sound.error());
  return config;
}

}  // namespace tq
