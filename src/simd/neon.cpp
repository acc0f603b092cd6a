// NEON alone: bytes are multiplied as words. Includes intrinsics alone.
#include <arm_neon.h>

#include "simd/targets.h"

namespace tq {
namespace {

/// The sum of two products of at most 127 · 127 fits 16 bits.
inline int32x4_t add_products4(int32x4_t sum, int8x16_t v, int8x16_t q) {
  return vpadalq_s16(sum, vpaddq_s16(vmull_s8(vget_low_s8(v), vget_low_s8(q)), vmull_high_s8(v, q)));
}
inline int32x4_t add_bytes4(int32x4_t sum, uint8x16_t v) { return vpadalq_s16(sum, vreinterpretq_s16_u16(vpaddlq_u8(v))); }

#include "simd/neon.inl"

}  // namespace

const Kernels kNeonKernels = make_table("neon");

}  // namespace tq
