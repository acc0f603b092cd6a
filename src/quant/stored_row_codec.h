// Codecs whose rows kernels decode while they multiply.
#pragma once

#include <optional>

#include "quant/row_codec.h"
#include "simd/kernels.h"

namespace tq {

class StoredRowCodec : public RowCodec {
 public:
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride,
              Workspace& scratch) const final {
    if (!format_ || query.count > kFew) return Codec::scores(query, storage, first, n_rows, out, out_stride, scratch);
    kernels().dot_stored(*format_, rows(storage, first, n_rows), query.coded.data(), dim(), query.count, out, out_stride);
  }

  void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                  std::size_t n_rows, float* acc, Workspace& scratch) const final {
    if (!format_ || count > kFew) return Codec::accumulate(weights, count, stride, storage, first, n_rows, acc, scratch);
    kernels().sum_stored(*format_, rows(storage, first, n_rows), weights, stride, count, acc);
  }

 protected:
  /// Without a format rows are always decoded first.
  StoredRowCodec(const CodecSpec& spec, std::size_t dim, std::size_t row_bytes, std::optional<RowFormat> format)
      : RowCodec(spec, dim, row_bytes), format_(format) {}

 private:
  /// Beyond so many queries a row is decoded once for all; the sums have the same bits.
  static constexpr std::size_t kFew = 4;

  StoredRows rows(const std::byte* storage, std::size_t first, std::size_t n_rows) const {
    return {storage + first * row_bytes(), row_bytes(), n_rows, dim()};
  }

  std::optional<RowFormat> format_;
};

}  // namespace tq
