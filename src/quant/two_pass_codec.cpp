// TurboQuant in two passes (arXiv 2504.19874, Algorithm 2), on rows that are already rotated: bits − 1 bits of the one-pass code, then
// one bit for each coordinate of S r, where r is what the first pass left over and S a random matrix.
//
// Row: scale s, root mean square g of r, dim codes of bits − 1 bits as a bit stream, dim signs z as a bit stream.
//     score = ⟨R q, s c⟩ + ⟨S R q, κ g z⟩        x̂ = Rᵀ (s c + κ g Sᵀ z)
// κ makes the score unbiased. With ‖r‖ = g √dim the paper's constant √(π/2)/dim for a Gaussian S is κ = √(π/2)/√dim; an orthogonal S,
// whose rows are shorter by √dim, has the constant √(π/2)/√dim, and κ = √(π/2). S acts on rotated rows: S R is as random as S.
//
// The first pass keeps the norm for its scale under ScaleRule::kNorm, as the paper prints it. Under the other rules it takes the
// least-squares scale: the second pass removes the bias of the first whatever it is, and its variance grows with ‖r‖².
#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>
#include <vector>

#include "base/random.h"
#include "quant/bits.h"
#include "quant/codecs.h"
#include "quant/gaussian.h"
#include "quant/row_codec.h"
#include "quant/scaled_row.h"
#include "simd/kernels.h"
#include "turboquant/codebook.h"
#include "turboquant/rotation.h"

namespace tq {
namespace {

/// S, and κ.
class Projection {
 public:
  Projection(bool gaussian, std::size_t dim, std::uint64_t seed)
      : dim_(dim), factor_(static_cast<float>(std::sqrt(std::numbers::pi / 2))) {
    if (gaussian) {
      matrix_ = gaussian_values(dim * dim, seed);
      factor_ /= std::sqrt(static_cast<float>(dim));
    } else {
      rotation_.emplace(RotationKind::kRandomHadamard, dim, 3, seed);
    }
  }

  float factor() const { return factor_; }

  /// out = S x. The same bits on every CPU.
  void apply(const float* x, float* out) const {
    if (rotation_) {
      std::copy_n(x, dim_, out);
      return rotation_->apply(out);
    }
    for (std::size_t i = 0; i < dim_; ++i) out[i] = kernels().ordered_dot(matrix_.data() + i * dim_, x, dim_);
  }

  /// out += Sᵀ z. Changes z.
  void add_transposed(float* z, float* out) const {
    if (!rotation_) return kernels().weighted_sum(z, matrix_.data(), dim_, dim_, dim_, out);
    rotation_->apply_inverse(z);
    for (std::size_t i = 0; i < dim_; ++i) out[i] += z[i];
  }

 private:
  std::size_t dim_;
  float factor_;
  std::vector<float> matrix_;         // dim x dim, of a Gaussian S
  std::optional<Rotation> rotation_;  // an orthogonal S
};

class TwoPassCodec final : public RowCodec {
 public:
  TwoPassCodec(const CodecSpec& spec, std::size_t dim, Codebook codebook)
      : RowCodec(spec, dim, 2 * scale_bytes(spec) + packed_bytes(dim, spec.bits - 1) + packed_bytes(dim, 1)),
        codebook_(std::move(codebook)),
        projection_(spec.family == CodecFamily::kTwoPassGauss, dim, derived_seed(spec.seed, 2)) {}

  void encode_row(const float* y, std::byte* row, Workspace& scratch) const override {
    std::memset(row, 0, row_bytes());
    const UnitRow size = normalize(y, dim(), scratch.unit);
    if (size.rms == 0) return;  // both scalars 0: the row decodes to zeros
    scratch.rows.resize(std::max(scratch.rows.size(), dim()));
    scratch.codes.resize(dim());
    encode_first(size, row, scratch);
    encode_second(size, row, scratch);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    std::vector<float> signs(dim());
    for (std::size_t r = 0; r < n_rows; ++r, rows += row_bytes(), out += dim()) {
      decode_first(rows, load_scale(spec(), rows), out);
      decode_signs(rows, signs.data());
      projection_.add_transposed(signs.data(), out);
    }
  }

  void make_room(std::size_t count, Query& query) const override {
    Codec::make_room(count, query);
    query.projected.resize(2 * count * dim());
  }

