// Rows in groups of 32 that meet queries in bytes without being decoded: the scales of a group first, then twice the words of 16 rows
// (docs/layout.md).
#pragma once

#include "quant/interleaved_codec.h"
#include "quant/lane_codec.h"
#include "simd/kernels.h"

namespace tq {

class IntegerRows : public LaneCodec {
 public:
  void make_room(std::size_t count, Query& query) const override;
  void complete(Query& query, std::size_t begin, std::size_t end) const override;
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride,
              Workspace& scratch) const override;

 protected:
  /// `step` times the table of multiply() is what codes stand for; 0: rows are decoded to floats first.
  IntegerRows(const CodecSpec& spec, std::size_t dim, std::size_t n_words, float step);

  std::size_t n_words() const { return n_words_; }
  std::byte* group(std::byte* storage, std::size_t row) const { return storage + row / kGroupRows * group_bytes(); }
  const std::byte* group(const std::byte* storage, std::size_t row) const { return storage + row / kGroupRows * group_bytes(); }
  std::byte* scale(std::byte* storage, std::size_t row) const { return group(storage, row) + scale_place(row); }
  const std::byte* scale(const std::byte* storage, std::size_t row) const { return group(storage, row) + scale_place(row); }
  /// Of the 16 rows that row `row` is one of.
  std::byte* words(std::byte* storage, std::size_t row) const { return group(storage, row) + words_place(row); }
  const std::byte* words(const std::byte* storage, std::size_t row) const { return group(storage, row) + words_place(row); }

  /// Bytes of a value of a query.
  std::size_t planes() const { return spec().bits <= kMostByteBits ? 1 : 2; }
  /// Puts the dim bytes of a query in the order in which words carry codes.
  virtual void arrange(std::int8_t*) const {}
  /// Runs the job, of which all but the table is set.
  virtual void multiply(InterleavedDot& job) const = 0;

 private:
  std::size_t scale_place(std::size_t row) const;
  std::size_t words_place(std::size_t row) const;
  std::size_t padded() const { return (dim() + 31) / 32 * 32; }
  void multiply_blocks(const Query& query, const std::byte* storage, std::size_t row, std::size_t n_blocks, float* out,
                       std::size_t out_stride, std::uint8_t* panel) const;

  std::size_t n_words_;
  float step_;
};

}  // namespace tq
