// Codecs that encode 16 rows at once, one in each lane of a vector register (Kernels::to_lanes).
#pragma once

#include "turboquant/codec.h"

namespace tq {

class LaneCodec : public Codec {
 public:
  static constexpr std::size_t kLanes = 16;

  /// False: only encode() may be called.
  virtual bool takes_lanes() const = 0;
  /// dim x 16 floats, which it may change → rows `row`, a multiple of 16, to row + 15: the bytes that encode() writes.
  virtual void encode_lanes(float* lanes, std::byte* storage, std::size_t row, Workspace& scratch) const = 0;

  /// Calls one(r) for rows that do not fill a block of 16 and many(r) for the first row r < n_rows of a block; row 0 is
  /// stored at `first`.
  template <class One, class Many>
  static void for_blocks(std::size_t first, std::size_t n_rows, One one, Many many) {
    for (std::size_t r = 0; r < n_rows;) {
      if ((first + r) % kLanes == 0 && r + kLanes <= n_rows) {
        many(r);
        r += kLanes;
      } else {
        one(r++);
      }
    }
  }

 protected:
  using Codec::Codec;
};

}  // namespace tq
