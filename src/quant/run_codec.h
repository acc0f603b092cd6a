// Rows of small integers whose runs of 16 have a scale and an offset each: a value is scale · code + offset.
#pragma once

#include "quant/row_codec.h"

namespace tq {

class RunCodec : public RowCodec {
 public:
  void make_room(std::size_t count, Query& query) const final;
  void complete(Query& query, std::size_t begin, std::size_t end) const final;
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride,
              Workspace& scratch) const final;

 protected:
  using RowCodec::RowCodec;

  /// The dim() integers of a row, and dim() / 16 scales and offsets.
  virtual void unpack_row(const std::byte* row, std::int8_t* codes, float* scales, float* offsets) const = 0;
};

}  // namespace tq
