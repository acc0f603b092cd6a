// The tables that the target objects export, and nothing else: no wide instruction can run before the CPU was asked.
#pragma once

#include "simd/kernels.h"

namespace tq {

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;     ///< AVX2, FMA, F16C: Haswell, Zen
extern const Kernels kAvxVnniKernels;  ///< … and AVX-VNNI: Alder Lake
extern const Kernels kAvx512Kernels;   ///< AVX-512 F, BW, DQ, VL, VBMI, VNNI, GFNI: Ice Lake, Zen 4
#elif defined(__aarch64__)
extern const Kernels kNeonKernels;     ///< every ARMv8-A in 64 bits
extern const Kernels kNeonDotKernels;  ///< … with dot products: Cortex-A55 and A75, Apple's A11 and M1
#endif

}  // namespace tq
