// Mistral (arXiv 2310.06825): Llama with a window over the last positions; the first version has it, later ones do not.
// GGUF calls it llama.
#include "engine/architectures/architectures.h"
#include "engine/architectures/config_reader.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "llama");
  ModelConfig config = reader.read();
  reader.read_windows(config, [](std::size_t) { return true; });
  return reader.finish(std::move(config));
}

}  // namespace

Architecture mistral_architecture() {
  return {.name = "llama", .model_type = "mistral", .read_config = read_config, .adjacent_pairs = true};
}

}  // namespace tq
