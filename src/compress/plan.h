// What becomes of each tensor, decided before anything is written.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "compress/prescale.h"
#include "engine/gguf_tensors.h"
#include "turboquant/codec.h"
#include "turboquant/quantize.h"

namespace tq {

struct PlannedTensor {
  GgufTensorView source;
  std::shared_ptr<const Codec> from = {}, to = {};  ///< null: the bytes are copied
  std::optional<CodecSpec> coding = {};             ///< of the output, where its type is none of GGUF
  QuantizedTensor report = {};
  std::shared_ptr<Prescale> reads = {}, makes = {};  ///< of its columns; of its rows, or of the values of a vector

  std::uint64_t rows() const { return report.elements() / columns(); }
  std::uint64_t columns() const { return report.shape.back(); }
};

/// As plan_quantize().
Result<std::vector<PlannedTensor>> plan_tensors(const TensorFile& file, const QuantizeOptions& options);

/// The matrices of the layers by their GGUF names, in the order of plan_average(): those that gain most from a wider
/// code first.
Result<std::vector<std::string>> matrices_by_need(const TensorFile& file);

/// Sums of what the tensors say; input_bytes is that of the file, output_bytes stays 0.
QuantizeReport report_of(const TensorFile& file, const std::vector<PlannedTensor>& plan);

}  // namespace tq
