// Windows of the Qwen family: only where use_sliding_window says so, in layers from max_window_layers on.
#pragma once

#include "engine/architectures/config_reader.h"

namespace tq {

inline void read_qwen_windows(ConfigReader& reader, ModelConfig& config) {
  const bool used = !reader.hugging_face() || reader.flag("use_sliding_window", false);
  if (!used) return;
  reader.read_windows(config, [](std::size_t) { return true; });
  if (!reader.hugging_face() || reader.strings("layer_types") != nullptr) return;
  const std::size_t first = reader.count("max_window_layers", 28);
  for (std::size_t layer = 0; layer < config.layers.size() && layer < first; ++layer) config.layers[layer].window = 0;
}

}  // namespace tq
