// One function for each file of this folder.
#pragma once

#include "engine/architectures.h"

namespace tq {

Architecture llama_architecture();

}  // namespace tq
