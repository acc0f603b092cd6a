#include "engine/cache_reader.h"

#include <cassert>

#include "engine/key_bias.h"

namespace tq {
namespace {

/// One row of a head, in the model's own basis, without what centring took out.
void read_stored(KvCache& cache, const ReadJob& job, std::size_t head, std::size_t row, float* out, bool& centred) {
  const CachePlan& plan = cache.plan();
  const Codec& codec = cache.codec(job.side, job.layer);
  centred = row >= cache.sinks() && row < cache.tail(job.side, job.position - 1);
  if (centred) return codec.decode(cache.codes(job.side, job.layer, head), row, 1, out);
  const std::size_t head_rows = plan.head_rows(job.side);
  const std::size_t place = row < head_rows ? row : head_rows + row % plan.recent;
  plan.exact->decode_coded(cache.exact(job.side, job.layer, head), place, 1, out);
  codec.from_coded(out);
}

void read_row(KvCache& cache, const ReadJob& job, std::size_t head, std::size_t row, float* out) {
  bool centred = false;
  read_stored(cache, job, head, row, out, centred);
  if (job.side == CacheSide::kValues) return;
  const std::span<const float> mean = cache.mean(job.layer, head);
  for (std::size_t j = 0; centred && j < mean.size(); ++j) out[j] += mean[j];
  const KeyBias* bias = cache.key_bias();
  if (bias != nullptr && bias->left_out(job.layer, head)) bias->add_to(job.layer, head, row, out);
}

}  // namespace

void read_rows(KvCache& cache, const ReadJob& job, std::span<float> rows) {
  const std::size_t dim = cache.plan().head_dim, n_heads = cache.plan().n_kv_heads;
  const std::size_t n = rows.size() / (n_heads * dim);
  assert(rows.size() == n * n_heads * dim && job.first + n <= job.position);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t head = 0; head < n_heads; ++head)
      read_row(cache, job, head, job.first + r, rows.data() + (r * n_heads + head) * dim);
  }
}

}  // namespace tq
