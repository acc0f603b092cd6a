// A decoder-only transformer: its shape, and its weights stored through codecs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/codec.h"
#include "turboquant/result.h"
#include "turboquant/tensor_file.h"

namespace tq {

/// The shape of a model. Every field is checked against the tensors when a model is loaded.
struct ModelConfig {
  std::string architecture;  ///< "llama"
  std::string name;          ///< what the file calls itself; its file name if it does not
  std::size_t vocab_size = 0;
  std::size_t hidden_size = 0;
  std::size_t n_layers = 0;
  std::size_t n_heads = 0;
  std::size_t n_kv_heads = 0;
  std::size_t head_dim = 0;
  std::size_t feed_forward_size = 0;
  std::size_t context_length = 0;  ///< positions that the model was trained for
  float rms_norm_eps = 1e-5F;
  float rope_theta = 10000.0F;
  std::size_t rope_dim = 0;  ///< leading values of a head that are rotated; even, at most head_dim
  bool tied_head = false;    ///< the output matrix is the embedding
};

/// What `eval`, `info` and the engine need to know of the weights as they are held in memory.
struct ModelFootprint {
  std::uint64_t parameters = 0;
  std::uint64_t weights_bytes = 0;      ///< all tensors
  std::uint64_t linear_parameters = 0;  ///< matrices of the layers, without embedding, output and norms
  std::uint64_t linear_bytes = 0;
  double bits_per_weight() const {
    return parameters == 0 ? 0 : 8.0 * static_cast<double>(weights_bytes) / static_cast<double>(parameters);
  }
  double linear_bits_per_weight() const {
    return linear_parameters == 0 ? 0
                                  : 8.0 * static_cast<double>(linear_bytes) / static_cast<double>(linear_parameters);
  }
};

struct ModelOptions {
  /// Compress the matrices of the layers on load; empty keeps them as the file has them. Embedding, output and norms
  /// stay.
  std::string weights;
  /// The codecs of single matrices of the layers, by their GGUF names, before `weights`: what a plan says.
  std::map<std::string, std::string> tensor_types = {};
  std::string name = {};  ///< what weights_name() says then; empty: as without
  unsigned threads = 0;   ///< used while compressing; 0: all cores
};

/// Holds its TensorFile; matrices that need no change are used where they are mapped. Immutable; safe to share between
/// threads.
class Model {
 public:
  virtual ~Model() = default;

  /// kBadFile for a missing tensor, a wrong shape, an impossible shape or a wrong checksum; kUsage for an architecture
  /// that is not built.
  static Result<std::shared_ptr<const Model>> load(std::shared_ptr<const TensorFile> file,
                                                   const ModelOptions& options = {});

  virtual const ModelConfig& config() const = 0;
  virtual const TensorFile& file() const = 0;
  virtual ModelFootprint footprint() const = 0;
  /// The codec of the layers' matrices, as asked for in ModelOptions, or the file's own type (`f16`; `mixed` when they
  /// differ).
  virtual const std::string& weights_name() const = 0;
};

/// The shapes that make_synthetic_model() knows.
std::vector<std::string> synthetic_models();
/// A model of a known shape (`smollm2-135m`, `llama-3.2-1b`, `qwen3-0.6b`, `llama-3.1-8b`) with random weights in the
/// codec `weights` (empty: f16), embedding and output in q8_0, for measuring speed without a file; file() must not be
/// called. kUsage for another name, or a codec that cannot code its rows; kOutOfMemory when it does not fit.
Result<std::shared_ptr<const Model>> make_synthetic_model(std::string_view name, const std::string& weights);

/// The shape of a model without loading it, for `info`.
Result<ModelConfig> read_model_config(const TensorFile& file);

}  // namespace tq