  void complete(Query& query, std::size_t begin, std::size_t end) const override {
    for (std::size_t i = begin; i < end; ++i) {
      const float* coded = query.coded.data() + i * dim();
      float* both = query.projected.data() + 2 * i * dim();
      std::copy_n(coded, dim(), both);
      projection_.apply(coded, both + dim());
    }
  }

  /// The two sums of the estimator are one, over rows of twice the length.
  void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out, std::size_t out_stride,
              Workspace& scratch) const override {
    constexpr std::size_t kTile = 16;
    const std::size_t length = 2 * dim();
    scratch.rows.resize(std::max(scratch.rows.size(), kTile * length));
    for (std::size_t r = 0; r < n_rows; r += kTile) {
      const std::size_t n = std::min(kTile, n_rows - r);
      for (std::size_t i = 0; i < n; ++i) {
        const std::byte* row = storage + (first + r + i) * row_bytes();
        decode_first(row, load_scale(spec(), row), scratch.rows.data() + i * length);
        decode_signs(row, scratch.rows.data() + i * length + dim());
      }
      kernels().dot_tile(scratch.rows.data(), length, n, query.projected.data(), length, query.count, length, out + r, out_stride);
    }
  }

 private:
  /// scratch.unit → codes and scale; scratch.unit ← what is left of it when both are decoded again.
  void encode_first(const UnitRow& size, std::byte* row, Workspace& scratch) const {
    float* unit = scratch.unit.data();
    kernels().quantize(unit, dim(), codebook_.boundaries.data(), codebook_.boundaries.size(), scratch.codes.data());
    pack_codes(scratch.codes.data(), dim(), codebook_.bits, row + 2 * scale_bytes(spec()));
    decode_first(row, 1.0F, scratch.rows.data());
    const ScaleRule rule = spec().scale == ScaleRule::kNorm ? ScaleRule::kNorm : ScaleRule::kLeastSquares;
    store_scale(spec(), corrected_scale(size, rule, unit, scratch.rows.data(), dim()), row);
    const float scale = std::ldexp(load_scale(spec(), row), -size.exponent) / size.rms;  // as it was rounded
    for (std::size_t i = 0; i < dim(); ++i) unit[i] -= scale * scratch.rows[i];
  }

  void encode_second(const UnitRow& size, std::byte* row, Workspace& scratch) const {
    const float* left = scratch.unit.data();
    const float rms = std::sqrt(kernels().ordered_dot(left, left, dim()) / static_cast<float>(dim()));
    store_scale(spec(), std::ldexp(size.rms * rms, size.exponent), row + scale_bytes(spec()));
    projection_.apply(left, scratch.rows.data());
    for (std::size_t i = 0; i < dim(); ++i) scratch.codes[i] = scratch.rows[i] >= 0 ? 1 : 0;
    pack_codes(scratch.codes.data(), dim(), 1, row + signs_begin());
  }

  /// out = scale · c.
  void decode_first(const std::byte* row, float scale, float* out) const {
    const auto* packed = reinterpret_cast<const std::uint8_t*>(row + 2 * scale_bytes(spec()));
    kernels().decode_codes({packed, 0, 1, codebook_.bits, dim(), &scale, out}, codebook_.centroids.data());
  }

  /// out = κ g z.
  void decode_signs(const std::byte* row, float* out) const {
    constexpr float kSigns[] = {-1, 1};
    const auto* packed = reinterpret_cast<const std::uint8_t*>(row + signs_begin());
    const float size = projection_.factor() * load_scale(spec(), row + scale_bytes(spec()));
    kernels().decode_codes({packed, 0, 1, 1, dim(), &size, out}, kSigns);
  }

  std::size_t signs_begin() const { return 2 * scale_bytes(spec()) + packed_bytes(dim(), codebook_.bits); }

  Codebook codebook_;
  Projection projection_;
};

}  // namespace

std::shared_ptr<const Codec> make_two_pass_codec(const CodecSpec& spec, std::size_t dim) {
  Result<Codebook> codebook = Codebook::lloyd_max(spec.bits - 1, dim);
  assert(codebook.has_value());  // the table admits 2 to 9 bits
  return std::make_shared<TwoPassCodec>(spec, dim, std::move(*codebook));
}

}  // namespace tq
