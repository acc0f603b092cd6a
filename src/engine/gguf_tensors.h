// The tensors of a model file of any format as GGUF would hold them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "turboquant/model.h"
#include "turboquant/tensor_file.h"

namespace tq {

/// A tensor that is not in the file as GGUF has it.
struct MadeTensor {
  TensorView view;
  std::vector<std::byte> bytes;
};

struct GgufTensorView {
  const TensorView* view;     ///< in the file, or in `made`
  std::string name;           ///< of GGUF
  bool layer_matrix = false;  ///< one of those that ModelOptions::weights compresses
  std::size_t head_dim = 0;   ///< not 0: row r is to come from rotary_source_row(r, head_dim, rope_dim)
  std::size_t rope_dim = 0;
  std::shared_ptr<const MadeTensor> made = {};
  std::vector<const TensorView*> experts = {};  ///< of a stack, whose view has no bytes: one below the other, alike

  std::uint64_t bytes() const {
    return experts.empty() ? view->bytes.size() : experts.size() * experts[0]->bytes.size();
  }
};

/// GGUF and llama2.c: all tensors under their own names, in their own order. Hugging Face: those of the architecture,
/// experts as stacks; norms that are stored less 1, transposed matrices and rotary factors are made in memory. kUsage
/// for an architecture that is not built or a tensor that has no place in it; kBadFile for a tensor that is missing.
Result<std::vector<GgufTensorView>> gguf_tensors(const TensorFile& file);

}  // namespace tq
