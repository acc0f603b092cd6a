// What the layouts of integer products share, and what VectorIndex knows of them: it takes groups apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "turboquant/codebook.h"
#include "turboquant/codec.h"

namespace tq {

constexpr std::size_t kGroupRows = 32;  // 32 scales of f16 fill one cache line, so that all words stay aligned
/// Beyond 4 bits a step of 1/127 of the largest centroid would cost too much, 2 % of the error at 5 bits and 11 % at 6: centroids, and what
/// they meet, then take two bytes each.
constexpr unsigned kMostByteBits = 4;
/// 127 · 127 · 131072 < 2^31; with two bytes, twice as many products are in one sum.
constexpr std::size_t longest_integer_row(unsigned bits) { return bits <= kMostByteBits ? 131072 : 65536; }

/// A codebook whose centroids are table[i] · step, or, beyond 4 bits, near (table[i] + table[2^bits + i] / 254) · step.
struct ByteCodebook {
  std::vector<std::int8_t> table;
  float step = 0;
};

/// Up to 4 bits, rounds the centroids to multiples of 1/127 of the largest one and puts the boundaries in their middles. Beyond, leaves both
/// as they are: the table is wrong by at most 1/64768 of the largest, which only products see.
ByteCodebook bytes_of(Codebook& codebook);

/// y (dim values) → scratch.codes. Returns the scale that `spec` wants; a row of zeros has scale 0 and zeros as codes.
float code_row(const CodecSpec& spec, const Codebook& codebook, const float* y, std::size_t dim, Workspace& scratch);

}  // namespace tq
