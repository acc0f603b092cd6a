// The tensors of a model file of any format as GGUF would hold them.
#pragma once

#include <string>
#include <vector>

#include "turboquant/model.h"
#include "turboquant/tensor_file.h"

namespace tq {

struct GgufTensorView {
  const TensorView* view;
  std::string name;           ///< of GGUF
  bool layer_matrix = false;  ///< one of those that ModelOptions::weights compresses
  std::size_t head_dim = 0;   ///< not 0: row r is to come from rotary_source_row(r, head_dim, rope_dim)
  std::size_t rope_dim = 0;
};

/// GGUF and llama2.c: all tensors under their own names, in their own order. Hugging Face: those of the architecture;
/// kUsage for an architecture that is not built or a tensor that has no place in it, kBadFile for one that is missing.
Result<std::vector<GgufTensorView>> gguf_tensors(const TensorFile& file);

}  // namespace tq
