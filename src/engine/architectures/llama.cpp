// Llama 1 to 3: RMSNorm, rotary positions, grouped-query attention, SwiGLU (arXiv 2302.13971, 2307.09288).
// GGUF and llama2.c keep rotary pairs adjacent; Hugging Face splits a head in halves.
#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <optional>
#include <utility>

#include "engine/architectures/architectures.h"

namespace tq {
namespace {

bool is_hugging_face(const TensorFile& file) { return file.format() == "safetensors"; }

std::string name_of(bool hugging_face, TensorRole role, std::size_t layer) {
  struct Names {
    TensorRole role;
    const char* gguf;
    const char* hugging_face;
    bool in_layer;
  };
  static constexpr std::array kNames = {
      Names{TensorRole::kEmbedding, "token_embd", "model.embed_tokens", false},
      Names{TensorRole::kOutputNorm, "output_norm", "model.norm", false},
      Names{TensorRole::kOutput, "output", "lm_head", false},
      Names{TensorRole::kRopeFactors, "rope_freqs", "", false},
      Names{TensorRole::kAttentionNorm, "attn_norm", "input_layernorm", true},
      Names{TensorRole::kQuery, "attn_q", "self_attn.q_proj", true},
      Names{TensorRole::kKey, "attn_k", "self_attn.k_proj", true},
      Names{TensorRole::kValue, "attn_v", "self_attn.v_proj", true},
      Names{TensorRole::kAttentionOutput, "attn_output", "self_attn.o_proj", true},
      Names{TensorRole::kFeedForwardNorm, "ffn_norm", "post_attention_layernorm", true},
      Names{TensorRole::kGate, "ffn_gate", "mlp.gate_proj", true},
      Names{TensorRole::kUp, "ffn_up", "mlp.up_proj", true},
      Names{TensorRole::kDown, "ffn_down", "mlp.down_proj", true},
  };
  for (const Names& names : kNames) {
    if (names.role != role) continue;
    const char* stem = hugging_face ? names.hugging_face : names.gguf;
    if (!names.in_layer) return fmt::format("{}.weight", stem);
    return fmt::format("{}.{}.{}.weight", hugging_face ? "model.layers" : "blk", layer, stem);
  }
  return {};
}

std::string tensor_name(const TensorFile& file, TensorRole role, std::size_t layer) {
  return name_of(is_hugging_face(file), role, layer);
}

std::string gguf_name(TensorRole role, std::size_t layer) { return name_of(false, role, layer); }

/// Reads counts and numbers from either kind of metadata; remembers the first thing that is wrong.
class Reader {
 public:
  explicit Reader(const TensorFile& file) : file_(file) {}

  std::size_t count(const std::string& key, std::optional<std::size_t> otherwise = {}) {
    const auto value = file_.metadata().integer(key);
    if (value && *value >= 0) return static_cast<std::size_t>(*value);
    if (!file_.metadata().has(key) && otherwise) return *otherwise;
    if (!error_) error_ = fmt::format("{}: the key {} is missing or not a count", file_.path(), key);
    return 0;
  }

  float number(const std::string& key, double otherwise) const {
    return static_cast<float>(file_.metadata().number(key).value_or(otherwise));
  }

  /// Refuses a feature that the forward pass does not have, rather than computing something else.
  void refuse(bool present, std::string_view what) {
    if (present && !error_) {
      error_ = fmt::format("{}: {} is not supported yet for the architecture llama", file_.path(), what);
      code_ = ErrorCode::kUsage;
    }
  }

  Result<ModelConfig> finish(ModelConfig config) const {
    if (error_) return fail(code_, *error_);
    return config;
  }

