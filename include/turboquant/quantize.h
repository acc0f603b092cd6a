// Compresses a model file: GGUF, safetensors or a Hugging Face folder in, one GGUF out (docs/file-format.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "turboquant/imatrix.h"
#include "turboquant/result.h"
#include "turboquant/tensor_file.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Tensors whose GGUF name has a match of `pattern` (PCRE2, anywhere in the name) get `type`: a codec name, or `keep`.
struct TensorTypeRule {
  std::string pattern, type;
};

/// A text for calibration: the codes of `tq1` … `tq9` and `tt2` … `tt5` are then chosen so that what the layers put out
/// on such text changes least, instead of the weights themselves (docs/calibration.md).
struct CalibrationText {
  std::vector<TokenId> tokens = {};  ///< windows of `context`, one after the other; a rest is not used
  std::size_t context = 512;
  std::uint64_t memory = std::uint64_t{1} << 30;  ///< for the second moments of inputs: at least those of one layer
  /// Tokens done of a pass over the text that begins with a layer; false stops. May be empty.
  std::function<bool(std::size_t layer, std::uint64_t done, std::uint64_t total)> progress = {};
};

/// What llama-imatrix measures: mean squares of the inputs of the linear layers, of experts aside. As Model::load(),
/// and kUsage for a text that is too short or has other tokens.
Result<ImportanceMatrix> measure_imatrix(const TensorFile& file, const CalibrationText& text, unsigned threads);

struct QuantizeOptions {
  /// The codec of the matrices of the layers, experts among them; empty keeps them. Embedding, output, norms, biases
  /// and routers keep their type. An average such as `tt2.5` is a plan by rule (plan_average()).
  std::string type = {};
  /// What a plan says, by GGUF names; before `type`.
  std::map<std::string, std::string> plan = {};
  std::vector<TensorTypeRule> tensor_types = {};  ///< of two dimensions, or experts; the last match counts
  /// Write a GGUF for other programs: types of GGUF alone. Tensors that `tq` coded get `type` wherever they stand, and
  /// norms and biases f32.
  bool plain = false;
  std::shared_ptr<const CalibrationText> calibration = {};  ///< null: none
  /// Null: none. Else columns that matter are stretched before a rotation, and what makes their inputs is divided
  /// (docs/calibration.md). Not together with `calibration`.
  std::shared_ptr<const ImportanceMatrix> importance = {};
  bool replace = false;  ///< an output file that exists
  /// Go on from what a killed run of the same input and options has left, and leave as much when interrupted. Errors of
  /// tensors that were done then are NaN in the report.
  bool resume = false;
  unsigned threads = 0;  ///< 0: all cores
};

struct QuantizedTensor {
  std::string name = {}, source_type = {}, type = {};
  std::vector<std::uint64_t> shape = {};  ///< rows, columns
  std::uint64_t input_bytes = 0, output_bytes = 0;
  double relative_error = 0;  ///< ‖W − Ŵ‖² / ‖W‖² of what was written; 0 for a copy, NaN when nothing was written yet
  double output_error = std::numeric_limits<double>::quiet_NaN();  ///< ‖(W − Ŵ) X‖² / ‖W X‖² on the calibration text,
                                                                   ///< damping included; NaN without calibration
  bool layer_matrix = false;
  std::string note = {};  ///< why the type is not the one that was asked for; empty when it is

  std::uint64_t elements() const;
  double bits() const;  ///< true bits of a value, scales and all
};

struct QuantizeReport {
  std::uint64_t input_bytes = 0, output_bytes = 0;  ///< of the files
  double bpw = 0, bpw_linear = 0;                   ///< of all tensors; of the matrices of the layers
  double seconds = 0;
  std::vector<QuantizedTensor> tensors = {};  ///< in the order of the file
};

/// The tensor being written, and bytes of the input that are done of all; returns false to stop (kInterrupted).
using QuantizeProgress = std::function<bool(const QuantizedTensor& tensor, std::uint64_t done, std::uint64_t total)>;

/// What quantize() would write. kUsage for an unknown codec, a pattern that is none, or a tensor that this build cannot
/// decode.
///
/// A row that a codec cannot code has a stated fallback: q2_k, q3_k → iq4_nl, q4_k → q5_0, q5_k → q5_1, q6_k → q8_0,
/// affineN → tqN, and the source's own type where that fails, too.
Result<QuantizeReport> plan_quantize(const TensorFile& file, const QuantizeOptions& options);

/// Writes `path` as a whole or not at all; takes the memory of some rows, not of tensors. kUsage when `path` exists and
/// may not be replaced, or is the input; kBadFile for a NaN or an infinity among the values to be coded. The bytes do
/// not depend on threads or CPU.
Result<QuantizeReport> quantize(const TensorFile& file, const std::filesystem::path& path,
                                const QuantizeOptions& options, const QuantizeProgress& progress = {});

struct FileCheck {
  std::size_t tensors = 0, checksums = 0;  ///< in the file; those that were compared
  std::uint64_t bytes = 0;                 ///< of tensors
  std::vector<std::string> problems = {};  ///< one sentence each
};

/// Compares every checksum, and every coded tensor's size with its codec's. Extents were checked when `file` was
/// opened.
Result<FileCheck> check_file(const TensorFile& file, const QuantizeProgress& progress = {});

}  // namespace tq
