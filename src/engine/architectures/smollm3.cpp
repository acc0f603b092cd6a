// SmolLM3: Llama in which every fourth layer has no rotary positions (arXiv 2501.18795).
#include "engine/architectures/architectures.h"
#include "engine/architectures/config_reader.h"

namespace tq {
namespace {

constexpr std::size_t kPeriod = 4;  // GGUF has no key for it
bool has_no_rope(std::size_t layer) { return (layer + 1) % kPeriod == 0; }

Result<ModelConfig> read_config(const TensorFile& file) {
  ConfigReader reader(file, "smollm3");
  ModelConfig config = reader.read({.tied = true});
  if (reader.hugging_face()) {
    bool regular = reader.count("no_rope_layer_interval", kPeriod) == kPeriod;
    if (const auto* turned = reader.integers("no_rope_layers")) {
      regular = turned->size() == config.n_layers;
      for (std::size_t layer = 0; regular && layer < turned->size(); ++layer)
        regular = ((*turned)[layer] == 0) == has_no_rope(layer);
    }
    reader.refuse(!regular, "rotary positions missing elsewhere than in every fourth layer");
    reader.refuse(reader.flag("use_sliding_window", false), "a sliding window");
  }
  reader.reject(config.n_layers > (1U << 12), "more than 4096 layers are impossible");
  for (std::size_t layer = 0; layer < config.n_layers && layer < (1U << 12); ++layer)
    config.layers.push_back({0, has_no_rope(layer) ? RopeKind::kNone : RopeKind::kGlobal});
  return reader.finish(std::move(config));
}

}  // namespace

Architecture smollm3_architecture() {
  return {.name = "smollm3", .model_type = "smollm3", .read_config = read_config, .adjacent_pairs = true};
}

}  // namespace tq
