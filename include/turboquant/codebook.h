// Lloyd-Max codebooks: the best b-bit scalar quantizer for one coordinate of a rotated row.
//
// TurboQuant (arXiv 2504.19874) §3.1, equation 4: after a random rotation each coordinate of a unit row of length d
// follows f(x) = Γ(d/2) / (√π Γ((d−1)/2)) · (1−x²)^((d−3)/2), which tends to N(0, 1/d). Centroids here are in units of
// 1/√d, so that the limit d → ∞ is the codebook of the standard normal distribution.
#pragma once

#include <cstddef>
#include <vector>

#include "turboquant/result.h"

namespace tq {

/// Immutable after construction; safe to share between threads.
struct Codebook {
  static constexpr unsigned kMaxBits = 9;

  unsigned bits = 0;
  /// 2^bits values, ascending, symmetric about 0, in units of 1/√d. Rounded to multiples of 2⁻²², so that no difference
  /// in the last digit of a platform's exp() can ever change a stored byte.
  std::vector<float> centroids;
  /// 2^bits − 1 values: the midpoints of neighbouring centroids. x gets the code `number of boundaries below x`.
  std::vector<float> boundaries;
  /// Expected ‖x − x̂‖² of a unit row with the exact norm as scale: d · C(f, b) of equation 4.
  double distortion = 0;
  /// Shannon entropy of a code, in bits.
  double entropy = 0;

  /// The optimum for `bits` in 1…9. `dim` is the length of the rotated block, 0 for the Gaussian limit; lengths 1 to 3
  /// have no useful density and get the Gaussian codebook. kUsage outside 1…9 bits.
  static Result<Codebook> lloyd_max(unsigned bits, std::size_t dim = 0);
};

}  // namespace tq
