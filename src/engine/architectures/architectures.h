// One function for each file of this folder.
#pragma once

#include "engine/architectures.h"

namespace tq {

Architecture llama_architecture();
Architecture mistral_architecture();
Architecture mixtral_architecture();
Architecture qwen2_architecture();
Architecture qwen3_architecture();
Architecture qwen3moe_architecture();
Architecture smollm3_architecture();
Architecture gemma2_architecture();
Architecture gemma3_architecture();
Architecture phi3_architecture();
Architecture gpt2_architecture();

}  // namespace tq
