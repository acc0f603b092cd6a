// Llama 1 to 3: RMSNorm, rotary positions, grouped-query attention, SwiGLU (arXiv 2302.13971, 2307.09288). In GGUF also
// Mistral and Mixtral, by a window and experts. GGUF and llama2.c keep rotary pairs adjacent; Hugging Face splits a
// head in halves.
#include "engine/architectures/architectures.h"
#include "engine/architectures/config_reader.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "llama");
  ModelConfig config = reader.read();
  if (!reader.hugging_face()) {
    config.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
    config.output_bias = file.find("blk.0.attn_output.bias") != nullptr;
    config.feed_forward_bias = file.find("blk.0.ffn_down.bias") != nullptr;
    reader.read_windows(config, [](std::size_t) { return true; });
  }
  return reader.finish(std::move(config));
}

}  // namespace

Architecture llama_architecture() {
  return {.name = "llama", .model_type = "llama", .read_config = read_config, .adjacent_pairs = true};
}

}  // namespace tq
