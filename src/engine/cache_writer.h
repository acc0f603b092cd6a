// New keys and values into the cache.
#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "engine/kv_cache.h"

namespace tq {

/// The keys and values of one layer for a batch that KvCache::begin_batch() has announced.
struct StoreJob {
  std::size_t layer, position, n_tokens;
  const float *keys, *values;  ///< n_tokens x n_kv_heads x head_dim
};

/// Scratch memory of one thread.
struct StoreScratch {
  Workspace workspace;
  std::vector<float> rows;  ///< of one head
};

/// Codes the rows, and keeps those exact that the cache's policy says. The bytes depend neither on the number of
/// threads nor on how the tokens are cut into batches.
void store(KvCache& cache, const StoreJob& job, ThreadPool& pool, std::vector<StoreScratch>& scratch);

}  // namespace tq
