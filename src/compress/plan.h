// What becomes of each tensor, decided before anything is written.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/gguf_tensors.h"
#include "turboquant/codec.h"
#include "turboquant/quantize.h"

namespace tq {

struct PlannedTensor {
  GgufTensorView source;
  std::shared_ptr<const Codec> from = {}, to = {};  ///< null: the bytes are copied
  std::optional<CodecSpec> coding = {};             ///< of the output, where its type is none of GGUF
  QuantizedTensor report = {};

  std::uint64_t rows() const { return report.elements() / columns(); }
  std::uint64_t columns() const { return report.shape.back(); }
};

/// As plan_quantize().
Result<std::vector<PlannedTensor>> plan_tensors(const TensorFile& file, const QuantizeOptions& options);

/// Sums of what the tensors say; input_bytes is that of the file, output_bytes stays 0.
QuantizeReport report_of(const TensorFile& file, const std::vector<PlannedTensor>& plan);

}  // namespace tq
