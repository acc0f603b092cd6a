// From logits to the next token.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "turboquant/tokenizer.h"

namespace tq {

/// Applied in this order, llama.cpp's: penalties, top-k, typical, top-p, min-p, temperature. Its names and defaults,
/// too.
struct SamplerOptions {
  float temperature = 0.8F;  ///< 0: always the most likely token, after penalties
  int top_k = 40;            ///< 0: all
  float top_p = 0.95F;       ///< 1: all
  float min_p = 0.05F;       ///< 0: all; relative to the most likely token
  float typical_p = 1.0F;    ///< 1: all; locally typical sampling (Meister et al., arXiv 2202.00666)
  /// The penalties look at this many of the last tokens, those of the prompt among them; 0: none, negative: all.
  int repeat_last_n = 64;
  float repeat_penalty = 1.0F;     ///< divides a positive logit of a token among them, multiplies another; above 0
  float presence_penalty = 0.0F;   ///< taken from the logit of a token among them
  float frequency_penalty = 0.0F;  ///< taken from it for every time that it is among them
  std::uint64_t seed = 0;
};

struct TokenProbability {
  TokenId id = 0;
  double probability = 0;
};

/// Not thread-safe. The same seed and logits give the same tokens on every platform.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options) : options_(options), state_(options.seed) {}

  /// Draws from distribution(). Ties go to the lowest id. `logits` must not be empty.
  TokenId next(std::span<const float> logits);
  /// What the penalties will know: every token of the sequence in its order, drawn ones as well. Needed for them alone.
  void accept(std::span<const TokenId> tokens);
  /// Forgets what was accepted.
  void clear() { accepted_.clear(); }

  /// What next() draws from: the tokens that are left, most likely first, and their probabilities, which sum to 1. One
  /// token at temperature 0, and where nothing but an infinite logit or none is finite.
  std::vector<TokenProbability> distribution(std::span<const float> logits) const;

 private:
  SamplerOptions options_;
  std::uint64_t state_;
  std::vector<TokenId> accepted_;
};

/// The index of the largest logit; the lowest index among equals.
TokenId argmax(std::span<const float> logits);

}  // namespace tq
