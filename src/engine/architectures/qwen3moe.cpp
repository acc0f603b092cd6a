// Qwen3 with experts in every layer (arXiv 2505.09388).
#include "engine/architectures/architectures.h"
#include "engine/architectures/qwen_windows.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "qwen3moe");
  ModelConfig config = reader.read();
  config.rope_halves = true;
  config.query_key_norm = true;
  if (reader.hugging_face()) {
    config.n_experts = reader.count("num_experts");
    config.n_experts_used = reader.count("num_experts_per_tok");
    config.feed_forward_size = reader.count("moe_intermediate_size");
    config.normalize_experts = reader.flag("norm_topk_prob", false);
    const auto* dense = reader.integers("mlp_only_layers");
    reader.refuse(reader.count("decoder_sparse_step", 1) != 1 || (dense != nullptr && !dense->empty()),
                  "a layer without experts among others that have them");
  } else {
    config.normalize_experts = reader.flag("expert_weights_norm", true);
    reader.reject(config.n_experts == 0, "the key qwen3moe.expert_count is missing or 0");
  }
  read_qwen_windows(reader, config);
  return reader.finish(std::move(config));
}

}  // namespace

Architecture qwen3moe_architecture() {
  return {.name = "qwen3moe", .model_type = "qwen3_moe", .read_config = read_config};
}

}  // namespace tq
