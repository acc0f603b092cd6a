// TurboQuant with a window trellis for a codebook, on rows that are already rotated. Same bits as the scalar codes of
// the same width.
//
// Row: scale, then dim codes as a bit stream. x̂ = scale · unit · table[window]; tables are in units of 1/√dim, so the
// scale is near the root mean square of the row. Interleaved, the scales of 32 rows stand first, and their streams mix.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "quant/bits.h"
#include "quant/codecs.h"
#include "quant/integer_rows.h"
#include "quant/interleave.h"
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

/// A row and its stream.
class TrellisCoder {
 public:
  TrellisCoder(const CodecSpec& spec, std::size_t dim)
      : trellis_(trellis_of(spec.bits, spec.version)),
        values_(values_of(trellis_)),
        search_(trellis_.bits, trellis_.window, values_),
        rule_(spec.scale),
        dim_(dim) {}
  TrellisCoder(const TrellisCoder&) = delete;  // the search reads values_
  TrellisCoder& operator=(const TrellisCoder&) = delete;

  const Trellis& trellis() const { return trellis_; }
  std::size_t stream_bytes() const { return packed_bytes(dim_, trellis_.bits); }

  /// Returns the scale to store. A row of zeros has scale 0 and zeros as codes.
  float code(const float* y, std::byte* stream, Workspace& scratch) const {
    std::memset(stream, 0, stream_bytes());
    const UnitRow size = normalize(y, dim_, scratch.unit);
    if (size.rms == 0) return 0;
    scratch.codes.resize(dim_);
    search_.run(scratch.unit.data(), dim_, scratch, scratch.codes.data());
    pack_codes(scratch.codes.data(), dim_, trellis_.bits, stream);
    scratch.rows.resize(std::max(scratch.rows.size(), dim_));
    const float one = 1;
    decode(stream, stream_bytes(), 1, &one, scratch.rows.data());
    return corrected_scale(size, rule_, scratch.unit.data(), scratch.rows.data(), dim_);
  }

  /// n_rows streams, `stride` bytes apart.
  void decode(const std::byte* streams, std::size_t stride, std::size_t n_rows, const float* scales, float* out) const {
    std::array<float, 64> factors;
    for (std::size_t first = 0; first < n_rows; first += factors.size()) {
      const std::size_t n = std::min(factors.size(), n_rows - first);
      for (std::size_t r = 0; r < n; ++r) factors[r] = scales[first + r] * trellis_.unit;
      const auto* packed = reinterpret_cast<const std::uint8_t*>(streams + first * stride);
      kernels().decode_windows({packed, stride, n, trellis_.bits, dim_, factors.data(), out + first * dim_},
                               {trellis_.table, trellis_.window, is_closed(dim_), trellis_.mirror});
    }
  }

 private:
  const Trellis& trellis_;
  std::vector<float> values_;
  TrellisSearch search_;
  ScaleRule rule_;
  std::size_t dim_;
};

class TrellisCodec final : public RowCodec {
 public:
  TrellisCodec(const CodecSpec& spec, std::size_t dim)
      : RowCodec(spec, dim, scale_bytes(spec) + packed_bytes(dim, spec.bits)), coder_(spec, dim) {}

  void encode_row(const float* y, std::byte* row, Workspace& scratch) const override {
    store_scale(spec(), coder_.code(y, row + scale_bytes(spec()), scratch), row);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for_scaled_rows(spec(), rows, row_bytes(), n_rows, [&](std::size_t first, std::size_t n, const float* scales) {
      coder_.decode(rows + first * row_bytes() + scale_bytes(spec()), row_bytes(), n, scales, out + first * dim());
    });
  }

 private:
  TrellisCoder coder_;
};

class InterleavedTrellisCodec final : public IntegerRows {
 public:
  InterleavedTrellisCodec(const CodecSpec& spec, std::size_t dim)
      : IntegerRows(spec, dim, interleaved_words(dim, spec.bits), integer_step(spec)), coder_(spec, dim) {}

  void encode(const float* y, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    scratch.stream.resize(coder_.stream_bytes());
    store_scale(spec(), coder_.code(y, scratch.stream.data(), scratch), scale(storage, row));
    interleave_stream(scratch.stream.data(), n_words(), row % kInterleavedRows, words(storage, row));
  }
  bool takes_lanes() const override { return false; }
  void encode_lanes(float*, std::byte*, std::size_t, Workspace&) const override {}

  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    std::vector<std::byte> stream(coder_.stream_bytes());
    for (std::size_t row = first; row < first + n_rows; ++row, out += dim()) {
      separate_stream(words(storage, row), n_words(), row % kInterleavedRows, stream.data());
      const float factor = load_scale(spec(), scale(storage, row));
      coder_.decode(stream.data(), stream.size(), 1, &factor, out);
    }
  }

 protected:
  /// Byte j of a lane carries quarter j of the row.
  void arrange(std::int8_t* bytes) const override {
    const std::vector<std::int8_t> row(bytes, bytes + dim());
    for (std::size_t i = 0; i < dim(); ++i) bytes[i] = row[i % 4 * (dim() / 4) + i / 4];
  }
  void multiply(InterleavedDot& job) const override {
    job.table = coder_.trellis().table;
    job.mirror = coder_.trellis().mirror;
    kernels().dot_windows(job);
  }

 private:
  /// Without a mirror, as version 1 has it, rows are decoded first.
  static float integer_step(const CodecSpec& spec) {
    const Trellis& trellis = trellis_of(spec.bits, spec.version);
    return trellis.mirror == 0 ? 0.0F : trellis.unit;
  }

  TrellisCoder coder_;
};

}  // namespace

std::shared_ptr<const Codec> make_trellis_codec(const CodecSpec& spec, std::size_t dim) {
  if (spec.layout == Layout::kInterleaved && interleaves(spec.bits, dim))
    return std::make_shared<InterleavedTrellisCodec>(spec, dim);
  return std::make_shared<TrellisCodec>(spec, dim);
}

}  // namespace tq
