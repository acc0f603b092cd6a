// Weights in large pages.
#pragma once

#include "base/thread_pool.h"
#include "engine/loaded_model.h"

namespace tq {

/// Copies the matrices that lie in `file` (null: none does), and those that are too small for a large page of their
/// own, into one allocation of large pages, and gives the file's pages back. Nothing happens where half of the free
/// memory does not hold them, where the system refuses it, or where they are small. A mapping has pages of 4 KiB, which
/// a virtual machine reads at half to two thirds of the speed of large ones (docs/benchmarks/engine.md); but the system
/// can share it and drop it. Takes no more memory than before, but for 16 MiB.
void move_to_large_pages(LoadedModel& model, const TensorFile* file, ThreadPool& pool);

}  // namespace tq
