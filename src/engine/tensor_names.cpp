// What tensors are called. Architectures say where they differ from Llama.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/architectures.h"

namespace tq {
namespace {

constexpr std::array kLlamaNames = {
    TensorName{TensorRole::kEmbedding, "token_embd", "model.embed_tokens"},
    TensorName{TensorRole::kOutputNorm, "output_norm", "model.norm"},
    TensorName{TensorRole::kOutput, "output", "lm_head"},
    TensorName{TensorRole::kRopeFactors, "rope_freqs", ""},
    TensorName{TensorRole::kRopeFactorsLong, "rope_factors_long", ""},
    TensorName{TensorRole::kRopeFactorsShort, "rope_factors_short", ""},
    TensorName{TensorRole::kAttentionNorm, "attn_norm", "input_layernorm"},
    TensorName{TensorRole::kQuery, "attn_q", "self_attn.q_proj"},
    TensorName{TensorRole::kKey, "attn_k", "self_attn.k_proj"},
    TensorName{TensorRole::kValue, "attn_v", "self_attn.v_proj"},
    TensorName{TensorRole::kQueryNorm, "attn_q_norm", "self_attn.q_norm"},
    TensorName{TensorRole::kKeyNorm, "attn_k_norm", "self_attn.k_norm"},
    TensorName{TensorRole::kAttentionOutput, "attn_output", "self_attn.o_proj"},
    TensorName{TensorRole::kFeedForwardNorm, "ffn_norm", "post_attention_layernorm"},
    TensorName{TensorRole::kGate, "ffn_gate", "mlp.gate_proj"},
    TensorName{TensorRole::kUp, "ffn_up", "mlp.up_proj"},
    TensorName{TensorRole::kDown, "ffn_down", "mlp.down_proj"},
    TensorName{TensorRole::kRouter, "ffn_gate_inp", "mlp.gate"},
    TensorName{TensorRole::kExpertGate, "ffn_gate_exps", "mlp.experts.{}.gate_proj"},
    TensorName{TensorRole::kExpertUp, "ffn_up_exps", "mlp.experts.{}.up_proj"},
    TensorName{TensorRole::kExpertDown, "ffn_down_exps", "mlp.experts.{}.down_proj"},
};

const TensorName* find_name(std::span<const TensorName> names, TensorRole role) {
  const auto found = std::find_if(names.begin(), names.end(), [role](const TensorName& n) { return n.role == role; });
  return found == names.end() ? nullptr : &*found;
}

TensorName name_of(const Architecture& architecture, TensorRole role) {
  if (const TensorName* own = find_name(architecture.names, role)) return *own;
  if (const TensorName* shared = find_name(kLlamaNames, role)) return *shared;
  return {role, "", ""};
}

/// Roles from kAttentionNorm on are those of layers.
bool in_layer(TensorRole role) { return role >= TensorRole::kAttentionNorm; }

/// The matrix of a network without experts that does what `role` does in each of many; `role` where there is none.
TensorRole without_experts(TensorRole role) {
  if (role == TensorRole::kExpertGate) return TensorRole::kGate;
  if (role == TensorRole::kExpertUp) return TensorRole::kUp;
  return role == TensorRole::kExpertDown ? TensorRole::kDown : role;
}

}  // namespace

bool is_hugging_face(const TensorFile& file) { return file.format() == "safetensors"; }

bool is_unread_buffer(std::string_view tensor) {
  return tensor.ends_with("rotary_emb.inv_freq") || tensor.ends_with(".attn.bias") ||
         tensor.ends_with(".attn.masked_bias");
}

std::string Architecture::gguf_name(TensorRole role, std::size_t layer) const {
  const std::string_view stem = name_of(*this, role).gguf;
  return in_layer(role) ? fmt::format("blk.{}.{}", layer, stem) : std::string(stem);
}

std::string Architecture::tensor_name(const TensorFile& file, TensorRole role, std::size_t layer,
                                      std::size_t expert) const {
  if (!is_hugging_face(file)) {  // old ones have each expert in a tensor of its own: blk.0.ffn_gate.3
    const std::string one = fmt::format("{}.{}", gguf_name(without_experts(role), layer), expert);
    return without_experts(role) != role && file.find(one + ".weight") != nullptr ? one : gguf_name(role, layer);
  }
  std::string stem(name_of(*this, role).hugging_face);
  if (const std::size_t hole = stem.find("{}"); hole != stem.npos) stem.replace(hole, 2, std::to_string(expert));
  if (in_layer(role)) stem = fmt::format("{}.{}.{}", layers, layer, stem);
  if (prefix.empty() || role == TensorRole::kOutput) return stem;
  const bool has_prefix =
      file.find(fmt::format("{}{}.weight", prefix, name_of(*this, TensorRole::kEmbedding).hugging_face)) != nullptr;
  return has_prefix ? std::string(prefix) + stem : stem;
}

std::vector<TensorUse> tensors_of(const Architecture& architecture, const ModelConfig& config) {
  const bool norm_bias = config.norm == NormKind::kLayer, many = config.n_experts > 0;
  std::vector<TensorUse> uses;
  const auto outside = [&](TensorRole role) { uses.push_back({.role = role}); };
  const auto matrix = [&](TensorRole role, bool bias) { uses.push_back({role, true, bias, false}); };
  const auto norm = [&](TensorRole role, bool layer) { uses.push_back({role, layer, norm_bias, true}); };
  outside(TensorRole::kEmbedding);
  if (config.learned_positions) outside(TensorRole::kPositions);
  norm(TensorRole::kOutputNorm, false);
  if (!config.tied_head) outside(TensorRole::kOutput);
  norm(TensorRole::kAttentionNorm, true);
  if (architecture.fused_attention) {
    matrix(TensorRole::kQueryKeyValue, config.qkv_bias);
  } else {
    for (const TensorRole role : {TensorRole::kQuery, TensorRole::kKey, TensorRole::kValue})
      matrix(role, config.qkv_bias);
  }
  if (config.query_key_norm) {
    uses.push_back({TensorRole::kQueryNorm, true, false, true});
    uses.push_back({TensorRole::kKeyNorm, true, false, true});
  }
  matrix(TensorRole::kAttentionOutput, config.output_bias);
  if (config.post_norms) norm(TensorRole::kPostAttentionNorm, true);
  norm(TensorRole::kFeedForwardNorm, true);
  if (many) {
    matrix(TensorRole::kRouter, false);
    for (const TensorRole role : {TensorRole::kExpertGate, TensorRole::kExpertUp, TensorRole::kExpertDown})
      matrix(role, false);
  } else {
    if (config.gated && !architecture.fused_gate) matrix(TensorRole::kGate, config.feed_forward_bias);
    matrix(architecture.fused_gate ? TensorRole::kGateUp : TensorRole::kUp, config.feed_forward_bias);
    matrix(TensorRole::kDown, config.feed_forward_bias);
  }
  if (config.post_norms) norm(TensorRole::kPostFeedForwardNorm, true);
  return uses;
}

}  // namespace tq
