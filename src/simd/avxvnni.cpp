// AVX2 with the products of AVX-VNNI: four of bytes, or two of words, and their sum in one instruction. Includes intrinsics alone.
#include <immintrin.h>

#include "simd/targets.h"

namespace tq {
namespace {

constexpr std::size_t kQueryTile = 4;
constexpr unsigned kCheapLookup = 4;
constexpr int kDotBias = 128;  // vpdpbusd multiplies unsigned by signed bytes

inline __m256i add_bytes4(__m256i sum, __m256i a, __m256i b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }
inline __m256i add_products4(__m256i sum, __m256i values, __m256i query) { return _mm256_dpbusd_avx_epi32(sum, values, query); }
inline __m256i add_products2(__m256i sum, __m256i a, __m256i b) { return _mm256_dpwssd_avx_epi32(sum, a, b); }

#include "simd/avx2.inl"

}  // namespace

const Kernels kAvxVnniKernels = make_table("avxvnni");

}  // namespace tq
