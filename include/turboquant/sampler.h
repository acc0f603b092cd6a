// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>

#include "turboquant/tokenizer.h"

namespace tq {

/// Applied in this order: top-k, top-p, min-p, temperature. llama.cpp's names and defaults.
struct SamplerOptions {
  float temperature = 0.8F;  ///< 0: always the most likely token
  int top_k = 40;            ///< 0: all
  float top_p = 0.95F;       ///< 1: all
  float min_p = 0.05F;       ///< 0: all; relative to the most likely token
  std::uint64_t seed = 0;
};

/// Not thread-safe. The same seed and logits give the same tokens on every platform.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options) : options_(options), state_(options.seed) {}
  /// Ties go to the lowest id. `logits` must not be empty.
  TokenId next(std::span<const float> logits);

 private:
  SamplerOptions options_;
  std::uint64_t state_;
};

/// The index of the largest logit; the lowest index among equals.
TokenId argmax(std::span<const float> logits);

}  // namespace tq
