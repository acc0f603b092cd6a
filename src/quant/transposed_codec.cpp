// TurboQuant, one pass, as turbo_codec.cpp codes it, in the layout that sums of rows want: groups of 32 rows, their scales first, then for
// each 16 coordinates the codes of all 32 (interleave.h). A sum over 32 rows is a product of their codes with their weights in bytes, and no
// code is ever decoded.
#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "quant/codecs.h"
#include "quant/interleave.h"
#include "quant/interleaved_codec.h"
#include "quant/scaled_row.h"
#include "simd/kernels.h"

namespace tq {
namespace {

constexpr std::size_t kCoordinates = 16;    // of a register
/// Groups that all sets of weights meet before the next ones come: as many as weights_to_bytes() takes at once.
constexpr std::size_t kGroupsAtOnce = 16;

class TransposedCodec final : public Codec {
 public:
  TransposedCodec(const CodecSpec& spec, std::size_t dim, Codebook codebook)
      : Codec(spec, dim, kGroupRows, kGroupRows * scale_bytes(spec) + blocks_of(dim) * 64 * spec.bits), codebook_(std::move(codebook)),
        bytes_(bytes_of(codebook_)) {}

  void encode(const float* y, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    const float scale = code_row(spec(), codebook_, y, dim(), scratch);
    std::byte* group = storage + row / kGroupRows * group_bytes();
    store_scale(spec(), scale, group + row % kGroupRows * scale_bytes(spec()));
    transpose_row(scratch.codes.data(), dim(), spec().bits, row % kGroupRows, group + words_begin());
  }

  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    std::vector<std::uint16_t> codes(dim());
    for (std::size_t row = first; row < first + n_rows; ++row, out += dim()) {
      const std::byte* group = storage + row / kGroupRows * group_bytes();
      restore_row(group + words_begin(), dim(), spec().bits, row % kGroupRows, codes.data());
      const float scale = load_scale(spec(), group + row % kGroupRows * scale_bytes(spec()));
      kernels().look_up_codes(codes.data(), dim(), codebook_.centroids.data(), codebook_.centroids.size(), scale, out);
    }
  }

  void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                  std::size_t n_rows, float* acc, Workspace& scratch) const override {
    const std::size_t end = first + n_rows, groups = (end + kGroupRows - 1) / kGroupRows;
    for (std::size_t group = first / kGroupRows; group < groups; group += kGroupsAtOnce) {
      const Range range{.group = group, .n_groups = std::min(kGroupsAtOnce, groups - group), .first = first, .end = end};
      load_scales(storage, range, scratch.scales);
      load_weights(weights, count, stride, range, scratch);
      add_groups(storage + group * group_bytes(), range.n_groups, 1, count, acc, scratch);
    }
  }

  void accumulate_softmax(float* scores, std::size_t count, std::size_t stride, const std::size_t* begins, const std::size_t* ends,
                          const std::byte* storage, std::size_t first, std::size_t n_rows, float* acc, float* tops, float* totals,
                          Workspace& scratch) const override {
    if (planes() > 1) return Codec::accumulate_softmax(scores, count, stride, begins, ends, storage, first, n_rows, acc, tops, totals, scratch);
    assert(first % kGroupRows == 0 && n_rows <= kGroupsAtOnce * kGroupRows);
    const Range range{.group = first / kGroupRows, .n_groups = (n_rows + kGroupRows - 1) / kGroupRows, .first = first, .end = first + n_rows};
    load_scales(storage, range, scratch.scales);
    Query& integers = room_for_weights(count, range, scratch);
    kernels().softmax_weights({.scores = scores,
                               .score_stride = stride,
                               .begins = begins,
                               .ends = ends,
                               .scales = scratch.scales.data(),
                               .n_groups = range.n_groups,
                               .n_queries = count,
                               .bytes = integers.bytes.data(),
                               .units = integers.units.data(),
                               .sums = integers.sums.data(),
                               .tops = tops,
                               .totals = totals});
    add_groups(storage + range.group * group_bytes(), range.n_groups, 2, count, acc, scratch);
  }

 private:
  /// Groups, of which the rows first … end − 1 of the storage count.
  struct Range {
    std::size_t group, n_groups, first, end;

    std::size_t rows() const { return n_groups * kGroupRows; }
    /// Those of its rows that count.
    std::size_t from() const { return std::max(first, group * kGroupRows) - group * kGroupRows; }
    std::size_t to() const { return std::min(end, (group + n_groups) * kGroupRows) - group * kGroupRows; }
  };

