#include "engine/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "simd/kernels.h"

namespace tq {
namespace {

/// Tokens that share one pass over the cache: each decoded row then serves 8 x (heads per key/value head) queries.
constexpr std::size_t kTileTokens = 8;

/// One tile of tokens against one key/value head.
struct Tile {
  std::size_t kv_head, first, n_tokens;
};

void attend_tile(const ModelConfig& config, KvCache& cache, const AttentionJob& job, const Tile& tile,
                 AttentionScratch& scratch) {
  const std::size_t dim = config.head_dim, group = config.n_heads / config.n_kv_heads;
  const std::size_t count = tile.n_tokens * group;
  const std::size_t n_positions = job.position + tile.first + tile.n_tokens;
  const std::size_t row = config.n_heads * dim, head = tile.kv_head * group * dim;
  const float scale = 1.0F / std::sqrt(static_cast<float>(dim));

  scratch.queries.resize(count * dim);
  for (std::size_t t = 0; t < tile.n_tokens; ++t) {
    const float* from = job.queries + (tile.first + t) * row + head;
    std::transform(from, from + group * dim, scratch.queries.data() + t * group * dim,
                   [scale](float q) { return q * scale; });
  }
  cache.k_codec().prepare(scratch.queries.data(), count, dim, scratch.query);
  scratch.scores.resize(std::max(scratch.scores.size(), count * n_positions));
  float* scores = scratch.scores.data();
  cache.k_codec().scores(scratch.query, cache.keys(job.layer, tile.kv_head), 0, n_positions, scores, n_positions,
                         scratch.workspace);

  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t visible = job.position + tile.first + i / group + 1;
    kernels().softmax(scores + i * n_positions, visible);
    std::fill(scores + i * n_positions + visible, scores + (i + 1) * n_positions, 0.0F);
  }
  scratch.sums.assign(count * dim, 0.0F);
  cache.v_codec().accumulate(scores, count, n_positions, cache.values(job.layer, tile.kv_head), 0, n_positions,
                             scratch.sums.data(), scratch.workspace);
  for (std::size_t i = 0; i < count; ++i) cache.v_codec().from_coded(scratch.sums.data() + i * dim);
  for (std::size_t t = 0; t < tile.n_tokens; ++t) {
    std::memcpy(job.out + (tile.first + t) * row + head, scratch.sums.data() + t * group * dim,
                group * dim * sizeof(float));
  }
}

}  // namespace

void attend(const ModelConfig& config, KvCache& cache, const AttentionJob& job, ThreadPool& pool,
            std::vector<AttentionScratch>& scratch) {
  const std::size_t n_tiles = (job.n_tokens + kTileTokens - 1) / kTileTokens;
  pool.for_ranges(n_tiles * config.n_kv_heads, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
    for (std::size_t task = begin; task < end; ++task) {
      // Late tiles see more positions than early ones: taking them alternately from both ends gives each thread the
      // same work.
      const std::size_t turn = task / config.n_kv_heads;
      const std::size_t index = turn % 2 == 0 ? turn / 2 : n_tiles - 1 - turn / 2;
      const std::size_t first = index * kTileTokens;
      const Tile tile{task % config.n_kv_heads, first, std::min(kTileTokens, job.n_tokens - first)};
      attend_tile(config, cache, job, tile, scratch[thread]);
    }
  });
}

}  // namespace tq
