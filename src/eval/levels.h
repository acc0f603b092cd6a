// The ways to hold weights and cache that are put side by side.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "eval/lane.h"

namespace tq::eval {

struct LevelChoice {
  std::span<const std::string> weights, kv;  ///< as in EvalOptions
  std::string base_kv;
  std::size_t context = 0;  ///< tokens that each cache must hold
  std::uint64_t seed = 1;   ///< of the rotations in the caches
};

/// Every spec, known and known to fit the model.
struct Levels {
  std::vector<std::string> weights;
  CacheSpec base;
  std::vector<CacheSpec> caches;
};
Result<Levels> parse_levels(const LevelChoice& choice, const ModelConfig& config);

/// The base, with the weights as the file has them, and then weights x caches, the caches the faster.
Result<std::vector<Lane>> load_lanes(const std::shared_ptr<const TensorFile>& file, const Levels& levels,
                                     unsigned threads);

}  // namespace tq::eval
