// Grouped-query attention over a coded cache.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "engine/kv_cache.h"
#include "simd/kernels.h"
#include "turboquant/aligned_vector.h"

namespace tq {

/// SoftmaxSums of queries one behind the other. Grows.
struct TileSums {
  void make_room(std::size_t n_queries, std::size_t head_dim) {
    dim = head_dim;
    values.resize(std::max(values.size(), n_queries * dim));
    tops.resize(std::max(tops.size(), n_queries));
    totals.resize(std::max(totals.size(), n_queries));
  }
  SoftmaxSums from(std::size_t query) {
    return {values.data() + query * dim, tops.data() + query, totals.data() + query};
  }
  std::size_t dim = 0;
  std::vector<float> values, tops, totals;
};

/// Scratch memory of one thread. Only the partial sums of single tokens grow with the context: 4 bytes for each 512
/// positions, head and coordinate, kept by the first thread.
struct AttentionScratch {
  Query query;
  Workspace workspace;
  std::vector<float> queries;
  TileSums sums;
  AlignedVector<float> scores;  ///< stored and read in whole vectors
  std::vector<std::size_t> seen;  ///< the first row of a chunk that each query sees, then the ends
  std::vector<float> offsets;     ///< what centring took out of the scores of each query
  KeyBiasQuery key_bias;
  std::vector<float> exact;  ///< scores, then weights of exact rows
  TileSums chunk_sums;
  std::size_t prepared = 0;  ///< one more than the head whose queries are prepared for the attention in progress
};

/// One attention of `n_tokens` tokens at positions position … position + n_tokens − 1, whose keys and values the cache
/// already holds.
struct AttentionJob {
  std::size_t layer, position, n_tokens;
  const float* queries;    ///< n_tokens x n_heads x head_dim
  float* out;              ///< the same shape
  std::size_t window = 0;  ///< positions that a token sees, its own the last of them; 0: all
};

/// Scores are inner products of rotated queries with codes, values are summed as codes, and each head is rotated back
/// once: out = R⁻¹ Σ softmax(⟨R q, c⟩ · scale) v. Token t sees positions 0 … t, or the last `window` of them; exact
/// rows where the cache's policy has them for t. What centring took out of the coded keys is added to their scores, so
/// that they and exact keys meet in one softmax; a soft cap comes in front of it. The result does not depend on the
/// number of threads.
void attend(const ModelConfig& config, KvCache& cache, const AttentionJob& job, ThreadPool& pool,
            std::vector<AttentionScratch>& scratch);

}  // namespace tq
