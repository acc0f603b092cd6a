// NEON with the dot product of ARMv8.2: four products of bytes and their sum in one instruction. Includes intrinsics alone.
#include <arm_neon.h>

#include "simd/targets.h"

namespace tq {
namespace {

inline int32x4_t add_products4(int32x4_t sum, int8x16_t v, int8x16_t q) { return vdotq_s32(sum, v, q); }
inline int32x4_t add_bytes4(int32x4_t sum, uint8x16_t v) {
  return vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(sum), v, vdupq_n_u8(1)));
}

#include "simd/neon.inl"

}  // namespace

const Kernels kNeonDotKernels = make_table("neondot");

}  // namespace tq
