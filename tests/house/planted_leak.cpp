// An object as src/simd must never make one: besides its table it exports an inline function.
#include "simd/kernels.h"

namespace tq {

inline float leaked_inline_function(float x) { return x + 1; }
float (*const kUse)(float) = leaked_inline_function;

extern const Kernels kPlantedKernels;
const Kernels kPlantedKernels = {};
const void* planted_use();
const void* planted_use() { return reinterpret_cast<const void*>(&kUse); }

}  // namespace tq
