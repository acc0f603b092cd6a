#include "engine/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "quant/seen_softmax.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// Tokens that share one pass over the cache: each decoded row then serves 8 x (heads per key/value head) queries.
constexpr std::size_t kTileTokens = 8;
/// Positions whose scores are turned into weights at once: scores and codes of a tile then stay in the level-2 cache.
/// Fixed, since it decides how sums round.
constexpr std::size_t kChunkPositions = 512;
static_assert(kChunkPositions <= KeyBias::kPositions);
/// Positions that are scored between two calls of prefetch(), at most, and the bytes that a call may ask for: no more
/// lines than a core can wait for.
constexpr std::size_t kScoredAtOnce = 128, kPrefetchBytes = 4096;
constexpr std::size_t kPrefetchGrain = 32;  // a multiple of every codec's group

/// Asks for the codes of rows first … first + n − 1, which a few queries meet faster than memory answers: level 2.
void prefetch(const Codec& codec, const std::byte* storage, std::size_t first, std::size_t n) {
  const std::byte* at = storage + first / codec.group_rows() * codec.group_bytes();
  for (const std::byte* end = at + codec.storage_bytes(n); at < end; at += 64) __builtin_prefetch(at, 0, 2);
}

void soft_cap(float* x, std::size_t n, float cap) {
  for (std::size_t i = 0; i < n; ++i) x[i] = cap * std::tanh(x[i] / cap);
}

/// One tile of tokens against one key/value head.
class Tile {
 public:
  Tile(const ModelConfig& config, KvCache& cache, const AttentionJob& job, std::size_t kv_head, std::size_t first)
      : cache_(cache),
        job_(job),
        kv_head_(kv_head),
        first_(first),
        n_tokens_(std::min(kTileTokens, job.n_tokens - first)),
        scale_(config.attention_scale > 0 ? config.attention_scale
                                          : 1.0F / std::sqrt(static_cast<float>(config.head_dim))),
        soft_cap_(config.attention_soft_cap),
        dim_(config.head_dim),
        group_(config.n_heads / config.n_kv_heads),
        row_(config.n_heads * dim_) {}

  std::size_t count() const { return n_tokens_ * group_; }
  /// Chunks first_chunk() … end_chunk() − 1 have positions that some query sees.
  std::size_t first_chunk() const { return first_seen(0) / kChunkPositions; }
  std::size_t end_chunk() const { return (job_.position + first_ + n_tokens_ + kChunkPositions - 1) / kChunkPositions; }

  void prepare(AttentionScratch& scratch) const {
    scratch.queries.resize(count() * dim_);
    for (std::size_t t = 0; t < n_tokens_; ++t) {
      const float* from = job_.queries + (first_ + t) * row_ + kv_head_ * group_ * dim_;
      std::transform(from, from + group_ * dim_, scratch.queries.data() + t * group_ * dim_,
                     [this](float q) { return q * scale_; });
    }
    cache_.k_codec(job_.layer).prepare(scratch.queries.data(), count(), dim_, scratch.query);
    if (const std::span<const float> mean = cache_.mean(job_.layer, kv_head_); !mean.empty()) {
      scratch.offsets.resize(count());
      kernels().dot_tile(mean.data(), dim_, 1, scratch.queries.data(), dim_, count(), dim_, scratch.offsets.data(), 1);
    }
    if (leaves_bias_out())
      cache_.key_bias()->prepare(job_.layer, kv_head_, scratch.queries.data(), count(), scratch.key_bias);
  }

