// GGUF's types as weights whose rows alternate.
#pragma once

#include "base/thread_pool.h"
#include "engine/loaded_model.h"

namespace tq {

/// Puts matrices that are stored in a type of GGUF into Layout::kInterleavedRuns: those that have memory of their own, and of those that lie in
/// `file` what `place` says, whose pages are given back. Where half of the free memory does not hold them nothing changes, and a matrix whose
/// rows the layout does not take stays as it is, as do q8_0 and q4_0 where the CPU has no products of bytes. Takes no more memory than before, but for 16 MiB, twice the largest matrix that does not lie
/// in the file, and 1 to 3 % of types with blocks of 256.
void interleave_weights(LoadedModel& model, const TensorFile* file, WeightsPlace place, ThreadPool& pool);

}  // namespace tq
