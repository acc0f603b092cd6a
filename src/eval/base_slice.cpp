#include "eval/base_slice.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "eval/statistics.h"

namespace tq::eval {

std::span<float> BaseSlice::logits(std::size_t positions) {
  positions_.resize(positions);
  logits_.resize(positions * vocab_);
  weights_.resize(positions * vocab_);
  return logits_;
}

template <class Prepare>
void BaseSlice::prepare_all(ThreadPool& threads, Prepare prepare) {
  threads.for_ranges(size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i) {
      positions_[i] = {};
      if (!all_finite(logits_at(i))) continue;
      positions_[i].finite = true;
      positions_[i].top = top_of(logits_at(i));
      prepare(positions_[i], logits_at(i), std::span(weights_).subspan(i * vocab_, vocab_));
    }
  });
}

void BaseSlice::prepare(ThreadPool& threads) {
  prepare_all(threads, [](Facts& facts, std::span<const float> logits, std::span<double> weights) {
    const auto largest = static_cast<double>(logits[facts.top]);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      weights[i] = std::exp(static_cast<double>(logits[i]) - largest);
      facts.sum += weights[i];
    }
    facts.log_sum = largest + std::log(facts.sum);
  });
}

void BaseSlice::prepare_log_probabilities(ThreadPool& threads) {
  constexpr float kLeast = -16;
  prepare_all(threads, [](Facts& facts, std::span<const float> logs, std::span<double> weights) {
    facts.is_log_probability = true;
    for (std::size_t i = 0; i < logs.size(); ++i) {
      weights[i] = logs[i] > kLeast ? std::exp(static_cast<double>(logs[i])) : 0;
      facts.sum += weights[i];
    }
  });
}

Comparison::Position BaseSlice::compare(std::size_t index, std::span<const float> logits, TokenId next) const {
  assert(logits.size() == vocab_ && next >= 0 && static_cast<std::size_t>(next) < vocab_);
  const Facts& base = positions_[index];
  if (!base.finite || !all_finite(logits)) return {};
  const std::span<const float> base_logits = logits_at(index);
  const std::span<const double> weights = weights_at(index);
  const std::size_t top = top_of(logits);
  const auto largest = static_cast<double>(logits[top]);
  double sum = 0, weighted = 0, abs = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double difference = static_cast<double>(base_logits[i]) - static_cast<double>(logits[i]);
    weighted += weights[i] * difference;
    abs += std::abs(difference);
    sum += std::exp(static_cast<double>(logits[i]) - largest);
  }
  const double log_sum = largest + std::log(sum);
  Comparison::Position result;
  result.nll = log_sum - static_cast<double>(logits[static_cast<std::size_t>(next)]);
  result.base_nll = base.log_sum - static_cast<double>(base_logits[static_cast<std::size_t>(next)]);
  result.delta_p = std::exp(-result.nll) - std::exp(-result.base_nll);
  result.agreed = base.top == top;
  // KL = Σ p (log p − log q) = Σ p (base logit − logit) + log Σ exp(logit) − log Σ exp(base logit): never below 0 but
  // by rounding; that of a file's 16 bits is left to cancel out.
  result.kld = base.is_log_probability ? weighted + base.sum * log_sum
                                       : std::max(weighted / base.sum + log_sum - base.log_sum, 0.0);
  if (!base.is_log_probability) result.mean_abs = abs / static_cast<double>(logits.size());
  return result;
}

Comparison::Position BaseSlice::itself(std::size_t index, TokenId next) const {
  const Facts& base = positions_[index];
  Comparison::Position result;
  if (!base.finite) return result;
  result.nll = result.base_nll = base.log_sum - static_cast<double>(logits_at(index)[static_cast<std::size_t>(next)]);
  result.kld = result.delta_p = 0;
  if (!base.is_log_probability) result.mean_abs = 0;
  result.agreed = true;
  return result;
}

}  // namespace tq::eval
