// A llama2.c checkpoint of two layers with random weights: small enough for tests that run a model many times.
#pragma once

#include "support/model_bytes.h"
#include "support/random_rows.h"

namespace tq::test {

constexpr std::int32_t kSmallVocabulary = 24, kSmallContext = 32;

/// Hidden 32, feed-forward 48, two heads that share a key, a shared output matrix.
inline std::string small_llama() {
  constexpr std::size_t kHidden = 32, kFeedForward = 48, kLayers = 2, kKeys = 16;
  constexpr std::size_t kNorms = (2 * kLayers + 1) * kHidden;
  constexpr std::size_t kMatrices =
      kLayers * (2 * kHidden * kHidden + 2 * kKeys * kHidden + 3 * kFeedForward * kHidden) + kSmallVocabulary * kHidden;
  const Llama2cSizes sizes = {kHidden, kFeedForward, kLayers, 2, 1, kSmallVocabulary, kSmallContext};
  std::string file = llama2c_v1(sizes, 0);
  Bytes weights;
  for (const float value : gaussian(kNorms, 1)) weights.add(1 + 0.3F * value);  // norms come first
  for (const float value : gaussian(kMatrices, 2)) weights.add(0.2F * value);
  return file + weights.get();
}

}  // namespace tq::test
