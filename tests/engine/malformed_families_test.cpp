// Configurations and tensors of the families that no model has: each is refused with one sentence.
#include "support/tiny_models.h"

namespace tq {
namespace {

Result<std::shared_ptr<const Model>> load_folder(const test::TinyModel& tiny) {
  const test::TemporaryFolder folder;
  tiny.write_folder(folder);
  const auto file = TensorFile::open(folder.path());
  if (!file) return std::unexpected(file.error());
  return Model::load(*file, {.weights = "", .threads = 1});
}

Result<std::shared_ptr<const Model>> load_gguf(const test::TinyModel& tiny) {
  const std::string bytes = tiny.gguf();
  const auto file = TensorFile::from_gguf(test::bytes_of(bytes), "tiny.gguf");
  if (!file) return std::unexpected(file.error());
  return Model::load(*file, {.weights = "", .threads = 1});
}

void expect_refused(const Result<std::shared_ptr<const Model>>& model, ErrorCode code, const std::string& words,
                    const std::string& what) {
  ASSERT_FALSE(model.has_value()) << what;
  EXPECT_EQ(model.error().code, code) << what << ": " << model.error().message;
  EXPECT_NE(model.error().message.find(words), std::string::npos) << what << ": " << model.error().message;
  EXPECT_EQ(model.error().message.find('\n'), std::string::npos) << what;
}

struct Change {
  const char *model, *pointer;  ///< a JSON pointer into config.json
  nlohmann::json value;
  ErrorCode code;
  const char* words;
};

TEST(MalformedFamilies, a_config_json_that_no_model_has) {
  constexpr ErrorCode kBad = ErrorCode::kBadFile, kUsage = ErrorCode::kUsage;
  const nlohmann::json many = std::int64_t{1} << 40;
  const std::vector<Change> changes = {
      {"llama", "/rope_scaling/rope_type", "dynamic", kUsage, "rotary scaling of type 'dynamic'"},
      {"llama", "/rope_scaling/factor", 0, kBad, "stretched by 0"},
      {"llama", "/rope_scaling/factor", 1e30, kBad, "stretched by"},
      {"llama", "/rope_scaling/factor", "8", kBad, "is not a number"},
      {"llama", "/rope_scaling/high_freq_factor", 1.0, kBad, "ascending"},
      {"llama", "/rope_scaling/original_max_position_embeddings", 0, kBad, "original context"},
      {"llama", "/rope_scaling/original_max_position_embeddings", -5, kBad, "not a count"},
      {"llama-yarn", "/rope_scaling/original_max_position_embeddings", many, kBad, "original context"},
      {"llama-yarn", "/rope_scaling/beta_fast", 0, kBad, "betas"},
      {"llama-yarn", "/rope_theta", 1, kBad, "above 1"},
      {"llama-yarn", "/rope_scaling/mscale", 0.7, kUsage, "mscale"},
      {"llama", "/head_dim", 7, kBad, "rotary dimensions"},
      {"llama", "/num_hidden_layers", many, kBad, "number of layers"},
      {"llama", "/num_attention_heads", 0, kBad, "number of heads"},
      {"llama", "/hidden_act", "relu", kUsage, "the activation 'relu'"},
      {"mistral", "/sliding_window", 0, kBad, "sees nothing"},
      {"mistral", "/sliding_window", -4, kBad, "not a count"},
      {"mistral", "/sliding_window", many, kBad, "a window of"},
      {"mistral", "/num_hidden_layers", many, kBad, "number of layers"},
      {"mixtral", "/num_local_experts", 0, kBad, "experts"},
      {"mixtral", "/num_local_experts", many, kBad, "experts"},
      {"mixtral", "/num_experts_per_tok", 5, kBad, "5 of 4 experts"},
      {"mixtral", "/num_experts_per_tok", 0, kBad, "0 of 4 experts"},
      {"qwen3moe", "/decoder_sparse_step", 2, kUsage, "a layer without experts"},
      {"qwen3moe", "/mlp_only_layers", nlohmann::json::array({1}), kUsage, "a layer without experts"},
      {"qwen3moe", "/moe_intermediate_size", 33, kBad, "has the shape"},
      {"smollm3", "/no_rope_layers", nlohmann::json::array({1, 0, 1, 0, 1}), kUsage, "every fourth layer"},
      {"smollm3", "/no_rope_layers", nlohmann::json::array({1, 1, 1, 0}), kUsage, "every fourth layer"},
      {"smollm3", "/num_hidden_layers", many, kUsage, "every fourth layer"},
      {"smollm3", "/use_sliding_window", true, kUsage, "a sliding window"},
      {"gemma2", "/layer_types", nlohmann::json::array({"full_attention"}), kBad, "one entry for each of the 3 layers"},
      {"gemma2", "/layer_types", nlohmann::json::array({"full_attention", "linear_attention", "full_attention"}),
       kUsage, "'linear_attention'"},
      {"gemma2", "/query_pre_attn_scalar", 0, kBad, "query_pre_attn_scalar"},
      {"gemma2", "/attn_logit_softcapping", -1, kBad, "soft caps"},
      {"gemma3", "/rope_local_base_freq", -1, kBad, "local rotary base"},
      {"phi3", "/rope_scaling/long_factor", nlohmann::json::array({1.5, 2.5}), kBad,
       "2 rotary factors do not serve 12"},
      {"phi3", "/rope_scaling/short_factor", nlohmann::json::array(), kBad, "needs the lists"},
      {"phi3", "/rope_scaling/long_factor", std::vector<double>(12, 0.0), kBad, "not positive"},
      {"phi3", "/original_max_position_embeddings", 0, kBad, "original context"},
      {"phi3", "/partial_rotary_factor", 1.5, kBad, "partial_rotary_factor"},
      {"phi3", "/partial_rotary_factor", 0.1, kBad, "rotary"},
      {"gpt2", "/n_positions", 127, kBad, "transformer.wpe.weight has the shape"},
      {"gpt2", "/n_embd", many, kBad, "hidden size"},
      {"gpt2", "/activation_function", "relu", kUsage, "the activation 'relu'"},
      {"gemma3", "/model_type", "gemma3", kUsage, "gemma3_text"},
      {"gpt2", "/model_type", "falcon", kUsage, "'falcon' is not built; this version runs llama, mistral"},
  };
  for (const Change& change : changes) {
    test::TinyModel tiny(change.model);
    tiny.recipe["config"][nlohmann::json::json_pointer(change.pointer)] = change.value;
    expect_refused(load_folder(tiny), change.code, change.words, std::string(change.model) + change.pointer);
  }
}

TEST(MalformedFamilies, keys_of_a_gguf_that_no_model_has) {
  constexpr ErrorCode kBad = ErrorCode::kBadFile, kUsage = ErrorCode::kUsage;
  const std::vector<Change> changes = {
      {"llama-yarn", "llama.rope.scaling.type", "ntk", kUsage, "rotary scaling of type 'ntk'"},
      {"llama-yarn", "llama.rope.scaling.type", "longrope", kBad, "needs the tensors"},
      {"llama-yarn", "llama.rope.scaling.factor", 0.0, kBad, "stretched by"},
      {"llama-yarn", "llama.rope.scaling.yarn_log_multiplier", 0.1, kUsage, "YaRN with a log multiplier"},
      {"llama-linear", "llama.rope.scaling.attn_factor", 0.0, kBad, "cannot be scaled by 0"},
      {"llama-linear", "llama.rope.scaling.factor", "4", kBad, "not a number"},
      {"mistral", "llama.attention.sliding_window", 4294967295U, kBad, "a window of"},
      {"mixtral", "llama.expert_count", 3, kBad, "has the shape"},
      {"mixtral", "llama.expert_used_count", 9, kBad, "9 of 4 experts"},
      {"qwen3moe", "qwen3moe.expert_count", 0, kBad, "expert_count"},
      {"qwen3moe", "qwen3moe.expert_shared_count", 1, kUsage, "an expert that all tokens share"},
      {"qwen2", "qwen2.attention.value_length", 32, kUsage, "a value size other than the key size"},
      {"gemma3", "gemma3.block_count", 4294967295U, kBad, "number of layers"},
      {"gpt2", "gpt2.attention.head_count", 0, kBad, "number of heads"},
      {"gpt2", "general.architecture", "bert", kUsage, "'bert' is not built; this version runs llama, qwen2"},
  };
  for (const Change& change : changes) {
    test::TinyModel tiny(change.model);
    tiny.recipe["gguf_keys"][change.pointer] = change.value;
    expect_refused(load_gguf(tiny), change.code, change.words, std::string(change.model) + " " + change.pointer);
  }
}

TEST(MalformedFamilies, a_window_of_0_in_a_gguf_is_none) {
  test::TinyModel tiny("mistral");
  tiny.recipe["gguf_keys"]["llama.attention.sliding_window"] = 0;
  const auto model = load_gguf(tiny);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_TRUE((*model)->config().layers.empty());
}

TEST(MalformedFamilies, a_tensor_that_is_missing_misshapen_or_too_much_is_named) {
  struct Loss {
    const char *model, *tensor;
  };
  for (const auto& [model, tensor] :
       {Loss{"qwen2", "blk.1.attn_k.bias"}, Loss{"qwen3", "blk.0.attn_q_norm.weight"},
        Loss{"gemma2", "blk.2.post_ffw_norm.weight"}, Loss{"phi3", "blk.1.attn_qkv.weight"},
        Loss{"gpt2", "position_embd.weight"}, Loss{"gpt2", "blk.0.ffn_down.bias"},
        Loss{"mixtral", "blk.1.ffn_gate_inp.weight"}, Loss{"qwen3moe", "blk.0.ffn_up_exps.weight"},
        Loss{"llama-linear", "blk.1.attn_q.bias"}, Loss{"llama", "token_embd.weight"}}) {
    test::TinyModel tiny(model);
    nlohmann::json& tensors = tiny.recipe["gguf"];
    tensors.erase(tensor);
    expect_refused(load_gguf(tiny), ErrorCode::kBadFile, std::string(tensor) + " is missing", model);
  }
  test::TinyModel tiny("qwen3");
  tiny.tensors["model.layers.1.self_attn.k_norm.weight"] = {{81}, std::vector<float>(81)};
  expect_refused(load_gguf(tiny), ErrorCode::kBadFile, "blk.1.attn_k_norm.weight has the shape [81]", "misshapen");
  expect_refused(load_folder(tiny), ErrorCode::kBadFile, "self_attn.k_norm.weight has the shape [81]", "misshapen");
  test::TinyModel more("qwen2");
  more.tensors["model.layers.0.self_attn.o_proj.bias"] = {{64}, std::vector<float>(64)};
  expect_refused(load_folder(more), ErrorCode::kUsage, "o_proj.bias has no place in the architecture qwen2",
                 "too much");
}

TEST(MalformedFamilies, rotary_factors_of_a_gguf) {
  test::TinyModel brief("llama");
  brief.recipe["gguf_floats"]["rope_freqs.weight"] = std::vector<float>(15, 1.0F);
  expect_refused(load_gguf(brief), ErrorCode::kBadFile, "rope_freqs.weight has the shape [15]", "15 of 16");
  test::TinyModel zero("llama");
  zero.recipe["gguf_floats"]["rope_freqs.weight"][3] = 0.0F;
  expect_refused(load_gguf(zero), ErrorCode::kBadFile, "not positive", "a factor of 0");
  test::TinyModel half("phi3");
  half.recipe["gguf_floats"].erase("rope_factors_long.weight");
  expect_refused(load_gguf(half), ErrorCode::kBadFile, "one is missing", "short without long");
}

}  // namespace
}  // namespace tq
