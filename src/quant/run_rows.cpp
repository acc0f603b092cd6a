#include "quant/run_rows.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "quant/blocks.h"
#include "quant/interleave.h"
#include "quant/row_blocks.h"
#include "simd/kernels.h"

namespace tq {
namespace {

constexpr std::size_t kChunk = 32;

/// Where the parts of 16 rows lie: a header for every few chunks, then their words.
struct Places {
  Places(const RunFormat& format, std::size_t row_values)
      : bits(format.bits),
        chunks(format.has_units ? kUnitChunks : kHalfChunks),
        runs(kChunk / format.run),
        numbers(format.has_offsets ? 2 : 1),
        header(format.has_units ? 4 * kInterleavedRows + chunks * runs * numbers * kInterleavedRows : chunks * numbers * 2 * kInterleavedRows),
        part(header + chunks * bits * 64),
        n_parts(row_values / values()) {}

  std::size_t values() const { return chunks * kChunk; }
  std::size_t bytes() const { return n_parts * part; }
  /// Of a half: of the scales (0) or offsets (1) of chunk `chunk` of a part; of the units there is one each.
  std::size_t half(std::size_t kind, std::size_t chunk, std::size_t row, bool has_units) const {
    return (kind * (has_units ? 1 : chunks) + chunk) * 2 * kInterleavedRows + 2 * row;
  }
  /// Of the scale (0) or offset (1) of a run of a part that has units.
  std::size_t number(std::size_t kind, std::size_t run, std::size_t row) const {
    return 4 * kInterleavedRows + ((run / runs * numbers + kind) * runs + run % runs) * kInterleavedRows + row;
  }

  std::size_t bits, chunks, runs, numbers, header, part, n_parts;
};

class InterleavedRunCodec final : public Codec {
 public:
  InterleavedRunCodec(const CodecSpec& spec, std::shared_ptr<const Codec> rows, const RunSource& source)
      : Codec(spec, rows->dim(), kInterleavedRows, Places(source.run_format(), rows->dim()).bytes()),
        rows_(std::move(rows)),
        source_(source),
        format_(source.run_format()),
        places_(format_, dim()) {}

  void encode(const float* x, std::byte* storage, std::size_t row, Workspace& scratch) const override {
    std::vector<std::byte> coded(rows_->group_bytes());
    rows_->encode(x, coded.data(), 0, scratch);
    store_coded(coded.data(), 1, storage, row);
  }

  void store_coded(const std::byte* rows, std::size_t n_rows, std::byte* storage, std::size_t first) const {
    RunParts parts;
    for (std::size_t r = 0; r < n_rows; ++r) {
      source_.take_apart(rows + r * rows_->group_bytes(), parts);
      store(parts, storage, first + r);
    }
  }

  void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const override {
    std::vector<std::uint16_t> codes(places_.values());
    for (std::size_t row = first; row < first + n_rows; ++row, out += dim()) {
      const std::byte* part = storage + row / kInterleavedRows * group_bytes();
      for (std::size_t p = 0; p < places_.n_parts; ++p, part += places_.part) {
        separate_row(part + places_.header, places_.values(), format_.bits, row % kInterleavedRows, codes.data());
        decode_part(part, codes, row % kInterleavedRows, out + p * places_.values());
      }
    }
  }

  void make_room(std::size_t count, Query& query) const override {
    Codec::make_room(count, query);
    query.words.resize(count * dim());
    query.units.resize(count);
    query.runs.resize(count * n_runs());
  }

