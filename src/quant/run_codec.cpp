#include "quant/run_codec.h"

#include <algorithm>

#include "quant/integer_query.h"
#include "simd/kernels.h"

namespace tq {

void RunCodec::make_room(std::size_t count, Query& query) const {
  Codec::make_room(count, query);
  make_integer_room(dim(), query);
}

void RunCodec::complete(Query& query, std::size_t begin, std::size_t end) const { make_integers(dim(), begin, end, query); }

void RunCodec::scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                      std::size_t out_stride, Workspace& scratch) const {
  const std::size_t runs = integer_runs(dim());
  scratch.choices.resize(std::max(scratch.choices.size(), kIntegerRows * dim()));
  scratch.rows.resize(std::max(scratch.rows.size(), 2 * kIntegerRows * runs));
  auto* codes = reinterpret_cast<std::int8_t*>(scratch.choices.data());
  float *scales = scratch.rows.data(), *offsets = scales + kIntegerRows * runs;
  std::fill_n(scales, 2 * kIntegerRows * runs, 0.0F);
  for (std::size_t r = 0; r < n_rows; r += kIntegerRows) {
    const std::size_t n = std::min(kIntegerRows, n_rows - r);
    for (std::size_t i = 0; i < n; ++i)
      unpack_row(storage + (first + r + i) * row_bytes(), codes + i * dim(), scales + i * runs, offsets + i * runs);
    kernels().dot_runs({.codes = codes,
                        .n_rows = n,
                        .n = dim(),
                        .scales = scales,
                        .offsets = offsets,
                        .queries = query.words.data(),
                        .query_stride = dim(),
                        .query_runs = query.runs.data(),
                        .query_units = query.units.data(),
                        .n_queries = query.count,
                        .out = out + r,
                        .out_stride = out_stride});
  }
}

}  // namespace tq
