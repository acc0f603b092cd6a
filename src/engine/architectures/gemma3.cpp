// Gemma 3 (arXiv 2503.19786): Gemma 2 with norms of queries and keys in place of soft caps, five layers with a window
// to one without, and a rotary base of their own for the five.
#include "engine/architectures/architectures.h"
#include "engine/architectures/gemma.h"

namespace tq {
namespace {

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "gemma3");
  constexpr std::size_t kLayersOf27B = 62;
  ModelConfig config = read_gemma(reader, kLayersOf27B);
  config.query_key_norm = true;
  if (reader.hugging_face()) {
    const auto nested = static_cast<double>(reader.number("rope_parameters.sliding_attention.rope_theta", 10000));
    config.local_rope_theta = reader.number("rope_local_base_freq", nested);
    config.rope_theta = reader.number(
        "rope_theta", static_cast<double>(reader.number("rope_parameters.full_attention.rope_theta", 1e6)));
  } else {
    config.local_rope_theta = reader.number("rope.freq_base_swa", 10000);
    config.rope_theta = reader.number("rope.freq_base", 1e6);
  }
  config.attention_soft_cap = reader.number("attn_logit_softcapping", 0);  // one key in both kinds of files
  config.logit_soft_cap = reader.number("final_logit_softcapping", 0);
  reader.read_windows(
      config, [](std::size_t layer) { return (layer + 1) % 6 != 0; }, reader.hugging_face() ? kGemmaWindow : 0);
  return reader.finish(std::move(config));
}

}  // namespace

Architecture gemma3_architecture() {
  return {.name = "gemma3",
          .model_type = "gemma3_text",
          .read_config = read_config,
          .names = kGemmaNames,
          .norms_less_one = true};
}

}  // namespace tq
