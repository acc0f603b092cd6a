// Mixtral (arXiv 2401.04088): Mistral with a few of many feed-forward networks for each token. GGUF calls it llama.
#include <array>

#include "engine/architectures/architectures.h"
#include "engine/architectures/config_reader.h"

namespace tq {
namespace {

constexpr std::array kNames = {
    TensorName{TensorRole::kRouter, "ffn_gate_inp", "block_sparse_moe.gate"},
    TensorName{TensorRole::kExpertGate, "ffn_gate_exps", "block_sparse_moe.experts.{}.w1"},
    TensorName{TensorRole::kExpertUp, "ffn_up_exps", "block_sparse_moe.experts.{}.w3"},
    TensorName{TensorRole::kExpertDown, "ffn_down_exps", "block_sparse_moe.experts.{}.w2"},
};

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "llama");
  ModelConfig config = reader.read();
  config.n_experts = reader.count("num_local_experts");
  config.n_experts_used = reader.count("num_experts_per_tok", 2);
  reader.read_windows(config, [](std::size_t) { return true; });
  return reader.finish(std::move(config));
}

}  // namespace

Architecture mixtral_architecture() {
  return {
      .name = "llama", .model_type = "mixtral", .read_config = read_config, .names = kNames, .adjacent_pairs = true};
}

}  // namespace tq
