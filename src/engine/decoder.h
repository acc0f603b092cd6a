// The forward pass of a decoder-only transformer over a coded cache.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/attention.h"
#include "engine/cache_writer.h"
#include "engine/feed_forward.h"
#include "engine/input_observer.h"
#include "engine/kv_cache.h"
#include "engine/loaded_model.h"
#include "engine/rope.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Holds the buffers of one batch; reused from batch to batch. One thread drives it, the pool helps.
class Decoder {
 public:
  /// `context` is that of the session: rotary positions may depend on it.
  Decoder(const LoadedModel& model, std::size_t context, std::shared_ptr<ThreadPool> pool);

  /// Runs the batch at positions position …, writing its keys and values to the cache. The logits of the last
  /// `n_logits` tokens go to `logits`, n_logits x vocab_size.
  void run(std::span<const TokenId> tokens, std::size_t position, KvCache& cache, std::size_t n_logits, float* logits);

  /// Null: nobody. Must outlive the runs.
  void observe(InputObserver* observer) { observer_ = observer; }

 private:
  /// Cosines and sines of a batch, n_tokens x rotary pairs.
  struct Turns {
    RotaryTable table;
    std::vector<float> cosines, sines;
  };

  void embed(std::span<const TokenId> tokens, std::size_t position);
  void prepare_turns(std::size_t position);
  void attention_block(std::size_t layer, std::size_t position, KvCache& cache);
  void feed_forward_block(std::size_t layer);
  ThreadPool::Stretches first_rows(std::size_t layer) const;
  void show(std::size_t layer, TensorRole role, const std::vector<float>& x) const;
  void compute_logits(std::size_t n_logits, float* logits);

  void normalize(const float* x, std::size_t n_tokens, const Norm& norm);
  void normalize_heads(std::vector<float>& rows, const std::vector<float>& weight);
  void rotate_positions(std::vector<float>& rows, std::size_t n_heads, const Turns& turns) const;
  /// Adds what a block gave, behind its post norm if it has one.
  void add_to_residual(const Norm& post_norm);

  const LoadedModel& model_;
  const ModelConfig& config_;
  std::shared_ptr<ThreadPool> pool_;
  InputObserver* observer_ = nullptr;
  std::size_t n_tokens_ = 0;

  // n_tokens x the width that the name says; `residual_` is the stream that every block adds to.
  std::vector<float> residual_, normed_, query_, key_, value_, attended_, projected_;
  std::array<Turns, 2> turns_;  // by RopeKind: kGlobal, kLocal
  Activations activations_;
  std::vector<Workspace> workspaces_;        // one for each thread
  std::vector<StoreScratch> store_;          // one for each thread
  std::vector<AttentionScratch> attention_;  // one for each thread
  FeedForwardRunner feed_forward_;
};

}  // namespace tq
