// TurboQuant, one pass (arXiv 2504.19874, Algorithm 1), on rows that are already rotated: one scale, then a Lloyd-Max code for each
// coordinate. The scale is corrected after coding (ScaleRule), which the paper's algorithm does not do.
//
// Row: scale (f16, or f32 with wide_scale), then dim codes as a bit stream. x̂ = scale · centroid[code]; centroids are in units of
// 1/√dim, so the scale is near the root mean square of the row.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "quant/bits.h"
#include "quant/codecs.h"
#include "quant/row_codec.h"
#include "simd/kernels.h"
#include "turboquant/codebook.h"

namespace tq {
namespace {

std::size_t scale_bytes(const CodecSpec& spec) { return spec.wide_scale ? sizeof(float) : sizeof(std::uint16_t); }

class TurboCodec final : public RowCodec {
 public:
  TurboCodec(const CodecSpec& spec, std::size_t dim, Codebook codebook)
      : RowCodec(spec, dim, scale_bytes(spec) + packed_bytes(dim, spec.bits)), codebook_(std::move(codebook)) {}

  void encode_row(const float* y, std::byte* row, Workspace& scratch) const override {
    std::memset(row, 0, row_bytes());
    std::vector<float>& unit = scratch.unit;
    unit.assign(y, y + dim());
    const int exponent = to_unit_exponent(unit.data());
    const float squares = kernels().ordered_dot(unit.data(), unit.data(), dim());
    if (squares == 0) return;  // scale 0: the row decodes to zeros
    const float rms = std::sqrt(squares / static_cast<float>(dim()));
    kernels().scale(unit.data(), 1.0F / rms, dim());

    scratch.codes.resize(dim());
    kernels().quantize(unit.data(), dim(), codebook_.boundaries.data(), codebook_.boundaries.size(), scratch.codes.data());
    pack_codes(scratch.codes.data(), dim(), spec().bits, row + scale_bytes(spec()));
    scratch.rows.resize(std::max(scratch.rows.size(), dim()));
    decode_row(row, 1.0F, scratch.rows.data());
    store_scale(std::ldexp(rms * correction(unit.data(), scratch.rows.data()), exponent), row);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for (std::size_t r = 0; r < n_rows; ++r, rows += row_bytes(), out += dim()) decode_row(rows, load_scale(rows), out);
  }

 private:
  /// Divides by a power of two, which is exact, so that the largest magnitude lies in [1, 2) and no square overflows. Values that are not
  /// finite become 0. Returns the exponent.
  int to_unit_exponent(float* x) const {
    float largest = 0;
    for (std::size_t i = 0; i < dim(); ++i) {
      if (!std::isfinite(x[i])) x[i] = 0;
      largest = std::max(largest, std::abs(x[i]));
    }
    if (largest == 0) return 0;
    const int exponent = std::clamp(std::ilogb(largest), -126, 126);  // both 2^±126 are normal floats
    kernels().scale(x, std::ldexp(1.0F, -exponent), dim());
    return exponent;
  }

  /// What the root mean square is multiplied by. Both sums are positive: a centroid has the sign of what it stands for.
  float correction(const float* unit, const float* centroids) const {
    const float product = kernels().ordered_dot(centroids, unit, dim());
    switch (spec().scale) {
      case ScaleRule::kUnbiased: return kernels().ordered_dot(unit, unit, dim()) / product;
      case ScaleRule::kLeastSquares: return product / kernels().ordered_dot(centroids, centroids, dim());
      case ScaleRule::kNorm: break;
    }
    return 1.0F;
  }

  void decode_row(const std::byte* row, float scale, float* out) const {
    const auto* packed = reinterpret_cast<const std::uint8_t*>(row + scale_bytes(spec()));
    kernels().decode_codes(packed, spec().bits, codebook_.centroids.data(), scale, dim(), out);
  }

  void store_scale(float scale, std::byte* row) const {
    if (spec().wide_scale) {
      scale = std::min(scale, 3.0e38F);
      std::memcpy(row, &scale, sizeof scale);
    } else {
      const std::uint16_t half = float_to_half(std::min(scale, 65504.0F));
      std::memcpy(row, &half, sizeof half);
    }
  }

  float load_scale(const std::byte* row) const {
    if (!spec().wide_scale) return half_to_float(load_u16(row));
    float scale = 0;
    std::memcpy(&scale, row, sizeof scale);
    return scale;
  }

  Codebook codebook_;
};

}  // namespace

std::shared_ptr<const Codec> make_turbo_codec(const CodecSpec& spec, std::size_t dim) {
  Result<Codebook> codebook = Codebook::lloyd_max(spec.bits, dim);
  assert(codebook.has_value());  // the table admits 1 to 9 bits
  return std::make_shared<TurboCodec>(spec, dim, std::move(*codebook));
}

}  // namespace tq
