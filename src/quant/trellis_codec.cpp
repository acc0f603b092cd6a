// TurboQuant with a window trellis for a codebook, on rows that are already rotated. Same bits as the scalar codes of
// the same width.
//
// Row: scale, then dim codes as a bit stream. x̂ = scale · unit · table[window]; tables are in units of 1/√dim, so the
// scale is near the root mean square of the row.
#include <algorithm>
#include <cstring>
#include <vector>

#include "quant/bits.h"
#include "quant/codecs.h"
#include "quant/row_codec.h"
#include "quant/scaled_row.h"
#include "quant/trellis.h"
#include "simd/kernels.h"

namespace tq {
namespace {

std::vector<float> values_of(const Trellis& trellis) {
  std::vector<float> values(std::size_t{1} << trellis.window);
  for (std::size_t w = 0; w < values.size(); ++w) values[w] = static_cast<float>(trellis.table[w]) * trellis.unit;
  return values;
}

class TrellisCodec final : public RowCodec {
 public:
  TrellisCodec(const CodecSpec& spec, std::size_t dim)
      : RowCodec(spec, dim, scale_bytes(spec) + packed_bytes(dim, spec.bits)),
        trellis_(trellis_of(spec.bits)),
        values_(values_of(trellis_)),
        search_(trellis_.bits, trellis_.window, values_) {}

  void encode_row(const float* y, std::byte* row, Workspace& scratch) const override {
    std::memset(row, 0, row_bytes());
    const UnitRow size = normalize(y, dim(), scratch.unit);
    if (size.rms == 0) return;  // scale 0: the row decodes to zeros
    scratch.codes.resize(dim());
    search_.run(scratch.unit.data(), dim(), scratch, scratch.codes.data());
    pack_codes(scratch.codes.data(), dim(), spec().bits, row + scale_bytes(spec()));
    scratch.rows.resize(std::max(scratch.rows.size(), dim()));
    decode_some(row, 1, &trellis_.unit, scratch.rows.data());
    store_scale(spec(), corrected_scale(size, spec().scale, scratch.unit.data(), scratch.rows.data(), dim()), row);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for_scaled_rows(spec(), rows, row_bytes(), n_rows, [&](std::size_t first, std::size_t n, float* scales) {
      for (std::size_t r = 0; r < n; ++r) scales[r] *= trellis_.unit;
      decode_some(rows + first * row_bytes(), n, scales, out + first * dim());
    });
  }

 private:
  /// The scales are in units of the table.
  void decode_some(const std::byte* rows, std::size_t n_rows, const float* scales, float* out) const {
    const auto* packed = reinterpret_cast<const std::uint8_t*>(rows + scale_bytes(spec()));
    kernels().decode_windows({packed, row_bytes(), n_rows, trellis_.bits, dim(), scales, out}, trellis_.window, trellis_.table,
                             is_closed(dim()));
  }

  const Trellis& trellis_;
  std::vector<float> values_;
  TrellisSearch search_;
};

}  // namespace

std::shared_ptr<const Codec> make_trellis_codec(const CodecSpec& spec, std::size_t dim) {
  return std::make_shared<TrellisCodec>(spec, dim);
}

}  // namespace tq
