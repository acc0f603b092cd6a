// Encoders that know what an error costs: codes of TurboQuant (kTurbo, kTrellis) for which (y − ŷ)ᵀ H (y − ŷ) is small
// and not ‖y − ŷ‖². The bytes are of the same codec and version as those of Codec::encode().
#pragma once

#include <cstddef>
#include <memory>

#include "quant/hessian.h"
#include "turboquant/codec.h"

namespace tq {

class FeedbackEncoder {
 public:
  virtual ~FeedbackEncoder() = default;

  /// Whether there is an encoder for this codec.
  static bool knows(const CodecSpec& spec);
  /// Of a codec that it knows. `factor` is of the inputs in the codec's basis.
  static std::unique_ptr<const FeedbackEncoder> create(const CodecSpec& spec,
                                                       std::shared_ptr<const HessianFactor> factor);

  /// Sums over rows of xᵀ (H + damping) x, with mean D = 1, of the error and of the row.
  struct Cost {
    double error = 0, energy = 0;
  };
  /// y: n_rows x dim in the codec's basis, finite → rows first … first + n_rows − 1 of the storage, and what they cost.
  /// `stretch` times the root mean square of a row is the unit of its codes; feedback widens what is coded, so that
  /// somewhat more than 1 may be best. The scale that is stored is (yᵀ H c) / (cᵀ H c). A row does not depend on those
  /// beside it.
  Cost encode_rows(const float* y, std::size_t n_rows, float stretch, std::byte* storage, std::size_t first) const;

 protected:
  static constexpr std::size_t kBlockRows = 16;  ///< rows that share a column of L while it is in the cache

  FeedbackEncoder(const CodecSpec& spec, std::shared_ptr<const HessianFactor> factor)
      : spec_(spec), factor_(std::move(factor)) {}
  const CodecSpec& spec() const { return spec_; }
  const HessianFactor& factor() const { return *factor_; }
  std::size_t dim() const { return factor_->dim(); }

  /// x: n_rows ≤ kBlockRows rows in units of the codes → their codes and what those stand for.
  virtual void choose(const float* x, std::size_t n_rows, std::uint16_t* codes, float* values) const = 0;

 private:
  Cost encode_block(const float* y, std::size_t n_rows, float stretch, std::byte* storage, std::size_t first) const;

  CodecSpec spec_;
  std::shared_ptr<const HessianFactor> factor_;
};

/// Codes and scale of one row to where `spec` stores them: kTurbo in rows or interleaved, kTrellis.
void store_codes(const CodecSpec& spec, std::size_t dim, const std::uint16_t* codes, float scale, std::byte* storage,
                 std::size_t row);

}  // namespace tq
