#include "engine/weight_runs.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/large_bytes.h"
#include "base/memory.h"
#include "quant/run_rows.h"

namespace tq {
namespace {

constexpr std::size_t kReleased = std::size_t{1} << 24;  // of a file at a time: what memory holds twice

/// False where the memory is refused.
bool interleave(Matrix& matrix, std::shared_ptr<const Codec> codec, const TensorFile* file, ThreadPool& pool) {
  const std::size_t size = codec->storage_bytes(matrix.rows), row_bytes = matrix.codec->group_bytes(), group = codec->group_rows();
  LargeBytes moved = try_large_bytes(size);
  if (moved == nullptr) return false;
  // Rows behind the last one are looked up, too, and thrown away.
  std::fill_n(moved.get() + size - codec->group_bytes(), codec->group_bytes(), std::byte{0});
  const std::span<const std::byte> rows = matrix.row_bytes();
  const std::size_t at_once = std::max(kReleased / row_bytes / group, std::size_t{1}) * group;
  for (std::size_t first = 0; first < matrix.rows; first += at_once) {
    const std::size_t n = std::min(at_once, matrix.rows - first);
    pool.for_ranges((n + group - 1) / group, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      const std::size_t from = first + begin * group, to = std::min(first + end * group, first + n);
      interleave_runs(*codec, rows.data() + from * row_bytes, to - from, moved.get(), from);
    });
    if (matrix.owned == nullptr) file->release(rows.subspan(first * row_bytes, n * row_bytes));
  }
  matrix.codec = std::move(codec);
  matrix.own(std::move(moved), size);
  return true;
}

}  // namespace

void interleave_weights(LoadedModel& model, const TensorFile* file, WeightsPlace place, ThreadPool& pool) {
  CodecCache codecs;
  std::vector<std::pair<Matrix*, std::shared_ptr<const Codec>>> chosen;
  std::size_t size = 0;
  const std::vector<Matrix*> matrices = model.matrices();
  for (Matrix* matrix : matrices) {
    const bool in_layer = matrix != matrices.back();  // behind which is the output
    const bool stays = place == WeightsPlace::kFile || (place == WeightsPlace::kInterleaved && !in_layer);
    if (matrix->rows == 0 || (matrix->owned == nullptr && stays)) continue;
    const CodecSpec &spec = matrix->codec->spec(), wanted = spec.with_layout(Layout::kInterleavedRuns);
    if (wanted == spec || spec.rotation != RotationKind::kNone) continue;
    const Result<std::shared_ptr<const Codec>> codec = codecs.get(wanted, matrix->cols);
    if (!codec) continue;
    chosen.emplace_back(matrix, *codec);
    size += (*codec)->storage_bytes(matrix->rows);
  }
  if (size > available_memory() / 2) return;
  for (const auto& [matrix, codec] : chosen) {
    if (!interleave(*matrix, codec, file, pool)) return;
  }
}

}  // namespace tq
