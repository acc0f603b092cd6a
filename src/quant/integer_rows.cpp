#include "quant/integer_rows.h"

#include <algorithm>

#include "quant/interleave.h"
#include "quant/interleaved_codec.h"
#include "quant/row_blocks.h"
#include "quant/scaled_row.h"

namespace tq {

IntegerRows::IntegerRows(const CodecSpec& spec, std::size_t dim, std::size_t n_words, float step)
    : LaneCodec(spec, dim, kGroupRows, kGroupRows * scale_bytes(spec) + 2 * 64 * n_words), n_words_(n_words), step_(step) {}

std::size_t IntegerRows::scale_place(std::size_t row) const { return row % kGroupRows * scale_bytes(spec()); }
std::size_t IntegerRows::words_place(std::size_t row) const {
  return kGroupRows * scale_bytes(spec()) + row % kGroupRows / kInterleavedRows * n_words_ * 64;
}

void IntegerRows::make_room(std::size_t count, Query& query) const {
  Codec::make_room(count, query);
  if (step_ == 0) return;
  if (query.bytes.size() < count * planes() * padded()) query.bytes.resize(count * planes() * padded());
  query.units.resize(count);
  query.sums.resize(count * planes());
}

/// A query that is not finite gives scores that are not finite either; one below 2^-100 gives zeros.
void IntegerRows::complete(Query& query, std::size_t begin, std::size_t end) const {
  if (step_ == 0) return;
  for (std::size_t i = begin; i < end; ++i) {
    const float* coded = query.coded.data() + i * dim();
    std::int8_t *bytes = query.bytes.data() + i * planes() * padded(), *low = bytes + padded();
    std::fill(bytes + dim(), bytes + planes() * padded(), std::int8_t{0});
    if (planes() == 2) {
      kernels().to_words(coded, dim(), bytes, low, &query.units[i], &query.sums[2 * i]);
    } else {
      kernels().to_bytes(coded, dim(), bytes, &query.units[i], &query.sums[i]);
    }
    arrange(bytes);
  }
}

void IntegerRows::scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                         std::size_t out_stride, Workspace& scratch) const {
  if (step_ == 0) return Codec::scores(query, storage, first, n_rows, out, out_stride, scratch);
  if (query.count > 1) scratch.panel.resize(std::max(scratch.panel.size(), 32 * planes() * padded() + 63));
  const auto blocks = [&](std::size_t row, std::size_t n_blocks, float* products, std::size_t stride) {
    multiply_blocks(query, storage, row, n_blocks, products, stride, query.count > 1 ? scratch.panel.data() : nullptr);
  };
  score_blocks<kGroupRows>(query.count, first, n_rows, out, out_stride, scratch.rows, blocks);
}

/// n_blocks times 16 rows, from `row` on, against all queries.
void IntegerRows::multiply_blocks(const Query& query, const std::byte* storage, std::size_t row, std::size_t n_blocks, float* out,
                                  std::size_t out_stride, std::uint8_t* panel) const {
  InterleavedDot job{.words = reinterpret_cast<const std::uint8_t*>(words(storage, row)),
                     .n_words = n_words_,
                     .bits = spec().bits,
                     .table = nullptr,
                     .row_scales = scale(storage, row),
                     .queries = query.bytes.data(),
                     .query_stride = planes() * padded(),
                     .query_sums = query.sums.data(),
                     .query_units = query.units.data(),
                     .n_queries = query.count,
                     .out = out,
                     .out_stride = out_stride,
                     .half_scales = !spec().wide_scale,
                     .step = step_,
                     .n_blocks = n_blocks,
                     .group_bytes = group_bytes(),
                     .panel = panel};
  multiply(job);
}

}  // namespace tq
