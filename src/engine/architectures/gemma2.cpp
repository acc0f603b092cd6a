// Gemma 2 (arXiv 2408.00118): embeddings times √hidden_size, norms before and behind each block, GeGLU, soft caps, and
// every other layer, the first among them, with a window.
#include "engine/architectures/architectures.h"
#include "engine/architectures/gemma.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "gemma2");
  constexpr std::size_t kLayersOf27B = 46;
  ModelConfig config = read_gemma(reader, kLayersOf27B);
  config.attention_soft_cap = reader.number("attn_logit_softcapping", 50);  // one key in both kinds of files
  config.logit_soft_cap = reader.number("final_logit_softcapping", 30);
  reader.read_windows(
      config, [](std::size_t layer) { return layer % 2 == 0; }, kGemmaWindow);
  return reader.finish(std::move(config));
}

}  // namespace

Architecture gemma2_architecture() {
  return {.name = "gemma2",
          .model_type = "gemma2",
          .read_config = read_config,
          .names = kGemmaNames,
          .norms_less_one = true};
}

}  // namespace tq
