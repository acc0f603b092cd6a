// What the layouts of integer products share, and what VectorIndex knows of them: it takes groups apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "turboquant/codebook.h"
#include "turboquant/codec.h"

namespace tq {

constexpr std::size_t kGroupRows = 32;  // 32 scales of f16 fill one cache line, so that all words stay aligned
/// Beyond 4 bits a step of 1/127 of the largest centroid would cost more than the code itself: 2 % of the error at 5
/// bits, 11 % at 6.
constexpr unsigned kMostIntegerBits = 4;
constexpr std::size_t kLongestIntegerRow = 131072;  // 127 · 127 · 131072 < 2^31

/// A codebook whose centroids are table[i] · step.
struct ByteCodebook {
  std::array<std::int8_t, 16> table{};
  float step = 0;
};

/// Rounds the centroids to multiples of 1/127 of the largest one. Up to 4 bits.
ByteCodebook round_to_bytes(Codebook& codebook);

/// y (dim values) → scratch.codes. Returns the scale that `spec` wants; a row of zeros has scale 0 and zeros as codes.
float code_row(const CodecSpec& spec, const Codebook& codebook, const float* y, std::size_t dim, Workspace& scratch);

}  // namespace tq
