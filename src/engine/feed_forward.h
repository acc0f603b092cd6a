// The feed-forward network of a layer, or the mixture of experts in its place.
#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "engine/input_observer.h"
#include "engine/loaded_model.h"

namespace tq {

/// Holds the buffers of one batch. One thread drives it, the pool helps.
class FeedForwardRunner {
 public:
  FeedForwardRunner(const ModelConfig& config, ThreadPool& pool);

  /// out = the network of `x`, both n_tokens x hidden_size. With experts: the sum of those that the router finds
  /// likeliest, by their shares of the softmax over all; ascending, so that a token gets the same bits in any company.
  /// `inputs` sees what gate, up and down read; what experts read it does not. `next`: what is read afterwards.
  void run(const Layer& layer, const float* x, std::size_t n_tokens, float* out, const LayerObserver& inputs,
           const ThreadPool::Stretches& next);

 private:
  void run_network(const FeedForward& network, const float* x, std::size_t n_tokens, float* out,
                   const LayerObserver& inputs, const ThreadPool::Stretches& next);
  void run_experts(const Layer& layer, const float* x, std::size_t n_tokens, float* out);
  void choose_experts(const Matrix& router, const float* x, std::size_t n_tokens);

  const ModelConfig& config_;
  ThreadPool& pool_;
  std::vector<float> gate_, up_;      // n_tokens x feed_forward_size
  std::vector<float> shares_;         // n_tokens x n_experts; 0 for those that are not used
  std::vector<float> taken_, given_;  // of one expert: its tokens x hidden_size
  std::vector<std::size_t> tokens_;   // which they are
  Activations activations_;
  std::vector<Workspace> workspaces_;  // one for each thread
};

/// What the network of a layer reads first.
ThreadPool::Stretches network_rows(const Layer& layer);

/// rows += bias, for each of n_rows rows; nothing where there is no bias.
void add_bias(const std::vector<float>& bias, std::size_t n_rows, float* rows);

}  // namespace tq
