#include "quant/stored_row_codec.h"

#include <algorithm>

#include "quant/integer_query.h"

namespace tq {

void StoredRowCodec::make_room(std::size_t count, Query& query) const {
  Codec::make_room(count, query);
  if (in_integers()) make_integer_room(dim(), query);
}

void StoredRowCodec::complete(Query& query, std::size_t begin, std::size_t end) const {
  if (in_integers()) make_integers(dim(), begin, end, query);
}

void StoredRowCodec::scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                            std::size_t out_stride, Workspace& scratch) const {
  if (in_integers()) return integer_scores(query, storage, first, n_rows, out, out_stride);
  if (!format_ || query.count > kFew) return Codec::scores(query, storage, first, n_rows, out, out_stride, scratch);
  kernels().dot_stored(*format_, rows(storage, first, n_rows), query.coded.data(), dim(), query.count, out, out_stride);
}

void StoredRowCodec::integer_scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                                    std::size_t out_stride) const {
  const std::size_t most = query.count <= 4 ? n_rows : kIntegerRows;
  for (std::size_t r = 0; r < n_rows; r += most) {
    kernels().dot_blocks({.rows = rows(storage, first + r, std::min(most, n_rows - r)),
                          .four_bits = format_ == RowFormat::kQ4_0,
                          .queries = query.words.data(),
                          .query_stride = dim(),
                          .query_units = query.units.data(),
                          .n_queries = query.count,
                          .out = out + r,
                          .out_stride = out_stride});
  }
}

void StoredRowCodec::accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                                std::size_t n_rows, float* acc, Workspace& scratch) const {
  if (!format_ || count > kFew) return Codec::accumulate(weights, count, stride, storage, first, n_rows, acc, scratch);
  kernels().sum_stored(*format_, rows(storage, first, n_rows), weights, stride, count, acc);
}

}  // namespace tq
