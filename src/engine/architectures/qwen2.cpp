// Qwen2 and 2.5 (arXiv 2407.10671): Llama with a bias of queries, keys and values. Rotary halves in GGUF, too.
#include "engine/architectures/architectures.h"
#include "engine/architectures/qwen_windows.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "qwen2");
  ModelConfig config = reader.read();
  config.rope_halves = true;
  config.qkv_bias = true;
  config.output_bias = false;
  read_qwen_windows(reader, config);
  return reader.finish(std::move(config));
}

}  // namespace

Architecture qwen2_architecture() { return {.name = "qwen2", .model_type = "qwen2", .read_config = read_config}; }

}  // namespace tq
