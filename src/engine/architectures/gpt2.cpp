// GPT-2 (Radford et al., 2019): learned positions, LayerNorm, biases everywhere, GELU without a gate, one tensor for
// queries, keys and values. Hugging Face stores its matrices transposed.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/architectures/architectures.h"
#include "engine/architectures/config_reader.h"
#include "formats/message.h"

namespace tq {
namespace {

constexpr std::array kNames = {
    TensorName{TensorRole::kEmbedding, "token_embd", "wte"},
    TensorName{TensorRole::kPositions, "position_embd", "wpe"},
    TensorName{TensorRole::kOutputNorm, "output_norm", "ln_f"},
    TensorName{TensorRole::kAttentionNorm, "attn_norm", "ln_1"},
    TensorName{TensorRole::kQueryKeyValue, "attn_qkv", "attn.c_attn"},
    TensorName{TensorRole::kAttentionOutput, "attn_output", "attn.c_proj"},
    TensorName{TensorRole::kFeedForwardNorm, "ffn_norm", "ln_2"},
    TensorName{TensorRole::kUp, "ffn_up", "mlp.c_fc"},
    TensorName{TensorRole::kDown, "ffn_down", "mlp.c_proj"},
};

void read_hugging_face(ConfigReader& reader, ModelConfig& config) {
  config.hidden_size = reader.count("n_embd");
  config.n_layers = reader.count("n_layer");
  config.n_heads = reader.count("n_head");
  config.feed_forward_size = reader.count("n_inner", 4 * std::min<std::size_t>(config.hidden_size, 1U << 24));
  config.context_length = reader.count("n_positions");
  config.rms_norm_eps = reader.number("layer_norm_epsilon", 1e-5);
  config.tied_head = reader.flag("tie_word_embeddings", true);
  const std::string_view activation = reader.text("activation_function", "gelu_new");
  reader.refuse(activation != "gelu_new" && activation != "gelu_pytorch_tanh",
                fmt::format("the activation {}", in_quotes(activation)));
  reader.refuse(!reader.flag("scale_attn_weights", true) || reader.flag("scale_attn_by_inverse_layer_idx", false),
                "another scale of attention than 1/√(head size)");
}

void read_gguf(ConfigReader& reader, ModelConfig& config) {
  config.hidden_size = reader.count("embedding_length");
  config.n_layers = reader.count("block_count");
  config.n_heads = reader.count("attention.head_count");
  config.feed_forward_size = reader.count("feed_forward_length");
  config.context_length = reader.count("context_length");
  config.rms_norm_eps = reader.number("attention.layer_norm_epsilon", 1e-5);
  config.tied_head = reader.file().find("output.weight") == nullptr;
}

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "gpt2");
  ModelConfig config = reader.named();
  reader.hugging_face() ? read_hugging_face(reader, config) : read_gguf(reader, config);
  config.n_kv_heads = config.n_heads;
  config.head_dim = config.n_heads == 0 ? 0 : config.hidden_size / config.n_heads;
  config.norm = NormKind::kLayer;
  config.activation = Activation::kGelu;
  config.gated = false;
  config.learned_positions = true;
  config.qkv_bias = config.output_bias = config.feed_forward_bias = true;
  return reader.finish(std::move(config));
}

}  // namespace

Architecture gpt2_architecture() {
  return {.name = "gpt2",
          .model_type = "gpt2",
          .read_config = read_config,
          .names = kNames,
          .layers = "h",
          .prefix = "transformer.",
          .fused_attention = true,
          .transposed = true};
}

}  // namespace tq
