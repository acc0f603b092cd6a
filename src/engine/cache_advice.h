// The rules behind advise_cache(), without a model.
#pragma once

#include <cstdint>
#include <span>

#include "turboquant/cache_advice.h"

namespace tq {

/// `bias_ratios` as key_bias_ratios() gives them.
CacheAdvice advise_cache(const ModelConfig& config, std::uint64_t parameters, std::span<const double> bias_ratios);

}  // namespace tq
