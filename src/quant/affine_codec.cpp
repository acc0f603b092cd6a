// Plain rounding between the minimum and the maximum of 64 values, as the MLX world stores weights: x̂ = scale · code + bias.
#include <array>
#include <cassert>

#include "quant/bits.h"
#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/row_codec.h"
#include "simd/kernels.h"

namespace tq {
namespace {

constexpr std::size_t kGroup = 64, kHeader = 4;  // f16 scale, f16 bias; then the codes as a little-endian bit stream

constexpr std::array<float, 256> kCodeValues = [] {
  std::array<float, 256> values{};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return values;
}();

class AffineCodec final : public RowCodec {
 public:
  AffineCodec(const CodecSpec& spec, std::size_t dim)
      : RowCodec(spec, dim, dim / kGroup * group_size(spec.bits)), bits_(spec.bits), group_size_(group_size(spec.bits)) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override {
    for (std::size_t i = 0; i < dim(); i += kGroup, row += group_size_) encode_group(x + i, row);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for (std::size_t i = 0; i < n_rows * dim(); i += kGroup, rows += group_size_) {
      const auto* codes = reinterpret_cast<const std::uint8_t*>(rows + kHeader);
      const float scale = load_half(rows);
      kernels().decode_codes({codes, 0, 1, bits_, kGroup, &scale, out + i}, kCodeValues.data());
      const float bias = load_half(rows + 2);
      for (std::size_t j = 0; j < kGroup; ++j) out[i + j] += bias;
    }
  }

 private:
  static std::size_t group_size(unsigned bits) { return kHeader + packed_bytes(kGroup, bits); }

  void encode_group(const float* values, std::byte* group) const {
    std::array<float, kGroup> x;
    tame(values, kGroup, x.data());
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    const float top = kCodeValues[(1U << bits_) - 1];
    // From the stored bias on, so that its rounding does not put the maximum out of reach.
    const float bias = as_stored(*low), scale = as_stored((*high - bias) / top), inverse = reciprocal(scale);
    store_half(scale, group);
    store_half(bias, group + 2);
    std::array<std::uint16_t, kGroup> codes;
    for (std::size_t j = 0; j < kGroup; ++j) codes[j] = static_cast<std::uint16_t>(bounded((x[j] - bias) * inverse + 0.5F, 0.0F, top));
    pack_codes(codes.data(), kGroup, bits_, group + kHeader);
  }

  unsigned bits_;
  std::size_t group_size_;
};

}  // namespace

std::shared_ptr<const Codec> make_affine_codec(const CodecSpec& spec, std::size_t dim) {
  assert(dim % kGroup == 0);
  return std::make_shared<AffineCodec>(spec, dim);
}

}  // namespace tq
