// What Gemma 2 and 3 have in common. Hugging Face stores the weights of norms less 1; GGUF stores them whole.
#pragma once

#include <array>
#include <cmath>

#include "engine/architectures/config_reader.h"

namespace tq {

inline constexpr std::array kGemmaNames = {
    TensorName{TensorRole::kPostAttentionNorm, "post_attention_norm", "post_attention_layernorm"},
    TensorName{TensorRole::kFeedForwardNorm, "ffn_norm", "pre_feedforward_layernorm"},
    TensorName{TensorRole::kPostFeedForwardNorm, "post_ffw_norm", "post_feedforward_layernorm"},
};

/// Of a file that names none, as transformers and the first GGUFs of Gemma 2 mean it.
inline constexpr std::size_t kGemmaWindow = 4096;

/// GGUF does not say that the largest model scales its scores by the width over the heads, not by the head size.
inline ModelConfig read_gemma(ConfigReader& reader, std::size_t layers_of_27b) {
  ModelConfig config = reader.read({.tied = true, .activation = Activation::kGelu});
  config.rope_halves = true;
  config.post_norms = true;
  config.embedding_scale = std::sqrt(static_cast<float>(config.hidden_size));
  float scalar = 0;
  if (reader.hugging_face()) {
    scalar = reader.number("query_pre_attn_scalar", 256);
    reader.reject(!(scalar > 0), "the key hf.query_pre_attn_scalar must be positive");
  } else if (config.n_layers == layers_of_27b && config.n_heads > 0) {
    scalar = static_cast<float>(config.hidden_size / config.n_heads);
  }
  if (config.attention_scale <= 0 && scalar > 0) config.attention_scale = 1.0F / std::sqrt(scalar);
  if (scalar == static_cast<float>(config.head_dim)) config.attention_scale = 0;  // that is what 0 stands for
  return config;
}

}  // namespace tq
