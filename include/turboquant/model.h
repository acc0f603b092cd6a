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

enum class NormKind : std::uint8_t {
  kRms,   ///< x / √(mean x² + ε) · weight
  kLayer  ///< (x − mean) / √(variance + ε) · weight + bias
};

enum class Activation : std::uint8_t {
  kSilu,
  kGelu  ///< in its tanh form: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
};

/// By which angles a layer turns its queries and keys.
enum class RopeKind : std::uint8_t {
  kGlobal,
  kLocal,  ///< of ModelConfig::local_rope_theta, which no scaling stretches
  kNone
};

struct LayerAttention {
  std::size_t window = 0;  ///< a token sees this many positions, its own the last of them; 0: all
  RopeKind rope = RopeKind::kGlobal;
};

/// How rotary positions are stretched beyond the context of the first training. The two lists have one value for each
/// rotary pair or none, and are what the engine computes with; the rest is what they were derived from.
struct RopeScaling {
  std::string type;  ///< empty, "linear", "llama3", "yarn" or "longrope"
  float factor = 1;
  std::size_t original_context = 0;
  float beta_fast = 32, beta_slow = 1;  ///< of "yarn"
  std::vector<float> divisors;          ///< of the frequencies; empty: 1
  std::vector<float> long_divisors;     ///< in their place in a session whose context is above original_context
  float amplitude = 1;                  ///< of the rotated part of queries and keys
};

/// The shape of a model. Every field is checked against the tensors when a model is loaded.
struct ModelConfig {
  std::string architecture;  ///< as GGUF calls it: "llama", also for Mistral and Mixtral
  std::string name;          ///< what the file calls itself; its file name if it does not
  std::size_t vocab_size = 0;
  std::size_t hidden_size = 0;
  std::size_t n_layers = 0;
  std::size_t n_heads = 0;
  std::size_t n_kv_heads = 0;
  std::size_t head_dim = 0;
  std::size_t feed_forward_size = 0;  ///< of one expert, where there are any
  std::size_t context_length = 0;     ///< positions that the model was trained for
  float rms_norm_eps = 1e-5F;         ///< of either kind of norm
  float rope_theta = 10000.0F;
  std::size_t rope_dim = 0;  ///< leading values of a head that are rotated; even, at most head_dim
  bool tied_head = false;    ///< the output matrix is the embedding

  NormKind norm = NormKind::kRms;
  Activation activation = Activation::kSilu;
  bool gated = true;               ///< down(f(gate(x)) · up(x)), not down(f(up(x)))
  bool learned_positions = false;  ///< a vector for each of context_length positions; rope_dim is 0 then
  bool rope_halves = false;        ///< value i turns with i + rope_dim/2, not 2i with 2i + 1
  bool qkv_bias = false, output_bias = false, feed_forward_bias = false;
  bool query_key_norm = false;  ///< an RMSNorm of each head of queries and keys, before they turn
  bool post_norms = false;      ///< a norm of what attention and feed-forward give, before it is added
  float embedding_scale = 1;
  float attention_scale = 0;                         ///< of ⟨q, k⟩; 0: 1/√head_dim
  float attention_soft_cap = 0, logit_soft_cap = 0;  ///< x becomes cap · tanh(x / cap); 0: it stays
  std::size_t n_experts = 0, n_experts_used = 0;     ///< 0: one feed-forward network for all tokens
  bool normalize_experts = true;                     ///< the shares of the experts that are used sum to 1
  std::vector<LayerAttention> layers;                ///< n_layers of them; empty: each is LayerAttention{}
  RopeScaling rope_scaling;
  float local_rope_theta = 0;

  LayerAttention attention(std::size_t layer) const { return layers.empty() ? LayerAttention{} : layers[layer]; }
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

/// Where matrices are that a mapped file has in a form that can be used. What is compressed on load has memory of its own.
enum class WeightsPlace : std::uint8_t {
  kFile,         ///< in the mapping, which models of one file share
  kInterleaved,  ///< those of the layers in one of GGUF's types: in memory with 16 rows alternating, for speed
                 ///< (docs/decisions/0019). Others in the mapping
  kLargePages    ///< embedding and output likewise, and all others copied into large pages: tokens come faster, most of
                 ///< all in a virtual machine. Where half of the free memory does not hold them: in the mapping
};

struct ModelOptions {
  /// Compress the matrices of the layers on load; empty keeps them as the file has them. Embedding, output and norms
  /// stay.
  std::string weights;
  /// The codecs of single matrices, or `keep`, by their GGUF names, before `weights`: what a plan or a rule says. Of
  /// the layers, the embedding (also the output where that is tied) and the output.
  std::map<std::string, std::string> tensor_types = {};
  std::string name = {};  ///< what weights_name() says then; empty: as without
  unsigned threads = 0;   ///< used while loading and compressing; 0: all cores
  WeightsPlace place = WeightsPlace::kInterleaved;
};

/// Holds its TensorFile. Immutable; safe to share between threads.
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
/// codec `weights` (empty: f16), embedding and output in `outside` (empty: q8_0), for measuring speed without a file;
/// file() must not be called. kUsage for another name, or a codec that cannot code its rows; kOutOfMemory when it does
/// not fit.
Result<std::shared_ptr<const Model>> make_synthetic_model(std::string_view name, const std::string& weights,
                                                          const std::string& outside = {});

/// The shape of a model without loading it, for `info`.
Result<ModelConfig> read_model_config(const TensorFile& file);

}  // namespace tq
