// What a session allocates beside weights and cache, counted before it is made.
#include <algorithm>

#include "turboquant/session.h"

namespace tq {
namespace {

// As attention.cpp and decoder.cpp have them.
constexpr std::uint64_t kTileTokens = 8, kChunkPositions = 512, kFloat = sizeof(float);

/// Activations of a batch, a row of floats each, as members of Decoder and FeedForwardRunner.
std::uint64_t batch_bytes(const ModelConfig& config, std::uint64_t tokens) {
  const std::uint64_t heads = config.n_heads * config.head_dim, key_heads = config.n_kv_heads * config.head_dim;
  const std::uint64_t stream = 3 * config.hidden_size + (config.n_experts > 0 ? 2 * config.hidden_size : 0);
  const std::uint64_t attention = 2 * heads + 2 * key_heads;
  const std::uint64_t turns = 2 * config.rope_dim, network = 2 * config.feed_forward_size;
  // The inputs of the widest matrix once more, in its codec's basis as floats and as bytes.
  const std::uint64_t widest = std::max<std::uint64_t>({config.hidden_size, heads, config.feed_forward_size});
  return tokens * ((stream + attention + turns + network) * kFloat + widest * (kFloat + 1));
}

/// Scores and sums of a tile, and its keys or values where they are decoded first.
std::uint64_t thread_bytes(const ModelConfig& config) {
  const std::uint64_t queries = kTileTokens * (config.n_heads / std::max<std::size_t>(1, config.n_kv_heads));
  return (queries * (kChunkPositions + 4 * config.head_dim) + kChunkPositions * config.head_dim) * kFloat;
}

}  // namespace

std::uint64_t scratch_bytes(const ModelConfig& config, const SessionOptions& options, unsigned threads,
                            std::size_t n_logits) {
  const std::uint64_t context = options.context == 0 ? config.context_length : options.context;
  const std::uint64_t tokens = std::min<std::uint64_t>(options.batch, context);
  const std::uint64_t chunks = (context + kChunkPositions - 1) / kChunkPositions;
  const std::uint64_t sums = chunks * config.n_heads * (config.head_dim + 1) * kFloat;  // of single tokens
  const std::uint64_t logits = std::uint64_t{n_logits} * config.vocab_size * kFloat;
  return batch_bytes(config, tokens) + threads * thread_bytes(config) + sums + logits;
}

}  // namespace tq
