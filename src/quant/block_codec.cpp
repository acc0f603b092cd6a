// GGUF block types as codecs: blocks of 32 values behind an f16 scale, byte for byte as ggml's reference rounds them.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "quant/codecs.h"
#include "quant/row_codec.h"
#include "simd/kernels.h"

namespace tq {
namespace {

constexpr std::size_t kBlock = 32;

void store_scale(float scale, std::byte* block) {
  const std::uint16_t half = float_to_half(std::clamp(scale, -65504.0F, 65504.0F));
  std::memcpy(block, &half, sizeof half);
}

float reciprocal(float scale) { return scale != 0 ? 1.0F / scale : 0.0F; }

/// NaN, and what an infinite reciprocal makes of a denormal block, ends at the lower bound instead of undefined behaviour.
float bounded(float value, float low, float high) { return value > low ? std::min(value, high) : low; }

/// The value of largest magnitude, with its sign; NaN never wins.
float extreme(const float* x) {
  float largest = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  }
  return largest;
}

class Q8_0Codec final : public RowCodec {
 public:
  static constexpr std::size_t kBlockBytes = 34;
  Q8_0Codec(const CodecSpec& spec, std::size_t dim) : RowCodec(spec, dim, dim / kBlock * kBlockBytes) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override {
    for (std::size_t i = 0; i < dim(); i += kBlock, row += kBlockBytes) {
      const float scale = std::abs(extreme(x + i)) / 127.0F;
      const float inverse = reciprocal(scale);
      store_scale(scale, row);
      for (std::size_t j = 0; j < kBlock; ++j) {
        row[2 + j] = static_cast<std::byte>(static_cast<std::int8_t>(bounded(std::round(x[i + j] * inverse), -127.0F, 127.0F)));
      }
    }
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    kernels().decode_q8_0(rows, n_rows * dim(), out);
  }
};

class Q4_0Codec final : public RowCodec {
 public:
  static constexpr std::size_t kBlockBytes = 18;
  Q4_0Codec(const CodecSpec& spec, std::size_t dim) : RowCodec(spec, dim, dim / kBlock * kBlockBytes) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override {
    for (std::size_t i = 0; i < dim(); i += kBlock, row += kBlockBytes) {
      const float scale = extreme(x + i) / -8.0F;  // the extreme value gets code 0, which is −8
      const float inverse = reciprocal(scale);
      store_scale(scale, row);
      const auto code = [&](std::size_t j) {
        return static_cast<unsigned>(bounded(x[i + j] * inverse + 8.5F, 0.0F, 15.0F));
      };
      for (std::size_t j = 0; j < kBlock / 2; ++j) row[2 + j] = static_cast<std::byte>(code(j) | code(j + kBlock / 2) << 4);
    }
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    kernels().decode_q4_0(rows, n_rows * dim(), out);
  }
};

}  // namespace

std::shared_ptr<const Codec> make_block_codec(const CodecSpec& spec, std::size_t dim) {
  assert(dim % kBlock == 0);
  if (spec.family == CodecFamily::kQ8_0) return std::make_shared<Q8_0Codec>(spec, dim);
  assert(spec.family == CodecFamily::kQ4_0);
  return std::make_shared<Q4_0Codec>(spec, dim);
}

}  // namespace tq
