// TurboQuant, one pass (arXiv 2504.19874, Algorithm 1), on rows that are already rotated: one scale, then a Lloyd-Max code for each
// coordinate. The scale is corrected after coding (ScaleRule), which the paper's algorithm does not do.
//
// Row: scale, then dim codes as a bit stream. x̂ = scale · centroid[code]; centroids are in units of 1/√dim, so the scale is near the
// root mean square of the row.
#include <algorithm>
#include <cassert>
#include <cstring>

#include "quant/bits.h"
#include "quant/codecs.h"
#include "quant/row_codec.h"
#include "quant/scaled_row.h"
#include "simd/kernels.h"
#include "turboquant/codebook.h"

namespace tq {
namespace {

class TurboCodec final : public RowCodec {
 public:
  TurboCodec(const CodecSpec& spec, std::size_t dim, Codebook codebook)
      : RowCodec(spec, dim, scale_bytes(spec) + packed_bytes(dim, spec.bits)), codebook_(std::move(codebook)) {}

  void encode_row(const float* y, std::byte* row, Workspace& scratch) const override {
    std::memset(row, 0, row_bytes());
    const UnitRow size = normalize(y, dim(), scratch.unit);
    if (size.rms == 0) return;  // scale 0: the row decodes to zeros
    scratch.codes.resize(dim());
    kernels().quantize(scratch.unit.data(), dim(), codebook_.boundaries.data(), codebook_.boundaries.size(), scratch.codes.data());
    pack_codes(scratch.codes.data(), dim(), spec().bits, row + scale_bytes(spec()));
    scratch.rows.resize(std::max(scratch.rows.size(), dim()));
    constexpr float kUnit = 1;
    decode_some(row, 1, &kUnit, scratch.rows.data());
    store_scale(spec(), corrected_scale(size, spec().scale, scratch.unit.data(), scratch.rows.data(), dim()), row);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for_scaled_rows(spec(), rows, row_bytes(), n_rows, [&](std::size_t first, std::size_t n, const float* scales) {
      decode_some(rows + first * row_bytes(), n, scales, out + first * dim());
    });
  }

 private:
  void decode_some(const std::byte* rows, std::size_t n_rows, const float* scales, float* out) const {
    const auto* packed = reinterpret_cast<const std::uint8_t*>(rows + scale_bytes(spec()));
    kernels().decode_codes({packed, row_bytes(), n_rows, spec().bits, dim(), scales, out}, codebook_.centroids.data());
  }

  Codebook codebook_;
};

}  // namespace

std::shared_ptr<const Codec> make_turbo_codec(const CodecSpec& spec, std::size_t dim) {
  if (spec.layout == Layout::kInterleaved) return make_interleaved_codec(spec, dim);
  if (spec.layout == Layout::kTransposed) return make_transposed_codec(spec, dim);
  Result<Codebook> codebook = Codebook::lloyd_max(spec.bits, dim);
  assert(codebook.has_value());  // the table admits 1 to 9 bits
  return std::make_shared<TurboCodec>(spec, dim, std::move(*codebook));
}

}  // namespace tq
