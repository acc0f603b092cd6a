// One running sequence: a KV cache stored through codecs, and the forward pass over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/codec.h"
#include "turboquant/model.h"
#include "turboquant/result.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Whether a constant is taken out of the keys of a head before they are coded. Softmax does not see it (⟨q, k − m⟩ and
/// ⟨q, k⟩ differ by the same number for every key), the scale of the codes does.
enum class KeyCentering : std::uint8_t {
  kOff,
  kAuto,  ///< the bias and the mean, each in those heads where it halves the energy that is coded
  kMean,  ///< the mean of the first 32 keys, in the coordinates that the rotary embedding turns slowly
  kBias   ///< the bias of the key projection, at all positions and coordinates: what it adds to scores is computed
};

/// What stores the keys and the values of one layer.
struct CacheCodecs {
  CodecSpec k, v;
  bool operator==(const CacheCodecs&) const = default;
};

/// How the cache stores keys and values.
struct CacheSpec {
  CodecSpec k, v;  ///< of all layers, unless the next fields say otherwise
  /// An average such as the 2.5 of `tq2.5:tq3`: some layers have k or v, the others one bit more (codecs()). 0: none.
  double k_average = 0, v_average = 0;
  std::vector<CacheCodecs> layers;  ///< of each layer, by a plan (turboquant/plan.h); empty: none
  std::string plan;                 ///< the path of that plan, which name() gives in place of the codecs
  std::size_t sinks = 0;            ///< the first tokens of a sequence that stay exact, which is f16
  std::size_t recent = 0;           ///< the last tokens, the query's own among them, that are exact, too
  KeyCentering center = KeyCentering::kOff;
  bool automatic = false;  ///< `auto`: advise_cache() (cache_advice.h) has yet to choose for a model
  std::string note;        ///< what another engine's name (`turbo3`) was taken to mean; empty otherwise

  /// Reads `K[:V][+option…]`: `tq4`, `tq4:tq3`, `q4_0+rotate=on`, `tq4:tq3+sink=4+recent=128+center=auto`. Keys of `tq`
  /// get the unbiased scale, values the least-squares one. `rotate=on` is llama.cpp's Hadamard rotation before the
  /// block types; the other options are the fields above. K and V may be averages of two neighbouring widths,
  /// `tq3.5:tq2`. One for both widens keys first: `tq2.5` is `tq3:tq2`. `auto` alone leaves the choice to
  /// advise_cache(), and sessions refuse it as it is. kUsage, with a suggestion, for anything else.
  static Result<CacheSpec> parse(std::string_view text);
  /// The canonical text form.
  std::string name() const;
  /// That of one side: a codec, an average, or "mixed" for a plan with several.
  std::string k_name() const;
  std::string v_name() const;

  /// The codecs of each of `n_layers` layers. An average gives the wider codec to as many layers as it allows, from
  /// both ends of the model to its middle: layers 0, n − 1, 1, n − 2, … kUsage when a plan is for another number.
  Result<std::vector<CacheCodecs>> codecs(std::size_t n_layers) const;
  /// The seed of every codec.
  void set_seed(std::uint64_t seed);
};

/// True cost of a cache, computed from the row sizes that will be allocated.
struct CacheFootprint {
  std::uint64_t bytes = 0;  ///< all layers, `context` tokens, whole groups of rows, exact rows and means
  double bits_k = 0;        ///< per value of `context` tokens: scales, exact rows and means
  double bits_v = 0;
};
/// kUsage when a codec cannot code the model's heads or the spec asks for a bias that the model has not.
Result<CacheFootprint> cache_footprint(const ModelConfig& config, const CacheSpec& spec, std::size_t context);

/// A pool of threads that sessions share, one session at a time.
class ThreadPool;
/// `threads` 0: all cores. `bound`: each thread, the calling one too, stays on a core of its own, where the system can
/// do that and there are enough.
std::shared_ptr<ThreadPool> make_thread_pool(unsigned threads, bool bound = false);
unsigned thread_count(const ThreadPool& pool);

/// The CPU target of the kernels in use: "avx512", "avxvnni", "avx2", "neondot", "neon", "scalar".
std::string simd_target();
/// Those that this CPU runs, best first.
std::vector<std::string> simd_targets();
/// Chooses another of simd_targets() for all that is computed from now on; false for any other name. What sessions and
/// models hold stays valid. Not while another thread computes.
bool use_simd_target(std::string_view name);
/// Empty, or one sentence why the target that TQ_SIMD names does not run. A program should refuse to start then.
std::string simd_error();

