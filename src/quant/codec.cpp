#include "turboquant/codec.h"

#include <algorithm>
#include <cstring>

#include "quant/seen_softmax.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// Rows that are decoded together: their floats fill at most half of a 32 KiB level-1 cache, in multiples of the kernel's 4.
std::size_t tile_rows(std::size_t dim) { return std::clamp<std::size_t>(4096 / dim / 4 * 4, 4, 64); }

}  // namespace

void Codec::encode_short_rows(const float* x, std::size_t length, std::size_t n_rows, std::byte* storage, std::size_t first,
                              Workspace& scratch) const {
  std::vector<float> filled(length < dim_ ? dim_ : 0);
  for (std::size_t r = 0; r < n_rows; ++r, x += length) {
    std::copy_n(x, filled.empty() ? 0 : length, filled.data());
    encode(filled.empty() ? x : filled.data(), storage, first + r, scratch);
  }
}

void Codec::decode(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const {
  decode_coded(storage, first, n_rows, out);
  for (std::size_t r = 0; r < n_rows; ++r) from_coded(out + r * dim_);
}

void Codec::make_room(std::size_t count, Query& query) const {
  query.count = count;
  if (query.coded.size() < count * dim_) query.coded.resize(count * dim_);  // rows of several lengths take turns: what grows is cleared
}

void Codec::to_coded(const float* x, float* y) const {
  if (x != y) std::memcpy(y, x, dim_ * sizeof(float));
}

void Codec::fill(const float* queries, std::size_t stride, std::size_t begin, std::size_t end, Query& query) const {
  for (std::size_t i = begin; i < end; ++i) to_coded(queries + i * stride, query.coded.data() + i * dim_);
  complete(query, begin, end);
}

void Codec::scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                   std::size_t out_stride, Workspace& scratch) const {
  const std::size_t tile = tile_rows(dim_);
  scratch.rows.resize(std::max(scratch.rows.size(), tile * dim_));
  for (std::size_t r = 0; r < n_rows; r += tile) {
    const std::size_t n = std::min(tile, n_rows - r);
    decode_coded(storage, first + r, n, scratch.rows.data());
    kernels().dot_tile(scratch.rows.data(), dim_, n, query.coded.data(), dim_, query.count, dim_, out + r, out_stride);
  }
}

void Codec::accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                       std::size_t n_rows, float* acc, Workspace& scratch) const {
  const std::size_t tile = tile_rows(dim_);
  scratch.rows.resize(std::max(scratch.rows.size(), tile * dim_));
  for (std::size_t r = 0; r < n_rows; r += tile) {
    const std::size_t n = std::min(tile, n_rows - r);
    decode_coded(storage, first + r, n, scratch.rows.data());
    kernels().sum_stored(RowFormat::kF32, {scratch.rows.data(), dim_ * sizeof(float), n, dim_}, weights + r, stride, count, acc);
  }
}

void Codec::accumulate_softmax(float* scores, std::size_t count, std::size_t stride, const std::size_t* begins, const std::size_t* ends,
                               const std::byte* storage, std::size_t first, std::size_t n_rows, float* acc, float* tops, float* totals,
                               Workspace& scratch) const {
  exponentials_of_seen(scores, count, stride, n_rows, begins, ends, tops, totals);
  accumulate(scores, count, stride, storage, first, n_rows, acc, scratch);
}

}  // namespace tq