 private:
  const TensorFile& file_;
  std::optional<std::string> error_;
  ErrorCode code_ = ErrorCode::kBadFile;
};

std::size_t vocabulary(const TensorFile& file) {
  const TensorView* embedding = file.find(tensor_name(file, TensorRole::kEmbedding, 0));
  return embedding == nullptr || embedding->shape.size() != 2 ? 0 : static_cast<std::size_t>(embedding->shape[0]);
}

/// A size that follows from two others when the file does not say.
std::size_t quotient(std::size_t a, std::size_t b) { return b == 0 ? 0 : a / b; }

Result<ModelConfig> read_gguf_config(const TensorFile& file) {
  Reader reader(file);
  const Metadata& metadata = file.metadata();
  ModelConfig config;
  config.hidden_size = reader.count("llama.embedding_length");
  config.n_layers = reader.count("llama.block_count");
  config.n_heads = reader.count("llama.attention.head_count");
  config.n_kv_heads = reader.count("llama.attention.head_count_kv", config.n_heads);
  config.head_dim = reader.count("llama.attention.key_length", quotient(config.hidden_size, config.n_heads));
  config.feed_forward_size = reader.count("llama.feed_forward_length");
  config.context_length = reader.count("llama.context_length");
  config.rope_dim = reader.count("llama.rope.dimension_count", config.head_dim);
  config.rms_norm_eps = reader.number("llama.attention.layer_norm_rms_epsilon", 1e-5);
  config.rope_theta = reader.number("llama.rope.freq_base", 10000);
  config.tied_head = file.find("output.weight") == nullptr;
  reader.refuse(reader.count("llama.attention.value_length", config.head_dim) != config.head_dim,
                "a value size other than the key size");
  reader.refuse(reader.count("llama.expert_count", 0) > 0, "a mixture of experts");
  const auto scaling = metadata.string("llama.rope.scaling.type");
  reader.refuse(scaling && *scaling != "none",
                fmt::format("rotary scaling of type '{}'", scaling.value_or("").substr(0, 32)));
  return reader.finish(std::move(config));
}

Result<ModelConfig> read_hugging_face_config(const TensorFile& file) {
  Reader reader(file);
  const Metadata& metadata = file.metadata();
  ModelConfig config;
  config.hidden_size = reader.count("hf.hidden_size");
  config.n_layers = reader.count("hf.num_hidden_layers");
  config.n_heads = reader.count("hf.num_attention_heads");
  config.n_kv_heads = reader.count("hf.num_key_value_heads", config.n_heads);
  config.head_dim = reader.count("hf.head_dim", quotient(config.hidden_size, config.n_heads));
  config.feed_forward_size = reader.count("hf.intermediate_size");
  config.context_length = reader.count("hf.max_position_embeddings");
  config.rope_dim = config.head_dim;
  config.rms_norm_eps = reader.number("hf.rms_norm_eps", 1e-6);
  config.rope_theta = reader.number("hf.rope_theta", metadata.number("hf.rope_parameters.rope_theta").value_or(10000));
  config.tied_head = metadata.boolean("hf.tie_word_embeddings").value_or(false);
  for (const char* key : {"hf.rope_scaling.rope_type", "hf.rope_scaling.type", "hf.rope_parameters.rope_type"}) {
    const auto type = metadata.string(key);
    reader.refuse(type && *type != "default",
                  fmt::format("rotary scaling of type '{}'", type.value_or("").substr(0, 32)));
  }
  const std::string_view activation = metadata.string("hf.hidden_act").value_or("silu");
  reader.refuse(activation != "silu", fmt::format("the activation '{}'", activation.substr(0, 32)));
  reader.refuse(metadata.boolean("hf.attention_bias").value_or(false), "a bias in attention");
  reader.refuse(metadata.boolean("hf.mlp_bias").value_or(false), "a bias in the feed-forward network");
  reader.refuse(metadata.has("hf.quantization_config.quant_method"), "a checkpoint that another tool has quantized");
  return reader.finish(std::move(config));
}

Result<ModelConfig> read_config(const TensorFile& file) {
  Result<ModelConfig> config = is_hugging_face(file) ? read_hugging_face_config(file) : read_gguf_config(file);
  if (!config) return config;
  config->architecture = "llama";
  config->name = file.metadata().string("general.name").value_or("");
  if (config->name.empty()) config->name = std::filesystem::path(file.path()).stem().string();
  config->vocab_size = vocabulary(file);
  return config;
}

}  // namespace

Architecture llama_architecture() { return {"llama", read_config, tensor_name, is_hugging_face, gguf_name}; }

}  // namespace tq