  /// What the queries see of a chunk, values in the codec's basis. A chunk that can have no exact row goes one way
  /// whatever the other tokens of the tile see, so that sums round alike.
  void attend_chunk(std::size_t chunk, AttentionScratch& scratch, const SoftmaxSums& out) const {
    const std::size_t begin = chunk * kChunkPositions;
    const std::size_t n = std::min(kChunkPositions, job_.position + first_ + n_tokens_ - begin);
    scratch.scores.resize(std::max(scratch.scores.size(), count() * n));
    float* scores = scratch.scores.data();
    score(begin, n, scratch);
    std::fill_n(out.values, count() * dim_, 0.0F);
    scratch.seen.resize(2 * count());
    std::size_t *begins = scratch.seen.data(), *ends = begins + count();
    for (std::size_t i = 0; i < count(); ++i) {
      const std::size_t seen_end = position_of(i) + 1;  // the query sees first_seen(i) … seen_end − 1
      ends[i] = std::min(n, std::max(seen_end, begin) - begin);
      begins[i] = std::min(ends[i], std::max(first_seen(i), begin) - begin);
      if (soft_cap_ > 0) soft_cap(scores + i * n + begins[i], ends[i] - begins[i], soft_cap_);
    }
    const Codec& values = cache_.v_codec(job_.layer);
    const std::byte* storage = cache_.values(job_.layer, kv_head_);
    if (cache_.plan().recent == 0 && begin >= cache_.sinks()) {
      values.accumulate_softmax(scores, count(), n, begins, ends, storage, begin, n, out.values, out.tops, out.totals,
                                scratch.workspace);
    } else {
      exponentials_of_seen(scores, count(), n, n, begins, ends, out.tops, out.totals);
      sum_exact(begin, n, scratch, out.values);
      if (const std::size_t coded = coded_positions(CacheSide::kValues, begin, n); coded > 0)
        values.accumulate(scores, count(), n, storage, begin, coded, out.values, scratch.workspace);
    }
  }

  /// Chunk after chunk into `all`, which begins as the first one's.
  void merge(const SoftmaxSums& chunk, const SoftmaxSums& all) const {
    kernels().merge_softmax(chunk, count(), dim_, all);
  }

  /// Divides the sums, rotates them back and puts them in their places.
  void finish(const SoftmaxSums& all) const {
    for (std::size_t i = 0; i < count(); ++i) {
      kernels().scale(all.values + i * dim_, 1.0F / all.totals[i], dim_);
      cache_.v_codec(job_.layer).from_coded(all.values + i * dim_);
    }
    for (std::size_t t = 0; t < n_tokens_; ++t) {
      std::memcpy(job_.out + (first_ + t) * row_ + kv_head_ * group_ * dim_, all.values + t * group_ * dim_,
                  group_ * dim_ * sizeof(float));
    }
  }

 private:
  struct Range {
    std::size_t begin, end;
    std::size_t size() const { return end > begin ? end - begin : 0; }
  };

  /// Whether the queries are so few that the cache comes from memory and they wait for it. The CPU foresees by itself
  /// that one row follows the other, but not how groups of rows are read.
  bool waits_for(const Codec& codec) const { return job_.n_tokens <= kTileTokens && codec.group_rows() > 1; }

  bool leaves_bias_out() const {
    return cache_.key_bias() != nullptr && cache_.key_bias()->left_out(job_.layer, kv_head_);
  }

  std::size_t position_of(std::size_t query) const { return job_.position + first_ + query / group_; }
  std::size_t first_seen(std::size_t query) const {
    const std::size_t end = position_of(query) + 1;
    return job_.window == 0 || job_.window > end ? 0 : end - job_.window;
  }

  /// How many of the n positions from `begin` on some query of the tile reads as codes.
  std::size_t coded_positions(CacheSide side, std::size_t begin, std::size_t n) const {
    const std::size_t tail = cache_.tail(side, position_of(count() - 1));
    return std::min(n, std::max(tail, begin) - begin);
  }

