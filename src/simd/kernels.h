// The hot loops, as one table for each CPU target.
//
// Every kernel is written once over vectors of 16 lanes (kernels.inl), so all targets add in the same order: lane i of an
// accumulator sums the elements i, i+16, i+32, …; the lanes are then added pairwise, 8+8, 4+4, 2+2, 1+1; the tail is a last
// partial vector filled with zeros. Kernels marked "same bits" give equal results on every target. The others may fuse
// multiply and add where the CPU can, and differ by that rounding only.
//
// Kernels cannot fail; sizes are checked one level up. Rows of floats must be aligned to 4 bytes, bytes need no alignment.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tq {

struct Kernels {
  const char* name;  ///< "scalar", "avx2", "avx512"

  /// ⟨a, b⟩ over n floats in double-free fixed order, mul then add. Same bits. Used wherever a stored byte depends on the sum.
  float (*ordered_dot)(const float* a, const float* b, std::size_t n);

  /// out[x * out_stride + r] = ⟨row r, vector x⟩ for n_rows x n_vectors pairs of n floats. The value of a pair does not depend on
  /// its place in the tile.
  void (*dot_tile)(const float* rows, std::size_t row_stride, std::size_t n_rows, const float* vectors,
                   std::size_t vector_stride, std::size_t n_vectors, std::size_t n, float* out, std::size_t out_stride);

  /// acc[j] += Σ_r weights[r] · rows[r * row_stride + j], r ascending.
  void (*weighted_sum)(const float* weights, const float* rows, std::size_t row_stride, std::size_t n_rows, std::size_t n,
                       float* acc);

  /// Unnormalized Walsh-Hadamard transform in place, natural order; n a power of two. Same bits: stage h = 1, 2, 4, … replaces
  /// (a, b), h apart, by (a + b, a − b).
  void (*hadamard)(float* x, std::size_t n);

  /// x[i] *= factors[i]. Same bits.
  void (*multiply)(float* x, const float* factors, std::size_t n);
  /// x[i] *= factor. Same bits.
  void (*scale)(float* x, float factor, std::size_t n);

  /// y[j * n + i] = Σ_k matrix[j * count + k] · x[k * n + i], k ascending, mul then add. Same bits. x and y do not overlap.
  void (*mix_runs)(const float* matrix, std::size_t count, const float* x, std::size_t n, float* y);

  /// codes[i] = number of boundaries strictly below x[i]. `boundaries` ascending, n_boundaries = 2^b − 1 with b in 1…9. Same bits.
  /// A NaN gets code 0.
  void (*quantize)(const float* x, std::size_t n, const float* boundaries, std::size_t n_boundaries, std::uint16_t* codes);

  /// out[i] = scale · table[code i], where code i is bits [i·bits, (i+1)·bits) of the little-endian bit stream `packed`. Reads only
  /// the ⌈n·bits/8⌉ bytes of the stream. bits in 1…9, table of 2^bits. Same bits.
  void (*decode_codes)(const std::uint8_t* packed, unsigned bits, const float* table, float scale, std::size_t n, float* out);

  /// IEEE half and bfloat16, round to nearest even, NaN stays NaN, overflow becomes infinity. Same bits. Any alignment of the bytes.
  void (*f16_to_f32)(const void* in, std::size_t n, float* out);
  void (*f32_to_f16)(const float* in, std::size_t n, void* out);
  void (*bf16_to_f32)(const void* in, std::size_t n, float* out);
  void (*f32_to_bf16)(const float* in, std::size_t n, void* out);

  /// GGUF blocks of 32 values (n a multiple of 32): q8_0 = f16 scale, 32 int8; q4_0 = f16 scale, 16 bytes whose low nibbles
  /// are values 0…15 and high nibbles values 16…31, each minus 8. Same bits.
  void (*decode_q8_0)(const void* blocks, std::size_t n, float* out);
  void (*decode_q4_0)(const void* blocks, std::size_t n, float* out);

  /// y[i] = x[i] · weight[i] / √(mean x² + eps).
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float eps, float* y);
  /// x[i] = exp(x[i] − max) / Σ, relative error of each below 1e-6. n ≥ 1.
  void (*softmax)(float* x, std::size_t n);
  /// gate[i] = gate[i] / (1 + exp(−gate[i])) · up[i].
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);
};

/// The table in use: the best target of this CPU, or the one that the environment variable TQ_SIMD names. Chosen at the first call, then
/// fixed. When TQ_SIMD names a target that is unknown or that this CPU lacks, the best target runs and kernels_error() says so; the
/// program refuses to start then.
const Kernels& kernels();
/// Empty, or one sentence why TQ_SIMD was not obeyed.
const char* kernels_error();

/// All targets compiled in that this CPU can run, best first; the last is always scalar. For tests and benchmarks.
std::size_t available_kernels(const Kernels* const** tables);

}  // namespace tq
