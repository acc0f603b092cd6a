// The base's distributions at consecutive positions of a text, worked out once for all rows that are compared with
// them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "turboquant/eval.h"

namespace tq::eval {

class BaseSlice {
 public:
  explicit BaseSlice(std::size_t vocab_size) : vocab_(vocab_size) {}

  std::size_t size() const { return positions_.size(); }
  std::size_t vocab_size() const { return vocab_; }

  /// Room for the logits of `positions` positions, to be filled and then prepared.
  std::span<float> logits(std::size_t positions);
  std::span<const float> logits() const { return logits_; }
  /// The logits are those of the base itself.
  void prepare(ThreadPool& threads);
  /// They are ln p in 16 bits, out of a file of llama-perplexity. As there, what is less likely than e^−16 is left out
  /// of the divergence, and p is taken as it stands, though it sums to 1 but nearly.
  void prepare_log_probabilities(ThreadPool& threads);

  /// What a row's logits at position `index` are next to the base's; `next` is the token that follows.
  Comparison::Position compare(std::size_t index, std::span<const float> logits, TokenId next) const;
  /// The base next to itself.
  Comparison::Position itself(std::size_t index, TokenId next) const;

 private:
  struct Facts {
    bool finite = false, is_log_probability = false;
    std::size_t top = 0;
    double log_sum = 0;  // of exp of the logits
    double sum = 0;      // of the weights
  };
  std::span<const float> logits_at(std::size_t index) const {
    return std::span(logits_).subspan(index * vocab_, vocab_);
  }
  /// exp(logit − the largest); or p.
  std::span<const double> weights_at(std::size_t index) const {
    return std::span(weights_).subspan(index * vocab_, vocab_);
  }
  template <class Prepare>
  void prepare_all(ThreadPool& threads, Prepare prepare);

  std::size_t vocab_;
  std::vector<float> logits_;
  std::vector<double> weights_;
  std::vector<Facts> positions_;
};

}  // namespace tq::eval
