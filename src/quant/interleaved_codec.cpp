// TurboQuant, one pass, as turbo_codec.cpp codes it, in the layout that integer products want: groups of 32 rows, their scales first,
// then twice the interleaved codes of 16 rows (interleave.h). Up to 4 bits the centroids are multiples of one step, so that codes
// meet int8 queries without being decoded.
#include "quant/interleaved_codec.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "quant/codecs.h"
#include "quant/interleave.h"
#include "quant/lane_codec.h"
#include "quant/scaled_row.h"
#include "simd/kernels.h"
#include "turboquant/codebook.h"

namespace tq {
ByteCodebook round_to_bytes(Codebook& codebook) {
  ByteCodebook bytes;
  bytes.step = codebook.centroids.back() / 127.0F;
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

class InterleavedCodec final : public LaneCodec {
 public:
  InterleavedCodec(const CodecSpec& spec, std::size_t dim, Codebook codebook)
      : LaneCodec(spec, dim, kGroupRows, kGroupRows * scale_bytes(spec) + 2 * 64 * interleaved_words(dim, spec.bits)),
        n_words_(interleaved_words(dim, spec.bits)), integer_(spec.bits <= kMostIntegerBits && dim <= kLongestIntegerRow),
        codebook_(std::move(codebook)) {
    if (integer_) bytes_ = round_to_bytes(codebook_);
  }

  void encode(const float* y, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    const float scale = code_row(spec(), codebook_, y, dim(), scratch);
    std::byte* group = storage + row / kGroupRows * group_bytes();
    const std::size_t lane = row % kGroupRows;
    store_scale(spec(), scale, group + lane * scale_bytes(spec()));
    interleave_row(scratch.codes.data(), dim(), spec().bits, lane % kInterleavedRows, words(group, lane / kInterleavedRows));
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

  bool takes_lanes() const override { return spec().bits <= kMostIntegerBits; }
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
    std::byte* group = storage + row / kGroupRows * group_bytes();
    const std::size_t half = row / kLanes % 2;
    for (std::size_t r = 0; r < kLanes; ++r) {
      const float scale = sizes[r].rms == 0 ? 0 : corrected_scale(sizes[r], spec().scale, products[r], squares[r]);
      store_scale(spec(), scale, group + (half * kLanes + r) * scale_bytes(spec()));
    }
    interleave_fields(scratch.choices.data(), dim(), spec().bits, words(group, half));
  }

  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    std::vector<std::uint16_t> codes(dim());
    for (std::size_t row = first; row < first + n_rows; ++row, out += dim()) {
      const std::byte* group = storage + row / kGroupRows * group_bytes();
      const std::size_t lane = row % kGroupRows;
      separate_row(words(group, lane / kInterleavedRows), dim(), spec().bits, lane % kInterleavedRows, codes.data());
      look_up(codes.data(), load_scale(spec(), group + lane * scale_bytes(spec())), out);
    }
  }

  void make_room(std::size_t count, Query& query) const override {
    Codec::make_room(count, query);
    if (!integer_) return;
    query.bytes.assign(count * padded(), 0);
    query.units.resize(count);
    query.sums.resize(count);
  }

  void complete(Query& query, std::size_t begin, std::size_t end) const override {
    if (!integer_) return;
    for (std::size_t i = begin; i < end; ++i) {
      const float* row = query.coded.data() + i * dim();
      std::int8_t* bytes = query.bytes.data() + i * padded();
      float largest = 0;
      for (std::size_t j = 0; j < dim(); ++j) {
        largest = std::isnan(row[j]) ? std::numeric_limits<float>::infinity() : std::max(largest, std::abs(row[j]));
      }
      // A query that is not finite gives scores that are not finite either; one below 2^-100 gives zeros.
      const bool usable = largest > 0x1p-100F && largest < 0x1p100F;
      query.units[i] = usable ? largest / 127.0F : largest < 1 ? 0.0F : std::numeric_limits<float>::quiet_NaN();
      if (usable) kernels().to_bytes(row, dim(), 127.0F / largest, bytes);
      query.sums[i] = 0;
      for (std::size_t j = 0; j < dim(); ++j) query.sums[i] += bytes[j];
    }
  }

  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
              std::size_t out_stride, Workspace& scratch) const override {
    if (!integer_) return Codec::scores(query, storage, first, n_rows, out, out_stride, scratch);
    const std::size_t end = first + n_rows;
    for (std::size_t block = first / kInterleavedRows; block * kInterleavedRows < end; ++block) {
      const std::size_t begin_row = block * kInterleavedRows;
      const bool whole = begin_row >= first && begin_row + kInterleavedRows <= end;
      if (whole) {
        score_block(query, storage, block, out + (begin_row - first), out_stride);
        continue;
      }
      scratch.rows.resize(std::max(scratch.rows.size(), query.count * kInterleavedRows));
      score_block(query, storage, block, scratch.rows.data(), kInterleavedRows);
      const std::size_t from = std::max(begin_row, first), to = std::min(begin_row + kInterleavedRows, end);
      for (std::size_t i = 0; i < query.count; ++i) {
        std::memcpy(out + i * out_stride + (from - first), scratch.rows.data() + i * kInterleavedRows + (from - begin_row),
                    (to - from) * sizeof(float));
      }
    }
  }

 private:
  std::size_t padded() const { return (dim() + 31) / 32 * 32; }

  const std::byte* words(const std::byte* group, std::size_t half) const {
    return group + kGroupRows * scale_bytes(spec()) + half * n_words_ * 64;
  }
  std::byte* words(std::byte* group, std::size_t half) const { return const_cast<std::byte*>(words(static_cast<const std::byte*>(group), half)); }

  void look_up(const std::uint16_t* codes, float scale, float* out) const {
    kernels().look_up_codes(codes, dim(), codebook_.centroids.data(), codebook_.centroids.size(), scale, out);
  }

  /// 16 rows against all queries.
  void score_block(const Query& query, const std::byte* storage, std::size_t block, float* out, std::size_t out_stride) const {
    const std::byte* group = storage + block / 2 * group_bytes();
    const std::byte* stored = group + block % 2 * kInterleavedRows * scale_bytes(spec());
    std::array<float, kInterleavedRows> scales;
    if (spec().wide_scale) {
      std::memcpy(scales.data(), stored, sizeof scales);
    } else {
      kernels().f16_to_f32(stored, kInterleavedRows, scales.data());
    }
    for (float& scale : scales) scale *= bytes_.step;
    kernels().dot_interleaved({.words = reinterpret_cast<const std::uint8_t*>(words(group, block % 2)),
                               .n_words = n_words_,
                               .bits = spec().bits,
                               .table = bytes_.table.data(),
                               .row_scales = scales.data(),
                               .queries = query.bytes.data(),
                               .query_stride = padded(),
                               .query_sums = query.sums.data(),
                               .query_units = query.units.data(),
                               .n_queries = query.count,
                               .out = out,
                               .out_stride = out_stride});
  }

  std::size_t n_words_;
  bool integer_;
  Codebook codebook_;
  ByteCodebook bytes_;
};

}  // namespace

std::shared_ptr<const Codec> make_interleaved_codec(const CodecSpec& spec, std::size_t dim) {
  Result<Codebook> codebook = Codebook::lloyd_max(spec.bits, dim);
  assert(codebook.has_value());  // the table admits 1 to 9 bits
  return std::make_shared<InterleavedCodec>(spec, dim, std::move(*codebook));
}

}  // namespace tq
