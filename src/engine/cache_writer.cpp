#include "engine/cache_writer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace tq {
namespace {

/// A multiple of every codec's group, whose rows one thread must write.
constexpr std::size_t kChunk = 64;
/// Within f16: an infinity or a NaN in an exact row would turn weights of 0 into NaN.
float finite(float x) { return std::isnan(x) ? 0.0F : std::clamp(x, -65504.0F, 65504.0F); }

/// Positions first … last − 1 of one head.
struct Rows {
  CacheSide side;
  std::size_t head, first, last;
};

class Writer {
 public:
  Writer(KvCache& cache, const StoreJob& job) : cache_(cache), job_(job), dim_(cache.plan().head_dim) {}

  void keep_exact(const Rows& part, StoreScratch& scratch) const {
    const CachePlan& plan = cache_.plan();
    const std::size_t head_rows = plan.head_rows(part.side);
    const std::size_t last = plan.recent > 0 ? part.last : std::min(part.last, head_rows);
    if (part.first >= last) return;
    gather({part.side, part.head, part.first, last}, scratch.rows);
    const std::size_t n = last - part.first;
    for (std::size_t r = 0; r < n; ++r) cache_.codec(part.side, job_.layer).to_coded(scratch.rows.data() + r * dim_);
    std::transform(scratch.rows.begin(), scratch.rows.end(), scratch.rows.begin(), finite);
    if (part.first < head_rows) {
      plan.exact->encode_rows(scratch.rows.data(), std::min(last, head_rows) - part.first,
                              cache_.exact(part.side, job_.layer, part.head), part.first, scratch.workspace);
    }
    if (plan.recent > 0) {
      plan.exact->encode_rows(scratch.rows.data(), n, cache_.fresh(part.side, part.head), part.first - job_.position,
                              scratch.workspace);
    }
  }

  /// Keys of the first block wait, exact, for their mean.
  void encode(Rows part, StoreScratch& scratch) const {
    if (part.side == CacheSide::kKeys) part.first = std::max(part.first, cache_.plan().block);
    if (part.first >= part.last) return;
    gather(part, scratch.rows);
    encode_gathered(part, scratch);
  }

  void center_block(std::size_t head, StoreScratch& scratch) const {
    const std::size_t block = cache_.plan().block;
    scratch.rows.resize(block * dim_);
    cache_.plan().exact->decode_coded(cache_.exact(CacheSide::kKeys, job_.layer, head), 0, block, scratch.rows.data());
    for (std::size_t r = 0; r < block; ++r) cache_.k_codec(job_.layer).from_coded(scratch.rows.data() + r * dim_);
    measure_mean(scratch.rows, cache_.mean(job_.layer, head));
    encode_gathered({CacheSide::kKeys, head, 0, block}, scratch);
  }

 private:
  void gather(const Rows& part, std::vector<float>& rows) const {
    const float* tokens = part.side == CacheSide::kKeys ? job_.keys : job_.values;
    const std::size_t n_kv_heads = cache_.plan().n_kv_heads;
    rows.resize((part.last - part.first) * dim_);
    for (std::size_t row = part.first; row < part.last; ++row) {
      std::memcpy(rows.data() + (row - part.first) * dim_,
                  tokens + ((row - job_.position) * n_kv_heads + part.head) * dim_, dim_ * sizeof(float));
    }
  }

  void encode_gathered(const Rows& part, StoreScratch& scratch) const {
    const std::size_t n = part.last - part.first;
    if (part.side == CacheSide::kKeys) {
      const std::span<const float> mean = cache_.mean(job_.layer, part.head);
      for (std::size_t r = 0; r < n && !mean.empty(); ++r) {
        for (std::size_t j = 0; j < dim_; ++j) scratch.rows[r * dim_ + j] -= mean[j];
      }
    }
    cache_.codec(part.side, job_.layer)
        .encode_rows(scratch.rows.data(), n, cache_.codes(part.side, job_.layer, part.head), part.first,
                     scratch.workspace);
  }

  /// The mean of the rows in the coordinates that may be centred. With kAuto zeros, unless ‖mean‖² is at least what the
  /// rows have left without it: the error of a code is in proportion to the energy that is coded, so centring then
  /// halves it, which is worth half a bit. Less could be chance: rows without any common part have a mean of 1/32 of
  /// their energy, and neighbouring tokens are alike.
  void measure_mean(const std::vector<float>& rows, std::span<float> mean) const {
    const std::size_t n = rows.size() / dim_;
    double common = 0, left = 0;
    for (std::size_t j = 0; j < dim_; ++j) {
      double sum = 0;
      for (std::size_t r = 0; r < n; ++r) sum += static_cast<double>(rows[r * dim_ + j]);
      mean[j] = cache_.centred_coordinates()[j] * static_cast<float>(sum / static_cast<double>(n));
      common += static_cast<double>(mean[j]) * static_cast<double>(mean[j]);
      for (std::size_t r = 0; r < n; ++r) {
        const double difference = static_cast<double>(rows[r * dim_ + j] - mean[j]);
        left += difference * difference / static_cast<double>(n);
      }
    }
    const bool worth_it = cache_.plan().spec.center == KeyCentering::kMean || common >= left;
    if (!worth_it || !std::isfinite(common)) std::fill(mean.begin(), mean.end(), 0.0F);
  }

  KvCache& cache_;
  const StoreJob& job_;
  std::size_t dim_;
};

}  // namespace

void store(KvCache& cache, const StoreJob& job, ThreadPool& pool, std::vector<StoreScratch>& scratch) {
  const Writer writer(cache, job);
  const CachePlan& plan = cache.plan();
  const std::size_t n_heads = plan.n_kv_heads, end = job.position + job.n_tokens;
  const std::size_t first_chunk = job.position / kChunk, n_chunks = (end - 1) / kChunk - first_chunk + 1;
  const bool block_fills = job.position < plan.block && end >= plan.block;
  const auto for_parts = [&](auto&& write) {
    pool.for_ranges(n_chunks * n_heads, 1, [&](std::size_t begin, std::size_t last, unsigned thread) {
      for (std::size_t task = begin; task < last; ++task) {
        const std::size_t chunk = (first_chunk + task / n_heads) * kChunk;
        for (const CacheSide side : {CacheSide::kKeys, CacheSide::kValues}) {
          write(Rows{side, task % n_heads, std::max(chunk, job.position), std::min(chunk + kChunk, end)},
                scratch[thread]);
        }
      }
    });
  };
  if (plan.keeps_exact()) {
    for_parts([&](const Rows& part, StoreScratch& mine) { writer.keep_exact(part, mine); });
  }
  if (block_fills) {
    pool.for_ranges(n_heads, 1, [&](std::size_t begin, std::size_t last, unsigned thread) {
      for (std::size_t head = begin; head < last; ++head) writer.center_block(head, scratch[thread]);
    });
  }
  for_parts([&](const Rows& part, StoreScratch& mine) { writer.encode(part, mine); });
}

}  // namespace tq
