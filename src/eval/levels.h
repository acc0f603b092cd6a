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

/// `run(lane)` gives a row: those of base and levels, one after the other, into report.base and report.rows.
template <class Report, class Run>
Result<void> run_levels(std::vector<Lane>& lanes, Report& report, Run&& run) {
  for (Lane& lane : lanes) {
    auto row = run(lane);
    if (!row) return std::unexpected(row.error());
    if (&lane == &lanes.front())
      report.base = std::move(*row);
    else
      report.rows.push_back(std::move(*row));
  }
  return {};
}

}  // namespace tq::eval