  /// Bytes of a weight.
  std::size_t planes() const { return spec().bits <= kMostByteBits ? 1 : 2; }
  static std::size_t blocks_of(std::size_t dim) { return (dim + kCoordinates - 1) / kCoordinates; }
  std::size_t words_begin() const { return kGroupRows * scale_bytes(spec()); }

  /// Zeros for the rows that do not count: theirs may never have been written.
  void load_scales(const std::byte* storage, const Range& range, std::vector<float>& scales) const {
    scales.resize(range.rows());
    for (std::size_t g = 0; g < range.n_groups; ++g) {
      const std::byte* stored = storage + (range.group + g) * group_bytes();
      float* out = scales.data() + g * kGroupRows;
      if (spec().wide_scale) {
        std::memcpy(out, stored, kGroupRows * sizeof(float));
      } else {
        kernels().f16_to_f32(stored, kGroupRows, out);
      }
    }
    kernels().scale(scales.data(), bytes_.step, range.rows());
    std::fill_n(scales.begin(), range.from(), 0.0F);
    std::fill(scales.begin() + static_cast<std::ptrdiff_t>(range.to()), scales.end(), 0.0F);
  }

  Query& room_for_weights(std::size_t count, const Range& range, Workspace& scratch) const {
    Query& integers = scratch.weights;
    integers.bytes.resize(count * planes() * range.rows());
    integers.units.resize(count * range.n_groups);
    integers.sums.resize(count * planes() * range.n_groups);
    return integers;
  }

  /// The weights of `range`, as integers.
  void load_weights(const float* weights, std::size_t count, std::size_t stride, const Range& range, Workspace& scratch) const {
    Query& integers = room_for_weights(count, range, scratch);
    const std::size_t from = range.from(), n = range.to() - from;
    const float* rows = weights + (range.group * kGroupRows + from - range.first);
    if (n != range.rows()) {  // zeros beside them
      scratch.rows.assign(std::max(scratch.rows.size(), count * range.rows()), 0.0F);
      for (std::size_t i = 0; i < count; ++i)
        std::memcpy(scratch.rows.data() + i * range.rows() + from, rows + i * stride, n * sizeof(float));
      rows = scratch.rows.data();
      stride = range.rows();
    }
    const RowWeights job{.weights = rows,
                         .weight_stride = stride,
                         .scales = scratch.scales.data(),
                         .n_groups = range.n_groups,
                         .n_queries = count,
                         .bytes = integers.bytes.data(),
                         .units = integers.units.data(),
                         .sums = integers.sums.data()};
    (planes() == 1 ? kernels().weights_to_bytes : kernels().weights_to_words)(job);
  }

  /// `unit_groups` of them share a unit of weights.
  void add_groups(const std::byte* groups, std::size_t n_groups, std::size_t unit_groups, std::size_t count, float* acc, Workspace& scratch) const {
    const std::size_t padded = blocks_of(dim()) * kCoordinates;
    float* sums = acc;
    if (padded != dim()) {
      scratch.rows.assign(std::max(scratch.rows.size(), count * padded), 0.0F);
      sums = scratch.rows.data();
      for (std::size_t i = 0; i < count; ++i) std::memcpy(sums + i * padded, acc + i * dim(), dim() * sizeof(float));
    }
    const TransposedSum job{.words = reinterpret_cast<const std::uint8_t*>(groups + words_begin()),
                            .group_bytes = group_bytes(),
                            .n_groups = n_groups,
                            .n_blocks = blocks_of(dim()),
                            .bits = spec().bits,
                            .table = bytes_.table.data(),
                            .weights = scratch.weights.bytes.data(),
                            .unit_groups = unit_groups,
                            .weight_sums = scratch.weights.sums.data(),
                            .weight_units = scratch.weights.units.data(),
                            .n_queries = count,
                            .sums = sums,
                            .stride = padded};
    (planes() == 1 ? kernels().sum_transposed : kernels().sum_wide)(job);
    if (padded == dim()) return;
    for (std::size_t i = 0; i < count; ++i) std::memcpy(acc + i * dim(), sums + i * padded, dim() * sizeof(float));
  }

  Codebook codebook_;
  ByteCodebook bytes_;
};

}  // namespace

std::shared_ptr<const Codec> make_transposed_codec(const CodecSpec& spec, std::size_t dim) {
  Result<Codebook> codebook = Codebook::lloyd_max(spec.bits, dim);
  assert(codebook.has_value());  // the table admits 1 to 9 bits
  return std::make_shared<TransposedCodec>(spec, dim, std::move(*codebook));
}

}  // namespace tq
