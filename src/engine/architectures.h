// How the families of models differ: where their shape is written, and what their tensors are called.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/model.h"

namespace tq {

/// The tensors of a layer and of the whole, by what they do.
enum class TensorRole {
  kEmbedding,
  kPositions,  ///< learned ones
  kOutputNorm,
  kOutput,
  kRopeFactors,  ///< optional divisors of the rotary frequencies
  kRopeFactorsLong,
  kRopeFactorsShort,
  kAttentionNorm,
  kQuery,
  kKey,
  kValue,
  kQueryKeyValue,  ///< the three in one
  kQueryNorm,
  kKeyNorm,
  kAttentionOutput,
  kPostAttentionNorm,
  kFeedForwardNorm,
  kGate,
  kUp,
  kGateUp,  ///< the two in one
  kDown,
  kPostFeedForwardNorm,
  kRouter,
  kExpertGate,  ///< of one expert in Hugging Face's files, of all in GGUF
  kExpertUp,
  kExpertDown
};

/// A tensor's name without the number of its layer and `.weight` or `.bias`. `{}` is the number of the expert.
struct TensorName {
  TensorRole role;
  std::string_view gguf, hugging_face;
};

/// One row of the table. The defaults are those of Llama.
struct Architecture {
  std::string_view name;        ///< `general.architecture` of GGUF
  std::string_view model_type;  ///< of Hugging Face's config.json
  Result<ModelConfig> (*read_config)(const TensorFile& file);
  std::span<const TensorName> names = {};    ///< those that Llama's do not have, or have by another name
  std::string_view layers = "model.layers";  ///< in front of a layer's number in Hugging Face's files
  std::string_view prefix = {};              ///< of all of these names, in some files of Hugging Face

  bool adjacent_pairs = false;  ///< GGUF has rotary pairs in rows (2i, 2i + 1), Hugging Face in (i, i + rope_dim/2)
  bool fused_attention = false, fused_gate = false;  ///< kQueryKeyValue and kGateUp stand for their parts
  bool norms_less_one = false;                       ///< Hugging Face stores the weights of norms less 1
  bool transposed = false;                           ///< Hugging Face stores the matrices of layers transposed

  std::string tensor_name(const TensorFile& file, TensorRole role, std::size_t layer = 0, std::size_t expert = 0) const;
  std::string gguf_name(TensorRole role, std::size_t layer = 0) const;  ///< whatever the format of the file
};

bool is_hugging_face(const TensorFile& file);
/// A constant of old checkpoints that nobody reads: frequencies, masks.
bool is_unread_buffer(std::string_view tensor);

/// The row that reads `file`; kUsage, with the list, when there is none.
Result<const Architecture*> find_architecture(const TensorFile& file);

/// Checks every field of a config against every other, so that the engine may trust them. kBadFile.
Result<void> check_config(const ModelConfig& config, std::string_view path);

/// The tensors that a model of this config has in a file of any format, once for each layer. Rotary factors are not
/// among them: they are part of the config.
struct TensorUse {
  TensorRole role;
  bool in_layer = false, has_bias = false;
  bool is_norm = false;
};
std::vector<TensorUse> tensors_of(const Architecture& architecture, const ModelConfig& config);

}  // namespace tq
