// The outlier split of the TurboQuant paper (arXiv 2504.19874, §4.3): a quarter of the channels at bits + 1, the rest at bits. Each part
// is a one-pass TurboQuant of its own, with its own rotation, scale, and codebook in the unit of its own length.
//
// Row: the row of the first part, then the row of the second. Their rotations are inside, so none stands in front.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "quant/codecs.h"
#include "quant/row_codec.h"

namespace tq {
namespace {

struct Part {
  std::shared_ptr<const Codec> codec;
  std::size_t first;   ///< of its values in a row whose channels are in order
  std::size_t offset;  ///< of its bytes in a coded row
};

std::shared_ptr<const Codec> part_codec(const CodecSpec& whole, unsigned bits, std::size_t dim, std::uint64_t purpose) {
  CodecSpec spec;
  spec.family = CodecFamily::kTurbo;
  spec.bits = bits;
  spec.rotation = RotationKind::kRandomHadamard;
  spec.rounds = 3;
  spec.scale = whole.scale;
  spec.wide_scale = whole.wide_scale;
  spec.seed = derived_seed(whole.seed, purpose);
  return make_rotated_codec(spec, make_turbo_codec(spec, dim));
}

/// No part without values: rows of fewer than 4 have no outliers.
std::vector<Part> make_parts(const CodecSpec& spec, std::size_t dim) {
  const std::size_t n_outliers = dim / 4;
  std::vector<Part> parts;
  if (n_outliers > 0) parts.push_back({part_codec(spec, spec.bits + 1, n_outliers, 1), 0, 0});
  const std::size_t offset = parts.empty() ? 0 : parts[0].codec->group_bytes();
  parts.push_back({part_codec(spec, spec.bits, dim - n_outliers, 2), n_outliers, offset});
  return parts;
}

class SplitCodec final : public RowCodec {
 public:
  /// `order`: all channels, outliers first.
  SplitCodec(const CodecSpec& spec, std::vector<Part> parts, std::vector<std::uint32_t> order)
      : RowCodec(spec, order.size(), parts.back().offset + parts.back().codec->group_bytes()), parts_(std::move(parts)),
        order_(std::move(order)) {}

  void encode_row(const float* x, std::byte* row, Workspace& scratch) const override {
    const std::vector<float> ordered = in_order(x);
    for (const Part& part : parts_) part.codec->encode(ordered.data() + part.first, row + part.offset, 0, scratch);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for (std::size_t r = 0; r < n_rows; ++r, rows += row_bytes(), out += dim()) {
      for (const Part& part : parts_) part.codec->decode_coded(rows + part.offset, 0, 1, out + part.first);
    }
  }

  void to_coded(const float* x, float* y) const override {
    const std::vector<float> ordered = in_order(x);
    for (const Part& part : parts_) part.codec->to_coded(ordered.data() + part.first, y + part.first);
  }

  void from_coded(float* x) const override {
    for (const Part& part : parts_) part.codec->from_coded(x + part.first);
    const std::vector<float> ordered(x, x + dim());
    for (std::size_t i = 0; i < dim(); ++i) x[order_[i]] = ordered[i];
  }

 private:
  std::vector<float> in_order(const float* x) const {
    std::vector<float> ordered(dim());
    for (std::size_t i = 0; i < dim(); ++i) ordered[i] = x[order_[i]];
    return ordered;
  }

  std::vector<Part> parts_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

std::shared_ptr<const Codec> make_first_quarter_codec(const CodecSpec& spec, std::size_t dim) {
  std::vector<std::uint32_t> order(dim);
  std::iota(order.begin(), order.end(), 0U);
  return std::make_shared<SplitCodec>(spec, make_parts(spec, dim), std::move(order));
}

Result<std::shared_ptr<const Codec>> make_split_codec(const CodecSpec& spec, std::size_t dim, std::span<const std::uint32_t> outliers) {
  Result<std::shared_ptr<const Codec>> checked = make_codec(spec, dim);  // of the spec and the length
  if (!checked) return checked;
  if (spec.family != CodecFamily::kSplit) return fail(ErrorCode::kUsage, fmt::format("{} has no outlier channels", spec.name()));
  if (outliers.size() != dim / 4) {
    return fail(ErrorCode::kUsage, fmt::format("{} gives {} of {} channels one more bit, but {} are listed; list a quarter of them",
                                               spec.name(), dim / 4, dim, outliers.size()));
  }
  std::vector<bool> listed(dim, false);
  for (const std::uint32_t channel : outliers) {
    if (channel >= dim || listed[channel]) {
      return fail(ErrorCode::kUsage, fmt::format("the outlier channels of {} must be different and below {}; {} is not", spec.name(), dim, channel));
    }
    listed[channel] = true;
  }
  std::vector<std::uint32_t> order(outliers.begin(), outliers.end());
  for (std::uint32_t channel = 0; channel < dim; ++channel) {
    if (!listed[channel]) order.push_back(channel);
  }
  const auto codec = std::make_shared<SplitCodec>(spec, make_parts(spec, dim), std::move(order));
  return spec.rotation == RotationKind::kNone ? codec : make_rotated_codec(spec, codec);
}

std::vector<std::uint32_t> loudest_channels(const float* rows, std::size_t n_rows, std::size_t dim) {
  std::vector<double> energy(dim, 0.0);
  for (std::size_t r = 0; r < n_rows; ++r) {
    for (std::size_t i = 0; i < dim; ++i) energy[i] += static_cast<double>(rows[r * dim + i]) * static_cast<double>(rows[r * dim + i]);
  }
  for (double& sum : energy) sum = sum >= 0 ? sum : 0;  // NaN has no place in an order
  std::vector<std::uint32_t> channels(dim);
  std::iota(channels.begin(), channels.end(), 0U);
  std::stable_sort(channels.begin(), channels.end(), [&](std::uint32_t a, std::uint32_t b) { return energy[a] > energy[b]; });
  channels.resize(dim / 4);
  std::sort(channels.begin(), channels.end());
  return channels;
}

}  // namespace tq
