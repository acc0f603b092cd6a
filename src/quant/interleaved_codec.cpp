// TurboQuant, one pass, as turbo_codec.cpp codes it, in the layout that integer products want: groups of 32 rows, their scales first,
// then twice the interleaved codes of 16 rows (interleave.h). The centroids are multiples of one step, in one byte or in two, so that codes
// meet queries in bytes without being decoded.
#include "quant/interleaved_codec.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

#include "quant/codecs.h"
#include "quant/integer_rows.h"
#include "quant/interleave.h"
#include "quant/scaled_row.h"
#include "simd/kernels.h"
#include "turboquant/codebook.h"

namespace tq {
namespace {

ByteCodebook two_bytes_of(const Codebook& codebook) {
  const std::size_t n = codebook.centroids.size();
  const double unit = static_cast<double>(codebook.centroids.back()) / 32384;
  ByteCodebook bytes{.table = std::vector<std::int8_t>(2 * n), .step = static_cast<float>(254 * unit)};
  for (std::size_t i = 0; i < n; ++i) {
    const long units = std::lround(static_cast<double>(codebook.centroids[i]) / unit), high = std::lround(static_cast<double>(units) / 254);
    bytes.table[i] = static_cast<std::int8_t>(high);
    bytes.table[n + i] = static_cast<std::int8_t>(units - 254 * high);
  }
  return bytes;
}

}  // namespace

ByteCodebook bytes_of(Codebook& codebook) {
  if (codebook.centroids.size() > std::size_t{1} << kMostByteBits) return two_bytes_of(codebook);
  ByteCodebook bytes{.table = std::vector<std::int8_t>(codebook.centroids.size()), .step = codebook.centroids.back() / 127.0F};
  for (std::size_t i = 0; i < codebook.centroids.size(); ++i) {
    bytes.table[i] = static_cast<std::int8_t>(std::lround(codebook.centroids[i] / bytes.step));
    codebook.centroids[i] = static_cast<float>(bytes.table[i]) * bytes.step;
  }
  for (std::size_t i = 0; i < codebook.boundaries.size(); ++i) {
    codebook.boundaries[i] = 0.5F * (codebook.centroids[i] + codebook.centroids[i + 1]);
  }
  return bytes;
}

float code_row(const CodecSpec& spec, const Codebook& codebook, const float* y, std::size_t dim, Workspace& scratch) {
  scratch.codes.assign(dim, 0);
  const UnitRow size = normalize(y, dim, scratch.unit);
  if (size.rms == 0) return 0;
  kernels().quantize(scratch.unit.data(), dim, codebook.boundaries.data(), codebook.boundaries.size(), scratch.codes.data());
  scratch.rows.resize(std::max(scratch.rows.size(), dim));
  const std::vector<float>& centroids = codebook.centroids;
  kernels().look_up_codes(scratch.codes.data(), dim, centroids.data(), centroids.size(), 1.0F, scratch.rows.data());
  return corrected_scale(size, spec.scale, scratch.unit.data(), scratch.rows.data(), dim);
}

namespace {

class InterleavedCodec final : public IntegerRows {
 public:
  InterleavedCodec(const CodecSpec& spec, std::size_t dim, Codebook codebook, ByteCodebook bytes)
      : IntegerRows(spec, dim, interleaved_words(dim, spec.bits), bytes.step), codebook_(std::move(codebook)), bytes_(std::move(bytes)) {}

  void encode(const float* y, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    store_scale(spec(), code_row(spec(), codebook_, y, dim(), scratch), scale(storage, row));
    interleave_row(scratch.codes.data(), dim(), spec().bits, row % kInterleavedRows, words(storage, row));
  }

  void encode_rows(const float* y, std::size_t n_rows, std::byte* storage, std::size_t first, Workspace& scratch) const override {
    if (!takes_lanes()) return Codec::encode_rows(y, n_rows, storage, first, scratch);
    scratch.lanes.resize(std::max(scratch.lanes.size(), kLanes * dim()));
    for_blocks(
        first, n_rows, [&](std::size_t r) { encode(y + r * dim(), storage, first + r, scratch); },
        [&](std::size_t r) {
          kernels().to_lanes(y + r * dim(), dim(), kLanes, dim(), scratch.lanes.data());
          encode_lanes(scratch.lanes.data(), storage, first + r, scratch);
        });
  }

  bool takes_lanes() const override { return spec().bits <= kMostByteBits; }
  void encode_lanes(float* lanes, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    scratch.choices.resize(std::max(scratch.choices.size(), (dim() + 3) / 4 * 64));
    std::array<float, kLanes> factors, products, squares;
    const auto sizes = measure_lanes(lanes, dim(), factors.data());
    kernels().quantize_lanes({.x = lanes,
                              .n = dim(),
                              .factors = factors.data(),
                              .bits = spec().bits,
                              .boundaries = codebook_.boundaries.data(),
                              .centroids = codebook_.centroids.data(),
                              .squares_of_x = spec().scale == ScaleRule::kUnbiased,
                              .fields = scratch.choices.data(),
                              .products = products.data(),
                              .squares = squares.data()});
    for (std::size_t r = 0; r < kLanes; ++r) {
      const float factor = sizes[r].rms == 0 ? 0 : corrected_scale(sizes[r], spec().scale, products[r], squares[r]);
      store_scale(spec(), factor, scale(storage, row + r));
    }
    interleave_fields(scratch.choices.data(), dim(), spec().bits, words(storage, row));
  }

  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    std::vector<std::uint16_t> codes(dim());
    const std::vector<float>& centroids = codebook_.centroids;
    for (std::size_t row = first; row < first + n_rows; ++row, out += dim()) {
      separate_row(words(storage, row), dim(), spec().bits, row % kInterleavedRows, codes.data());
      kernels().look_up_codes(codes.data(), dim(), centroids.data(), centroids.size(), load_scale(spec(), scale(storage, row)), out);
    }
  }

 protected:
  void multiply(InterleavedDot& job) const override {
    job.table = bytes_.table.data();
    if (spec().bits <= kMostByteBits) return kernels().dot_interleaved(job);
    kernels().dot_wide(job);
  }

 private:
  Codebook codebook_;
  ByteCodebook bytes_;
};

}  // namespace

std::shared_ptr<const Codec> make_interleaved_codec(const CodecSpec& spec, std::size_t dim) {
  Result<Codebook> codebook = Codebook::lloyd_max(spec.bits, dim);
  assert(codebook.has_value());  // the table admits 1 to 9 bits
  const bool integer = dim <= longest_integer_row(spec.bits);
  ByteCodebook bytes = integer ? bytes_of(*codebook) : ByteCodebook{};
  return std::make_shared<InterleavedCodec>(spec, dim, std::move(*codebook), std::move(bytes));
}

}  // namespace tq
