// Keys and values out of the cache, as attention reads them.
#pragma once

#include <cstddef>
#include <span>

#include "engine/kv_cache.h"

namespace tq {

/// Positions from `first` on, of a cache that holds `position` tokens; no batch is under way.
struct ReadJob {
  CacheSide side;
  std::size_t layer, first, position;
};

/// Decodes rows.size() / (n_kv_heads x head_dim) positions into `rows`, one after the other, as a query at the last
/// position that is held reads them: exact rows where the policy has them for it, the others from their codes, with
/// what centring took out added again.
void read_rows(KvCache& cache, const ReadJob& job, std::span<float> rows);

}  // namespace tq
