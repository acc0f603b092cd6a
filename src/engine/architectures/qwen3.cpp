// Qwen3 (arXiv 2505.09388): a norm for each head of queries and keys in place of Qwen2's bias, and a head size of its
// own.
#include "engine/architectures/architectures.h"
#include "engine/architectures/qwen_windows.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "qwen3");
  ModelConfig config = reader.read();
  config.rope_halves = true;
  config.query_key_norm = true;
  read_qwen_windows(reader, config);
  return reader.finish(std::move(config));
}

}  // namespace

Architecture qwen3_architecture() { return {.name = "qwen3", .model_type = "qwen3", .read_config = read_config}; }

}  // namespace tq