  void complete(Query& query, std::size_t begin, std::size_t end) const override {
    constexpr std::size_t kPlaces[4] = {0, 2, 1, 3};  // even bytes of a word meet the first two, odd ones the others
    std::vector<std::int8_t> planes(2 * dim());
    std::int8_t *high = planes.data(), *low = high + dim();
    for (std::size_t i = begin; i < end; ++i) {
      std::int32_t sums[2];
      kernels().to_words(query.coded.data() + i * dim(), dim(), high, low, &query.units[i], sums);
      std::int16_t* words = query.words.data() + i * dim();
      for (std::size_t run = 0; run < n_runs(); ++run) {
        std::int32_t sum = 0;
        for (std::size_t j = run * format_.run; j < (run + 1) * format_.run; ++j) {
          const std::int32_t word = 254 * high[j] + low[j];
          words[j - j % 4 + kPlaces[j % 4]] = static_cast<std::int16_t>(word);
          sum += word;
        }
        query.runs[i * n_runs() + run] = static_cast<float>(sum);
      }
    }
  }

  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride,
              Workspace& scratch) const override {
    const auto blocks = [&](std::size_t row, std::size_t n_blocks, float* products, std::size_t stride) {
      kernels().dot_interleaved_runs({.blocks = reinterpret_cast<const std::uint8_t*>(storage + row / kInterleavedRows * group_bytes()),
                                      .n_blocks = n_blocks,
                                      .block_bytes = group_bytes(),
                                      .n = dim(),
                                      .bits = format_.bits,
                                      .has_offsets = format_.has_offsets,
                                      .has_units = format_.has_units,
                                      .table = format_.table.data(),
                                      .queries = query.words.data(),
                                      .query_runs = query.runs.data(),
                                      .query_units = query.units.data(),
                                      .n_queries = query.count,
                                      .out = products,
                                      .out_stride = stride});
    };
    score_blocks<kInterleavedRows>(query.count, first, n_rows, out, out_stride, scratch.rows, blocks);
  }

 private:
  std::size_t n_runs() const { return dim() / format_.run; }

  void store(const RunParts& parts, std::byte* storage, std::size_t row) const {
    std::byte* part = storage + row / kInterleavedRows * group_bytes();
    const std::size_t in_group = row % kInterleavedRows, runs = places_.chunks * places_.runs, halves = format_.has_units ? 1 : places_.chunks;
    for (std::size_t p = 0; p < places_.n_parts; ++p, part += places_.part) {
      for (std::size_t i = 0; i < halves; ++i) {
        std::memcpy(part + places_.half(0, i, in_group, format_.has_units), &parts.scales[p * halves + i], 2);
        if (format_.has_offsets) std::memcpy(part + places_.half(1, i, in_group, format_.has_units), &parts.offsets[p * halves + i], 2);
        if (format_.has_units && !format_.has_offsets) std::memset(part + places_.half(1, i, in_group, true), 0, 2);
      }
      for (std::size_t k = 0; format_.has_units && k < runs; ++k) {
        std::memcpy(part + places_.number(0, k, in_group), &parts.run_scales[p * runs + k], 1);
        if (format_.has_offsets) std::memcpy(part + places_.number(1, k, in_group), &parts.run_offsets[p * runs + k], 1);
      }
      interleave_row(parts.codes.data() + p * places_.values(), places_.values(), format_.bits, in_group, part + places_.header);
    }
  }

  /// The sums and products of the codec of rows, in its order.
  void decode_part(const std::byte* part, const std::vector<std::uint16_t>& codes, std::size_t row, float* out) const {
    for (std::size_t k = 0; k < places_.chunks * places_.runs; ++k) {
      const std::size_t chunk = format_.has_units ? 0 : k / places_.runs;
      float scale = load_half(part + places_.half(0, chunk, row, format_.has_units)), offset = -0.0F;
      if (format_.has_offsets) offset = load_half(part + places_.half(1, chunk, row, format_.has_units));
      if (format_.has_units) {
        scale *= static_cast<float>(std::to_integer<std::int8_t>(part[places_.number(0, k, row)]));
        if (format_.has_offsets) offset *= static_cast<float>(std::to_integer<std::int8_t>(part[places_.number(1, k, row)]));
      }
      for (std::size_t i = k * format_.run; i < (k + 1) * format_.run; ++i) {
        const auto value = format_.bits == 8 ? static_cast<std::int8_t>(codes[i]) : format_.table[codes[i]];
        out[i] = scale * static_cast<float>(value) + offset;
      }
    }
  }

  std::shared_ptr<const Codec> rows_;
  const RunSource& source_;  ///< of `rows_`
  RunFormat format_;
  Places places_;
};

}  // namespace

std::shared_ptr<const Codec> make_interleaved_runs(const CodecSpec& spec, std::shared_ptr<const Codec> rows) {
  const auto* source = dynamic_cast<const RunSource*>(rows.get());
  assert(source != nullptr && rows->group_rows() == 1);
  return std::make_shared<InterleavedRunCodec>(spec, std::move(rows), *source);
}

void interleave_runs(const Codec& codec, const std::byte* rows, std::size_t n_rows, std::byte* storage, std::size_t first) {
  dynamic_cast<const InterleavedRunCodec&>(codec).store_coded(rows, n_rows, storage, first);
}

}  // namespace tq
