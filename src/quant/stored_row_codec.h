// Codecs whose rows kernels decode while they multiply.
#pragma once

#include <optional>

#include "quant/row_codec.h"
#include "simd/kernels.h"

namespace tq {

class StoredRowCodec : public RowCodec {
 public:
  void make_room(std::size_t count, Query& query) const final;
  void complete(Query& query, std::size_t begin, std::size_t end) const final;
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride,
              Workspace& scratch) const final;
  void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                  std::size_t n_rows, float* acc, Workspace& scratch) const final;

 protected:
  /// Without a format rows are always decoded first.
  StoredRowCodec(const CodecSpec& spec, std::size_t dim, std::size_t row_bytes, std::optional<RowFormat> format)
      : RowCodec(spec, dim, row_bytes), format_(format) {}

 private:
  /// Beyond so many queries a row is decoded once for all; the sums have the same bits.
  static constexpr std::size_t kFew = 4;

  bool in_integers() const { return format_ == RowFormat::kQ8_0 || format_ == RowFormat::kQ4_0; }
  void integer_scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                      std::size_t out_stride) const;
  StoredRows rows(const std::byte* storage, std::size_t first, std::size_t n_rows) const {
    return {storage + first * row_bytes(), row_bytes(), n_rows, dim()};
  }

  std::optional<RowFormat> format_;
};

}  // namespace tq
