// Codecs whose rows stand alone, one after the other.
#pragma once

#include "turboquant/codec.h"

namespace tq {

class RowCodec : public Codec {
 public:
  void encode(const float* x, std::byte* storage, std::size_t row, Workspace& scratch) const final {
    encode_row(x, storage + row * row_bytes(), scratch);
  }
  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const final {
    decode_rows(storage + first * row_bytes(), n_rows, out);
  }

 protected:
  RowCodec(const CodecSpec& spec, std::size_t dim, std::size_t row_bytes) : Codec(spec, dim, 1, row_bytes) {}

  std::size_t row_bytes() const { return group_bytes(); }

  virtual void encode_row(const float* x, std::byte* row, Workspace& scratch) const = 0;
  virtual void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const = 0;
};

}  // namespace tq
