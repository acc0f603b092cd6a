// The forward pass of a decoder-only transformer over a coded cache.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/attention.h"
#include "engine/cache_writer.h"
#include "engine/input_observer.h"
#include "engine/kv_cache.h"
#include "engine/loaded_model.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Holds the buffers of one batch; reused from batch to batch. One thread drives it, the pool helps.
class Decoder {
 public:
  Decoder(const LoadedModel& model, std::shared_ptr<ThreadPool> pool);

  /// Runs the batch at positions position …, writing its keys and values to the cache. The logits of the last
  /// `n_logits` tokens go to `logits`, n_logits x vocab_size.
  void run(std::span<const TokenId> tokens, std::size_t position, KvCache& cache, std::size_t n_logits, float* logits);

  /// Null: nobody. Must outlive the runs.
  void observe(InputObserver* observer) { observer_ = observer; }

 private:
  void embed(std::span<const TokenId> tokens);
  void attention_block(std::size_t layer, std::size_t position, KvCache& cache);
  void feed_forward_block(std::size_t layer);
  void show(std::size_t layer, TensorRole role, const std::vector<float>& x) const;
  void compute_logits(std::size_t n_logits, float* logits);

  void normalize(const float* x, std::size_t n_tokens, const std::vector<float>& weight);
  void rotate_positions(std::vector<float>& rows, std::size_t n_heads) const;
  void add_to_residual(const std::vector<float>& x);

  const LoadedModel& model_;
  const ModelConfig& config_;
  std::shared_ptr<ThreadPool> pool_;
  InputObserver* observer_ = nullptr;
  std::size_t n_tokens_ = 0;

  // n_tokens x the width that the name says; `residual_` is the stream that every block adds to.
  std::vector<float> residual_, normed_, query_, key_, value_, attended_, gate_, up_, projected_;
  std::vector<float> cosines_, sines_;  // n_tokens x rotary pairs
  Activations activations_;
  std::vector<Workspace> workspaces_;        // one for each thread
  std::vector<StoreScratch> store_;          // one for each thread
  std::vector<AttentionScratch> attention_;  // one for each thread
};

}  // namespace tq
