#include "quant/feedback_encoder.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <vector>

#include "quant/bits.h"
#include "quant/feedback_search.h"
#include "quant/interleave.h"
#include "quant/interleaved_codec.h"
#include "quant/scaled_row.h"
#include "quant/trellis.h"
#include "simd/kernels.h"
#include "turboquant/codebook.h"

namespace tq {
namespace {

/// Lloyd-Max codes, column by column (GPTQ: arXiv 2210.17323).
class ScalarFeedback final : public FeedbackEncoder {
 public:
  ScalarFeedback(const CodecSpec& spec, std::shared_ptr<const HessianFactor> factor)
      : FeedbackEncoder(spec, std::move(factor)), codebook_(*Codebook::lloyd_max(spec.bits, dim())) {
    if (spec.layout == Layout::kInterleaved && dim() <= longest_integer_row(spec.bits)) bytes_of(codebook_);
  }

  void choose(const float* x, std::size_t n_rows, std::uint16_t* codes, float* values) const override {
    const std::size_t n = dim();
    std::vector<float> targets(x, x + n_rows * n);
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t r = 0; r < n_rows; ++r) {
        std::uint16_t& code = codes[r * n + i];
        kernels().quantize(&targets[r * n + i], 1, codebook_.boundaries.data(), codebook_.boundaries.size(), &code);
        values[r * n + i] = codebook_.centroids[code];
        const float error = x[r * n + i] - values[r * n + i];
        kernels().weighted_sum(&error, factor().row(i), n, 1, i, &targets[r * n]);
      }
    }
  }

 private:
  Codebook codebook_;
};

class TrellisFeedback final : public FeedbackEncoder {
 public:
  TrellisFeedback(const CodecSpec& spec, std::shared_ptr<const HessianFactor> factor)
      : FeedbackEncoder(spec, std::move(factor)), trellis_(trellis_of(spec.bits, spec.version)) {
    for (std::size_t w = 0; w < std::size_t{1} << trellis_.window; ++w)
      values_.push_back(static_cast<float>(trellis_.table[w]) * trellis_.unit);
  }

  void choose(const float* x, std::size_t n_rows, std::uint16_t* codes, float* values) const override {
    FeedbackSearch(trellis_, values_, factor()).run(x, n_rows, codes);
    std::vector<std::byte> packed(packed_bytes(dim(), spec().bits) + 64);
    for (std::size_t r = 0; r < n_rows; ++r) {
      pack_codes(codes + r * dim(), dim(), spec().bits, packed.data());
      kernels().decode_windows({reinterpret_cast<const std::uint8_t*>(packed.data()), packed.size(), 1, trellis_.bits,
                                dim(), &trellis_.unit, values + r * dim()},
                               {trellis_.table, trellis_.window, is_closed(dim()), trellis_.mirror});
    }
  }

 private:
  const Trellis& trellis_;
  std::vector<float> values_;
};

}  // namespace

bool FeedbackEncoder::knows(const CodecSpec& spec) {
  return spec.family == CodecFamily::kTrellis ||
         (spec.family == CodecFamily::kTurbo && spec.layout != Layout::kTransposed);
}

std::unique_ptr<const FeedbackEncoder> FeedbackEncoder::create(const CodecSpec& spec,
                                                               std::shared_ptr<const HessianFactor> factor) {
  assert(knows(spec));
  if (spec.family == CodecFamily::kTrellis) return std::make_unique<TrellisFeedback>(spec, std::move(factor));
  return std::make_unique<ScalarFeedback>(spec, std::move(factor));
}

FeedbackEncoder::Cost FeedbackEncoder::encode_rows(const float* y, std::size_t n_rows, float stretch,
                                                   std::byte* storage, std::size_t first) const {
  Cost sum;
  for (std::size_t r = 0; r < n_rows; r += kBlockRows) {
    const Cost cost = encode_block(y + r * dim(), std::min(kBlockRows, n_rows - r), stretch, storage, first + r);
    sum.error += cost.error;
    sum.energy += cost.energy;
  }
  return sum;
}

FeedbackEncoder::Cost FeedbackEncoder::encode_block(const float* y, std::size_t n_rows, float stretch,
                                                    std::byte* storage, std::size_t first) const {
  const std::size_t n = dim();
  std::vector<float> x, unit, values(n_rows * n), u(n), v(n);
  std::vector<std::uint16_t> codes(n_rows * n);
  std::vector<UnitRow> sizes;
  for (std::size_t r = 0; r < n_rows; ++r) {
    sizes.push_back(normalize(y + r * n, n, unit));
    for (const float value : unit) x.push_back(value / stretch);
  }
  choose(x.data(), n_rows, codes.data(), values.data());
  Cost cost;
  for (std::size_t r = 0; r < n_rows; ++r) {
    factor().whiten(x.data() + r * n, u.data());
    factor().whiten(values.data() + r * n, v.data());
    double uu = 0, uv = 0, vv = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const auto weight = static_cast<double>(factor().weights()[i]);
      const auto a = static_cast<double>(u[i]), b = static_cast<double>(v[i]);
      uu += weight * a * a;
      uv += weight * a * b;
      vv += weight * b * b;
    }
    const double scale = uv > 0 && vv > 0 ? uv / vv : 0;  // of the codes, in units of x
    const double unit_of_x =
        std::ldexp(static_cast<double>(sizes[r].rms) * static_cast<double>(stretch), sizes[r].exponent);
    if (sizes[r].rms == 0) std::fill_n(codes.begin() + static_cast<std::ptrdiff_t>(r * n), n, std::uint16_t{0});
    store_codes(spec(), n, codes.data() + r * n, static_cast<float>(scale * unit_of_x), storage, first + r);
    cost.energy += uu * unit_of_x * unit_of_x;
    cost.error += (uu - scale * uv) * unit_of_x * unit_of_x;
  }
  return cost;
}

void store_codes(const CodecSpec& spec, std::size_t dim, const std::uint16_t* codes, float scale, std::byte* storage,
                 std::size_t row) {
  const bool trellis = spec.family == CodecFamily::kTrellis;
  if (spec.layout == Layout::kInterleaved && (!trellis || interleaves(spec.bits, dim))) {
    const std::size_t n_words = interleaved_words(dim, spec.bits), scales = kGroupRows * scale_bytes(spec);
    std::byte* group = storage + row / kGroupRows * (scales + 2 * 64 * n_words);
    const std::size_t lane = row % kGroupRows;
    store_scale(spec, scale, group + lane * scale_bytes(spec));
    std::byte* words = group + scales + lane / kInterleavedRows * 64 * n_words;
    if (!trellis) return interleave_row(codes, dim, spec.bits, lane % kInterleavedRows, words);
    std::vector<std::byte> stream(4 * n_words);
    pack_codes(codes, dim, spec.bits, stream.data());
    return interleave_stream(stream.data(), n_words, lane % kInterleavedRows, words);
  }
  std::byte* begin = storage + row * (scale_bytes(spec) + packed_bytes(dim, spec.bits));
  store_scale(spec, scale, begin);
  pack_codes(codes, dim, spec.bits, begin + scale_bytes(spec));
}

}  // namespace tq