  /// The positions of a chunk that some query of the tile reads as exact rows: of the first ones, and of the last ones.
  std::array<Range, 2> exact_ranges(CacheSide side, Range chunk) const {
    const std::size_t first = position_of(0);
    const std::size_t block = side == CacheSide::kKeys ? cache_.plan().block : 0;
    const std::size_t head = first < block ? std::max(block, cache_.sinks()) : cache_.sinks();
    const std::size_t middle = std::clamp(head, chunk.begin, chunk.end);
    const std::size_t tail = cache_.plan().recent > 0 ? cache_.tail(side, std::max(first, block)) : chunk.end;
    return {Range{chunk.begin, middle}, Range{std::clamp(tail, middle, chunk.end), chunk.end}};
  }
  /// … and which of a range this query does.
  std::array<Range, 2> exact_parts(CacheSide side, const Range& range, std::size_t query) const {
    const std::size_t sinks = std::clamp(cache_.sinks(), range.begin, range.end);
    return {Range{range.begin, sinks},
            Range{std::clamp(cache_.tail(side, position_of(query)), sinks, range.end), range.end}};
  }
  /// Calls visit(run, its offset in the range) for the pieces that the range lies in.
  template <class Visit>
  void for_runs(CacheSide side, const Range& range, Visit&& visit) const {
    for (std::size_t from = range.begin; from < range.end;) {
      const KvCache::Run run = cache_.exact_run(side, job_.layer, kv_head_, from, range.end);
      visit(run, from - range.begin);
      from += run.count;
    }
  }

  /// Scores of n positions from `begin` on: of codes, and over them those of exact rows.
  void score(std::size_t begin, std::size_t n, AttentionScratch& scratch) const {
    float* scores = scratch.scores.data();
    if (const std::size_t coded = coded_positions(CacheSide::kKeys, begin, n); coded > 0) {
      const Codec &codec = cache_.k_codec(job_.layer), &values = cache_.v_codec(job_.layer);
      const std::size_t fitting = kPrefetchBytes / values.storage_bytes(kPrefetchGrain) * kPrefetchGrain;
      const std::size_t step = waits_for(values) ? std::clamp(fitting, kPrefetchGrain, kScoredAtOnce) : coded;
      for (std::size_t from = 0; from < coded; from += step) {
        const std::size_t part = std::min(step, coded - from);
        if (waits_for(values)) prefetch(values, cache_.values(job_.layer, kv_head_), begin + from, part);
        codec.scores(scratch.query, cache_.keys(job_.layer, kv_head_), begin + from, part, scores + from, n,
                     scratch.workspace);
      }
      for (std::size_t i = 0; i < count() && cache_.plan().block > 0; ++i) {
        for (std::size_t r = 0; r < coded; ++r) scores[i * n + r] += scratch.offsets[i];
      }
    }
    for (const Range& range : exact_ranges(CacheSide::kKeys, {begin, begin + n})) {
      if (range.size() == 0) continue;
      scratch.exact.resize(std::max(scratch.exact.size(), count() * range.size()));
      for_runs(CacheSide::kKeys, range, [&](const KvCache::Run& run, std::size_t offset) {
        cache_.plan().exact->scores(scratch.query, run.storage, run.first, run.count, scratch.exact.data() + offset,
                                    range.size(), scratch.workspace);
      });
      for (std::size_t i = 0; i < count(); ++i) {
        const float* exact = scratch.exact.data() + i * range.size();
        for (const Range& part : exact_parts(CacheSide::kKeys, range, i)) {
          std::copy_n(exact + (part.begin - range.begin), part.size(), scores + i * n + (part.begin - begin));
        }
      }
    }
    if (leaves_bias_out()) cache_.key_bias()->add_scores(job_.layer, count(), begin, n, scores, n, scratch.key_bias);
  }

  /// Adds the exact values of n positions from `begin` on, and leaves weights of 0 in their places.
  void sum_exact(std::size_t begin, std::size_t n, AttentionScratch& scratch, float* sums) const {
    for (const Range& range : exact_ranges(CacheSide::kValues, {begin, begin + n})) {
      if (range.size() == 0) continue;
      scratch.exact.resize(std::max(scratch.exact.size(), count() * range.size()));
      std::fill_n(scratch.exact.data(), count() * range.size(), 0.0F);
      for (std::size_t i = 0; i < count(); ++i) {
        float* weights = scratch.scores.data() + i * n;
        float* exact = scratch.exact.data() + i * range.size();
        for (const Range& part : exact_parts(CacheSide::kValues, range, i)) {
          std::copy_n(weights + (part.begin - begin), part.size(), exact + (part.begin - range.begin));
          std::fill_n(weights + (part.begin - begin), part.size(), 0.0F);
        }
      }
      for_runs(CacheSide::kValues, range, [&](const KvCache::Run& run, std::size_t offset) {
        cache_.plan().exact->accumulate(scratch.exact.data() + offset, count(), range.size(), run.storage, run.first,
                                        run.count, sums, scratch.workspace);
      });
    }
  }

