#include "compress/encode_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/matrix.h"

namespace tq {
namespace {

constexpr std::size_t kBlockRows = 32;                     // a group of the codecs that interleave rows
constexpr std::size_t kSlabValues = std::size_t{1} << 22;  // 16 MiB of floats
constexpr std::size_t kCopyBytes = std::size_t{16} << 20;

/// Of a block of rows: in the weights, and as an encoder with feedback counts it.
struct Distortion {
  double error = 0, energy = 0;
  FeedbackEncoder::Cost cost = {};
};

/// How an encoder with feedback is used.
struct Feedback {
  const FeedbackEncoder* encoder = nullptr;
  float stretch = 1;
};

/// Rows first … first + n − 1 of the output as floats.
void decode_rows(const PlannedTensor& tensor, std::size_t first, std::size_t n, float* out) {
  decode_source_rows(tensor, first, n, out);
  const std::size_t columns = tensor.columns();
  for (std::size_t r = 0; tensor.reads != nullptr && r < n; ++r) {
    for (std::size_t j = 0; j < columns; ++j) out[r * columns + j] *= tensor.reads->columns[j];
  }
  if (tensor.makes == nullptr) return;
  const std::vector<float>& divisors = tensor.makes->made;
  const bool is_vector = tensor.report.shape.size() == 1;
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t j = 0; j < columns; ++j) out[r * columns + j] /= divisors[is_vector ? j : first + r];
  }
}

/// Codes rows first … first + n − 1, n ≤ kBlockRows, into `coded`, whose first row is `slab_first`.
Distortion encode_block(const PlannedTensor& tensor, const Feedback& feedback, std::size_t first, std::size_t n,
                        std::size_t slab_first, std::byte* coded, Workspace& scratch) {
  const std::size_t columns = tensor.columns();
  std::vector<float> rows(n * columns), back(n * columns);
  decode_rows(tensor, first, n, rows.data());
  Distortion sum;
  if (feedback.encoder != nullptr) {
    back = rows;
    for (std::size_t r = 0; r < n; ++r) tensor.to->to_coded(back.data() + r * columns);
    sum.cost = feedback.encoder->encode_rows(back.data(), n, feedback.stretch, coded, first - slab_first);
  } else {
    tensor.to->encode_rows(rows.data(), n, coded, first - slab_first, scratch);
  }
  tensor.to->decode(coded, first - slab_first, n, back.data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = static_cast<double>(rows[i]), difference = value - static_cast<double>(back[i]);
    sum.energy += value * value;
    sum.error += difference * difference;
  }
  return sum;
}

/// The stretch of the smallest error among rows from all over the tensor.
float best_stretch(const PlannedTensor& tensor, const FeedbackEncoder& encoder, ThreadPool& pool) {
  static constexpr std::array kStretches = {0.9F, 0.95F, 1.0F, 1.05F, 1.1F, 1.15F, 1.2F, 1.3F};
  const std::size_t rows = tensor.rows(), columns = tensor.columns(), n = std::min<std::size_t>(rows, 32);
  std::vector<float> sample(n * columns);
  for (std::size_t r = 0; r < n; ++r) {
    decode_rows(tensor, r * rows / n, 1, sample.data() + r * columns);
    tensor.to->to_coded(sample.data() + r * columns);
  }
  std::array<double, kStretches.size()> errors{};
  pool.for_ranges(kStretches.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    std::vector<std::byte> coded(tensor.to->storage_bytes(n));
    for (std::size_t i = begin; i < end; ++i)
      errors[i] = encoder.encode_rows(sample.data(), n, kStretches[i], coded.data(), 0).error;
  });
  return kStretches[static_cast<std::size_t>(std::ranges::min_element(errors) - errors.begin())];
}

Result<void> copy_bytes(std::span<const std::byte> rest, const ByteSink& sink) {
  while (!rest.empty()) {
    const std::size_t n = std::min(kCopyBytes, rest.size());
    if (Result<void> written = sink(rest.first(n)); !written) return written;
    rest = rest.subspan(n);
  }
  return {};
}

Result<void> copy_rows(const PlannedTensor& tensor, const ByteSink& sink) {
  const GgufTensorView& source = tensor.source;
  for (const TensorView* expert : source.experts) {
    if (Result<void> written = copy_bytes(expert->bytes, sink); !written) return written;
  }
  std::span<const std::byte> rest = source.view->bytes;
  if (source.head_dim == 0) return copy_bytes(rest, sink);
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

void decode_source_rows(const PlannedTensor& tensor, std::size_t first, std::size_t n, float* out) {
  const GgufTensorView& source = tensor.source;
  if (!source.experts.empty()) {
    const std::size_t of_one = tensor.rows() / source.experts.size();
    for (std::size_t r = first; r < first + n;) {
      const std::size_t in_one = r % of_one, count = std::min(first + n - r, of_one - in_one);
      tensor.from->decode(source.experts[r / of_one]->bytes.data(), in_one, count,
                          out + (r - first) * tensor.columns());
      r += count;
    }
    return;
  }
  const std::byte* bytes = source.view->bytes.data();
  if (source.head_dim == 0) return tensor.from->decode(bytes, first, n, out);
  for (std::size_t r = 0; r < n; ++r)
    tensor.from->decode(bytes, rotary_source_row(first + r, source.head_dim, source.rope_dim), 1,
                        out + r * tensor.columns());
}

Result<void> encode_tensor(PlannedTensor& tensor, const std::string& path, ThreadPool& pool,
                           const FeedbackEncoder* encoder, const ByteSink& sink) {
  if (tensor.to == nullptr) return copy_rows(tensor, sink);
  Feedback feedback{.encoder = encoder};
  if (encoder != nullptr) feedback.stretch = best_stretch(tensor, *encoder, pool);
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
        blocks[b] =
            encode_block(tensor, feedback, first + at, std::min(kBlockRows, n - at), first, coded.data(), scratch);
      }
    });
    for (const Distortion& block : blocks) {  // in order, so that the sum does not depend on threads
      sum.error += block.error;
      sum.energy += block.energy;
      sum.cost.error += block.cost.error;
      sum.cost.energy += block.cost.energy;
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
  if (encoder != nullptr) tensor.report.output_error = sum.cost.energy > 0 ? sum.cost.error / sum.cost.energy : 0;
  tensor.report.relative_error = sum.energy > 0 ? sum.error / sum.energy : 0;
  return {};
}

}  // namespace tq