struct SessionOptions {
  CacheSpec cache = {};                           ///< default: f32
  std::size_t context = 0;                        ///< tokens that the cache can hold; 0: the model's own context length
  std::size_t batch = 512;                        ///< tokens per forward pass in prefill
  std::shared_ptr<ThreadPool> threads = nullptr;  ///< null: one thread
  /// Of these, how many work on single tokens, and on several at once; 0: all.
  unsigned token_threads = 0, batch_threads = 0;
};

/// Bytes that a session computes in, beside weights and cache, when it runs batches of options.batch tokens on
/// `threads` threads and gives the logits of `n_logits` tokens at once: activations, scores, decoded rows. What
/// allocates nothing that grows with model or context is left out: some 20 MiB of program and tokenizer.
std::uint64_t scratch_bytes(const ModelConfig& config, const SessionOptions& options, unsigned threads,
                            std::size_t n_logits = 1);

/// What the layers of a session computed in one append(): where in a model does an error begin? One row for each token.
struct LayerTrace {
  struct Layer {
    std::vector<float> attention;  ///< tokens x (n_heads x head_dim): what the heads give, before the output matrix
    std::vector<float> hidden;     ///< tokens x hidden_size: the residual stream behind the layer
  };
  std::vector<Layer> layers;
};

/// Not thread-safe: one thread drives a session at a time. The numbers that it computes do not depend on the number of
/// threads, nor, but for rounding, on how a text is cut into append() calls.
class Session {
 public:
  virtual ~Session() = default;

  /// Allocates the cache at its true size: all positions of `context`, also in layers that see a window of them. kUsage
  /// when a codec cannot code the model's heads or the context is longer than learned positions reach, kOutOfMemory
  /// when it does not fit.
  static Result<std::unique_ptr<Session>> create(std::shared_ptr<const Model> model, const SessionOptions& options);

  /// Runs the model over `tokens`, which continue the sequence. The logits of the last `n_logits` of them (at most
  /// tokens.size()) are written to `logits`, n_logits x vocab_size. Keys and values are encoded before attention reads
  /// them, so prefill and decode see the same cache. kUsage when the context is full or a token id is not in the
  /// vocabulary; nothing has changed then.
  virtual Result<void> append(std::span<const TokenId> tokens, std::size_t n_logits, std::span<float> logits) = 0;

  /// Forgets everything after the first `position` tokens. A token that has left the window of `recent` ones stays
  /// coded: the window fills again with the tokens that follow.
  virtual void truncate(std::size_t position) = 0;

  /// Writes the sequence and its coded keys and values to one file that describes itself: model, cache and versions,
  /// with a checksum. A file appears complete or not at all. kFailed when it cannot be written.
  virtual Result<void> save(const std::filesystem::path& path) = 0;
  /// Continues a sequence that save() wrote, in place of the present one; what follows is bit for bit what would have
  /// followed there, for any number of threads. The context may be another one. kBadFile for a file that is damaged, or
  /// was written by another model or with other weights, another cache, seed or version; kUsage when it holds more
  /// tokens than the context. Nothing has changed then.
  virtual Result<void> restore(const std::filesystem::path& path) = 0;
  /// The same from the bytes of a file; `name` is for messages.
  virtual Result<void> restore(std::span<const std::byte> bytes, std::string_view name) = 0;

  /// Every append() from now on leaves in `trace`, which must outlive it, what its layers computed: n_layers x
  /// (n_heads x head_dim + hidden_size) floats a token. Null: nobody asks, and nothing is copied.
  virtual void trace(LayerTrace* trace) = 0;
  /// The keys or values of a layer at positions first … first + n − 1 (all below position()), as attention at the last
  /// position reads them: decoded, exact where the policy keeps them exact, in the model's own basis, keys behind the
  /// rotary embedding. `rows` takes n x n_kv_heads x head_dim floats and says by its size what n is.
  virtual void read_keys(std::size_t layer, std::size_t first, std::span<float> rows) = 0;
  virtual void read_values(std::size_t layer, std::size_t first, std::span<float> rows) = 0;

  virtual std::span<const TokenId> tokens() const = 0;  ///< the sequence, position() of them
  virtual std::size_t position() const = 0;
  virtual std::size_t context() const = 0;
  virtual const Model& model() const = 0;
  virtual CacheFootprint cache() const = 0;  ///< of what is allocated
  /// Weights, cache and scratch_bytes() for one token's logits: what a peak of memory should be, but for the program.
  virtual std::uint64_t estimated_bytes() const = 0;
};

}  // namespace tq