  KvCache& cache_;
  const AttentionJob& job_;
  std::size_t kv_head_, first_, n_tokens_;
  float scale_, soft_cap_;
  std::size_t dim_, group_, row_;
};

/// Many tiles: each is one task.
void attend_by_tiles(const ModelConfig& config, KvCache& cache, const AttentionJob& job, ThreadPool& pool,
                     std::vector<AttentionScratch>& scratches) {
  const std::size_t n_tiles = (job.n_tokens + kTileTokens - 1) / kTileTokens;
  pool.for_ranges(n_tiles * config.n_kv_heads, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
    AttentionScratch& scratch = scratches[thread];
    for (std::size_t task = begin; task < end; ++task) {
      // Head after head: what all tiles read of one may stay in the level-2 cache. Late tiles see more positions than
      // early ones: taking them alternately from both ends gives each thread the same work.
      const std::size_t turn = task % n_tiles;
      const std::size_t index = turn % 2 == 0 ? turn / 2 : n_tiles - 1 - turn / 2;
      const Tile tile(config, cache, job, task / n_tiles, index * kTileTokens);
      scratch.sums.make_room(2 * tile.count(), config.head_dim);
      const SoftmaxSums all = scratch.sums.from(0), next = scratch.sums.from(tile.count());
      tile.prepare(scratch);
      tile.attend_chunk(tile.first_chunk(), scratch, all);
      for (std::size_t chunk = tile.first_chunk() + 1; chunk < tile.end_chunk(); ++chunk) {
        tile.attend_chunk(chunk, scratch, next);
        tile.merge(next, all);
      }
      tile.finish(all);
    }
  });
}

/// One tile: its chunks are tasks, too, or three heads would keep two threads busy for as long as four.
void attend_by_chunks(const ModelConfig& config, KvCache& cache, const AttentionJob& job, ThreadPool& pool,
                      std::vector<AttentionScratch>& scratches) {
  const Tile any(config, cache, job, 0, 0);
  const std::size_t first_chunk = any.first_chunk(), n_chunks = any.end_chunk() - first_chunk;
  const std::size_t count = any.count();
  TileSums& sums = scratches[0].chunk_sums;
  sums.make_room(config.n_kv_heads * n_chunks * count, config.head_dim);
  for (AttentionScratch& scratch : scratches) scratch.prepared = 0;
  pool.for_ranges(config.n_kv_heads * n_chunks, 1, [&](std::size_t begin, std::size_t end, unsigned thread) {
    AttentionScratch& scratch = scratches[thread];
    for (std::size_t task = begin; task < end; ++task) {
      const std::size_t head = task / n_chunks;
      const Tile tile(config, cache, job, head, 0);
      if (scratch.prepared != head + 1) tile.prepare(scratch);
      scratch.prepared = head + 1;
      tile.attend_chunk(first_chunk + task % n_chunks, scratch, sums.from(task * count));
    }
  });
  for (std::size_t head = 0; head < config.n_kv_heads; ++head) {
    const Tile tile(config, cache, job, head, 0);
    const SoftmaxSums of_head = sums.from(head * n_chunks * count);
    for (std::size_t chunk = 1; chunk < n_chunks; ++chunk) {
      tile.merge(sums.from((head * n_chunks + chunk) * count), of_head);
    }
    tile.finish(of_head);
  }
}

}  // namespace

void attend(const ModelConfig& config, KvCache& cache, const AttentionJob& job, ThreadPool& pool,
            std::vector<AttentionScratch>& scratch) {
  if (job.n_tokens <= kTileTokens) return attend_by_chunks(config, cache, job, pool, scratch);
  attend_by_tiles(config, cache, job, pool, scratch);
}

}  // namespace tq
