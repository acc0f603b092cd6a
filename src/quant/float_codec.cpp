// f32, f16 and bf16 as codecs.
#include <cassert>
#include <cstdint>
#include <cstring>

#include "quant/codecs.h"
#include "quant/stored_row_codec.h"
#include "simd/kernels.h"

namespace tq {
namespace {

class Float32Codec final : public RowCodec {
 public:
  Float32Codec(const CodecSpec& spec, std::size_t dim) : RowCodec(spec, dim, dim * sizeof(float)) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override { std::memcpy(row, x, row_bytes()); }
  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    std::memcpy(out, rows, n_rows * row_bytes());
  }

  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
              std::size_t out_stride, Workspace& scratch) const override {
    if (!aligned(storage)) return Codec::scores(query, storage, first, n_rows, out, out_stride, scratch);
    const std::byte* rows = storage + first * row_bytes();
    kernels().dot_tile(reinterpret_cast<const float*>(rows), dim(), n_rows, query.coded.data(), dim(), query.count, dim(), out,
                       out_stride);
  }

  void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage, std::size_t first,
                  std::size_t n_rows, float* acc, Workspace& scratch) const override {
    if (!aligned(storage)) return Codec::accumulate(weights, count, stride, storage, first, n_rows, acc, scratch);
    kernels().sum_stored(RowFormat::kF32, {storage + first * row_bytes(), row_bytes(), n_rows, dim()}, weights, stride, count, acc);
  }

 private:
  /// Rows in a mapped file may start anywhere; those are copied first.
  static bool aligned(const std::byte* storage) { return reinterpret_cast<std::uintptr_t>(storage) % alignof(float) == 0; }
};

class Float16Codec final : public StoredRowCodec {
 public:
  Float16Codec(const CodecSpec& spec, std::size_t dim) : StoredRowCodec(spec, dim, dim * 2, RowFormat::kF16) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override { kernels().f32_to_f16(x, dim(), row); }
  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    kernels().f16_to_f32(rows, n_rows * dim(), out);
  }
};

class BFloat16Codec final : public StoredRowCodec {
 public:
  BFloat16Codec(const CodecSpec& spec, std::size_t dim) : StoredRowCodec(spec, dim, dim * 2, RowFormat::kBF16) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override { kernels().f32_to_bf16(x, dim(), row); }
  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    kernels().bf16_to_f32(rows, n_rows * dim(), out);
  }
};

}  // namespace

std::shared_ptr<const Codec> make_float_codec(const CodecSpec& spec, std::size_t dim) {
  switch (spec.family) {
    case CodecFamily::kF32: return std::make_shared<Float32Codec>(spec, dim);
    case CodecFamily::kF16: return std::make_shared<Float16Codec>(spec, dim);
    default: assert(spec.family == CodecFamily::kBF16); return std::make_shared<BFloat16Codec>(spec, dim);
  }
}

}  // namespace tq
