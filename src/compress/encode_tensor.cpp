#include "compress/encode_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/matrix.h"

namespace tq {
namespace {

constexpr std::size_t kBlockRows = 32;                     // a group of the codecs that interleave rows
constexpr std::size_t kSlabValues = std::size_t{1} << 22;  // 16 MiB of floats
constexpr std::size_t kCopyBytes = std::size_t{16} << 20;

/// Of a block of rows.
struct Distortion {
  double error = 0, energy = 0;
};

/// Rows first … first + n − 1 of the output as floats.
void decode_rows(const PlannedTensor& tensor, std::size_t first, std::size_t n, float* out) {
  const GgufTensorView& source = tensor.source;
  const std::byte* bytes = source.view->bytes.data();
  if (source.head_dim == 0) return tensor.from->decode(bytes, first, n, out);
  for (std::size_t r = 0; r < n; ++r)
    tensor.from->decode(bytes, rotary_source_row(first + r, source.head_dim, source.rope_dim), 1,
                        out + r * tensor.columns());
}

/// Codes rows first … first + n − 1, n ≤ kBlockRows, into `coded`, whose first row is `slab_first`.
Distortion encode_block(const PlannedTensor& tensor, std::size_t first, std::size_t n, std::size_t slab_first,
                        std::byte* coded, Workspace& scratch) {
  const std::size_t columns = tensor.columns();
  std::vector<float> rows(n * columns), back(n * columns);
  decode_rows(tensor, first, n, rows.data());
  tensor.to->encode_rows(rows.data(), n, coded, first - slab_first, scratch);
  tensor.to->decode(coded, first - slab_first, n, back.data());
  Distortion sum;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = static_cast<double>(rows[i]), difference = value - static_cast<double>(back[i]);
    sum.energy += value * value;
    sum.error += difference * difference;
  }
  return sum;
}

Result<void> copy_rows(const PlannedTensor& tensor, const ByteSink& sink) {
  const GgufTensorView& source = tensor.source;
  std::span<const std::byte> rest = source.view->bytes;
  if (source.head_dim == 0) {
    while (!rest.empty()) {
      const std::size_t n = std::min(kCopyBytes, rest.size());
      if (Result<void> written = sink(rest.first(n)); !written) return written;
      rest = rest.subspan(n);
    }
    return {};
  }
  const std::size_t rows = tensor.rows(), row_bytes = rest.size() / rows;
  std::vector<std::byte> moved(source.head_dim * row_bytes);
  for (std::size_t head = 0; head < rows; head += source.head_dim) {
    for (std::size_t r = 0; r < source.head_dim; ++r)
      std::memcpy(moved.data() + r * row_bytes,
                  rest.data() + rotary_source_row(head + r, source.head_dim, source.rope_dim) * row_bytes, row_bytes);
    if (Result<void> written = sink(moved); !written) return written;
  }
  return {};
}

}  // namespace

Result<void> encode_tensor(PlannedTensor& tensor, const std::string& path, ThreadPool& pool, const ByteSink& sink) {
  if (tensor.to == nullptr) return copy_rows(tensor, sink);
  const std::size_t rows = tensor.rows(), columns = tensor.columns();
  const std::size_t slab = std::max<std::size_t>(1, kSlabValues / columns / kBlockRows) * kBlockRows;
  Distortion sum;
  for (std::size_t first = 0; first < rows; first += slab) {
    const std::size_t n = std::min(slab, rows - first);
    std::vector<std::byte> coded(tensor.to->storage_bytes(n));
    std::vector<Distortion> blocks((n + kBlockRows - 1) / kBlockRows);
    pool.for_ranges(blocks.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      Workspace scratch;
      for (std::size_t b = begin; b < end; ++b) {
        const std::size_t at = b * kBlockRows;
        blocks[b] = encode_block(tensor, first + at, std::min(kBlockRows, n - at), first, coded.data(), scratch);
      }
    });
    for (const Distortion& block : blocks) {  // in order, so that the sum does not depend on threads
      sum.error += block.error;
      sum.energy += block.energy;
    }
    if (!std::isfinite(sum.energy))
      return fail(ErrorCode::kBadFile,
                  fmt::format("{}: the tensor {} has a NaN or an infinity, which no codec can keep", path,
                              tensor.source.view->name));
    if (!std::isfinite(sum.error))
      return fail(ErrorCode::kUsage, fmt::format("{}: the tensor {} has values too large for {}", path,
                                                 tensor.source.view->name, tensor.report.type));
    if (Result<void> written = sink(coded); !written) return written;
  }
  tensor.report.relative_error = sum.energy > 0 ? sum.error / sum.energy : 0;
  return {};
}

}  // namespace tq
