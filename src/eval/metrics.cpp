#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>

#include "eval/statistics.h"
#include "turboquant/eval.h"

namespace tq {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The lowest index of the largest value, as a greedy sampler picks it.
std::size_t top_of(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

bool all_finite(std::span<const float> logits) {
  return std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); });
}

/// log Σ exp of the logits, of which `largest` is the largest.
double log_sum_exp(std::span<const float> logits, double largest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

/// What one position adds.
struct Position {
  double kld = kNaN, nll = kNaN, base_nll = kNaN;
  double mean_abs = kNaN, delta_p = kNaN;
  bool agreed = false;
};

Position compare(std::span<const float> base, std::span<const float> logits, std::size_t next) {
  Position result;
  if (!all_finite(base) || !all_finite(logits)) return result;
  const std::size_t base_top = top_of(base), top = top_of(logits);
  const auto base_largest = static_cast<double>(base[base_top]);
  double base_sum = 0, weighted = 0, abs = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    const double difference = static_cast<double>(base[i]) - static_cast<double>(logits[i]);
    const double weight = std::exp(static_cast<double>(base[i]) - base_largest);
    base_sum += weight;
    weighted += weight * difference;
    abs += std::abs(difference);
  }
  const double base_log_sum = base_largest + std::log(base_sum);
  const double log_sum = log_sum_exp(logits, static_cast<double>(logits[top]));
  // KL = Σ p (log p − log q) = Σ p (base logit − logit) + log Σ exp(logit) − log Σ exp(base logit): never below 0 but
  // by rounding.
  const double kld = weighted / base_sum + log_sum - base_log_sum;
  result.kld = std::max(kld, 0.0);
  result.nll = log_sum - static_cast<double>(logits[next]);
  result.base_nll = base_log_sum - static_cast<double>(base[next]);
  result.mean_abs = abs / static_cast<double>(base.size());
  result.delta_p = std::exp(-result.nll) - std::exp(-result.base_nll);
  result.agreed = base_top == top;
  return result;
}

}  // namespace

void Comparison::add(std::span<const float> base_logits, std::span<const float> logits, TokenId next) {
  assert(base_logits.size() == logits.size());
  assert(next >= 0 && static_cast<std::size_t>(next) < logits.size());
  const Position position = compare(base_logits, logits, static_cast<std::size_t>(next));
  kld_.push_back(static_cast<float>(position.kld));
  nll_.push_back(static_cast<float>(position.nll));
  base_nll_.push_back(static_cast<float>(position.base_nll));
  agreed_ += position.agreed ? 1U : 0U;
  abs_logits_ += position.mean_abs;
  delta_p_squared_ += position.delta_p * position.delta_p;
}

void Comparison::merge(const Comparison& later) {
  kld_.insert(kld_.end(), later.kld_.begin(), later.kld_.end());
  nll_.insert(nll_.end(), later.nll_.begin(), later.nll_.end());
  base_nll_.insert(base_nll_.end(), later.base_nll_.begin(), later.base_nll_.end());
  agreed_ += later.agreed_;
  abs_logits_ += later.abs_logits_;
  delta_p_squared_ += later.delta_p_squared_;
}

Comparison::Summary Comparison::summary() const {
  const auto n = static_cast<double>(kld_.size());
  std::vector<float> log_ratios(nll_.size());
  for (std::size_t i = 0; i < nll_.size(); ++i) log_ratios[i] = nll_[i] - base_nll_[i];

  Summary result;
  result.tokens = kld_.size();
  const eval::Mean nll = eval::mean_of(nll_), ratio = eval::mean_of(log_ratios), kld = eval::mean_of(kld_);
  result.ppl = std::exp(nll.value);
  result.ppl_se = result.ppl * nll.standard_error;
  result.base_ppl = std::exp(eval::mean_of(base_nll_).value);
  result.ppl_ratio = std::exp(ratio.value);
  result.ppl_ratio_se = result.ppl_ratio * ratio.standard_error;
  result.kld_mean = kld.value;
  result.kld_mean_se = kld.standard_error;
  const eval::Percentiles percentiles(kld_);
  result.kld_median = percentiles.at(0.5);
  result.kld_p99 = percentiles.at(0.99);
  result.kld_p999 = percentiles.at(0.999);
  result.kld_max = percentiles.at(1);
  result.top1_agreement = static_cast<double>(agreed_) / n;
  result.mae_logits = abs_logits_ / n;
  result.rms_delta_p = std::sqrt(delta_p_squared_ / n);
  return result;
}

void Continuation::add(std::span<const float> logits, TokenId base_token) {
  assert(base_token >= 0 && static_cast<std::size_t>(base_token) < logits.size());
  ++tokens_;
  if (!all_finite(logits)) {
    missed_ = nll_ = kNaN;
    return;
  }
  const auto token = static_cast<std::size_t>(base_token);
  const std::size_t top = top_of(logits);
  const auto largest = static_cast<double>(logits[top]);
  nll_ += log_sum_exp(logits, largest) - static_cast<double>(logits[token]);
  if (top == token) {
    ++correct_;
  } else {
    missed_ += 1 - std::exp(static_cast<double>(logits[token]) - largest);
  }
}

Continuation::Summary Continuation::summary() const {
  const auto n = static_cast<double>(tokens_);
  const std::uint64_t misses = tokens_ - correct_;
  Summary result;
  result.tokens = tokens_;
  result.token_accuracy = static_cast<double>(correct_) / n;
  result.missed_divergence = misses > 0 || tokens_ == 0 ? missed_ / static_cast<double>(misses) : 0;
  result.base_token_ppl = std::exp(nll_ / n);
  return result;
}

}  // namespace tq
