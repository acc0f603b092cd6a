// AVX2 alone: bytes are multiplied as words. Includes intrinsics alone.
#include <immintrin.h>

#include "simd/targets.h"

namespace tq {
namespace {

constexpr std::size_t kQueryTile = 4;
constexpr unsigned kCheapLookup = 0;
constexpr int kDotBias = 0;

/// The compiler would put products off in memory and add them up in an order of its own.
inline __m256i add_now(__m256i a, __m256i b) {
  __m256i sum = _mm256_add_epi32(a, b);
  __asm__("" : "+x"(sum));
  return sum;
}
inline __m256i add_bytes4(__m256i sum, __m256i a, __m256i b) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
}
/// |v| · (q with the sign of v) in 16 bits: two products of at most 127 · 127 do not saturate.
inline __m256i add_products4(__m256i sum, __m256i values, __m256i query) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(values), _mm256_sign_epi8(query, values));
  return add_now(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline __m256i add_products2(__m256i sum, __m256i a, __m256i b) { return add_now(sum, _mm256_madd_epi16(a, b)); }

#include "simd/avx2.inl"

}  // namespace

const Kernels kAvx2Kernels = make_table("avx2");

}  // namespace tq
