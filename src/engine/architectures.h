// How the families of models differ: where their shape is written, and what their tensors are called.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "turboquant/model.h"

namespace tq {

/// The tensors of a layer and of the whole, by what they do.
enum class TensorRole {
  kEmbedding,
  kOutputNorm,
  kOutput,
  kRopeFactors,  ///< optional divisors of the rotary frequencies
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kAttentionOutput,
  kFeedForwardNorm,
  kGate,
  kUp,
  kDown
};

/// One row of the table. `layer` is ignored for tensors that are not in a layer.
struct Architecture {
  std::string_view name;  ///< `general.architecture` of GGUF and `model_type` of Hugging Face
  Result<ModelConfig> (*read_config)(const TensorFile& file);
  std::string (*tensor_name)(const TensorFile& file, TensorRole role, std::size_t layer);
  /// The rotary pairs of a query or key row are (i, i + rope_dim/2) in this file, not (2i, 2i + 1) as the engine has
  /// them.
  bool (*half_split)(const TensorFile& file);
  std::string (*gguf_name)(TensorRole role, std::size_t layer);  ///< whatever the format of the file
};

/// The row that reads `file`; kUsage, with the list, when there is none.
Result<const Architecture*> find_architecture(const TensorFile& file);

/// Checks every field of a config against every other, so that the engine may trust them. kBadFile.
Result<void> check_config(const ModelConfig& config, std::string_view path);

}  // namespace tq
