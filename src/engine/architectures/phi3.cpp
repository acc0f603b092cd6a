// Phi-3 and Phi-4 mini (arXiv 2404.14219): queries, keys and values in one tensor, gate and up in another, long rotary
// factors beyond the original context, a rotated part of each head, a window.
#include <array>

#include "engine/architectures/architectures.h"
#include "engine/architectures/config_reader.h"

namespace tq {
namespace {

constexpr std::array kNames = {
    TensorName{TensorRole::kQueryKeyValue, "attn_qkv", "self_attn.qkv_proj"},
    TensorName{TensorRole::kGateUp, "ffn_up", "mlp.gate_up_proj"},
};

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "phi3");
  ModelConfig config = reader.read();
  config.rope_halves = true;
  if (reader.hugging_face()) {
    const double share = static_cast<double>(reader.number(
        "partial_rotary_factor", static_cast<double>(reader.number("rope_parameters.partial_rotary_factor", 1))));
    reader.reject(!(share > 0 && share <= 1), "the key hf.partial_rotary_factor must lie between 0 and 1");
    if (share > 0 && share <= 1)
      config.rope_dim = static_cast<std::size_t>(static_cast<double>(config.head_dim) * share);
  }
  reader.read_windows(config, [](std::size_t) { return true; });
  return reader.finish(std::move(config));
}

}  // namespace

Architecture phi3_architecture() {
  return {.name = "phi3",
          .model_type = "phi3",
          .read_config = read_config,
          .names = kNames,
          .fused_attention = true,
          .fused_gate = true};
}

}  // namespace tq
