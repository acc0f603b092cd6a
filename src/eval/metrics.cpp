#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>

#include "eval/base_slice.h"
#include "eval/statistics.h"
#include "turboquant/eval.h"

namespace tq {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

void Comparison::add(std::span<const float> base_logits, std::span<const float> logits, TokenId next) {
  assert(base_logits.size() == logits.size());
  eval::BaseSlice base(base_logits.size());
  std::ranges::copy(base_logits, base.logits(1).begin());
  ThreadPool alone(1);
  base.prepare(alone);
  add(base.compare(0, logits, next));
}

void Comparison::add(const Position& position) {
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

PairedChange change_between(const Comparison& from, const Comparison& to) {
  assert(from.kld().size() == to.kld().size());
  std::vector<double> differences(from.kld().size());
  const auto mean_change = [&](std::span<const float> before, std::span<const float> after) {
    std::ranges::transform(after, before, differences.begin(), [](float a, float b) { return double{a} - double{b}; });
    return eval::mean_of(differences);
  };
  const eval::Mean kld = mean_change(from.kld(), to.kld()), nll = mean_change(from.nll(), to.nll());
  return {kld.value, kld.standard_error, nll.value, nll.standard_error};
}

void Continuation::add(std::span<const float> logits, TokenId base_token) {
  assert(base_token >= 0 && static_cast<std::size_t>(base_token) < logits.size());
  ++tokens_;
  if (!eval::all_finite(logits)) {
    missed_ = nll_ = kNaN;
    return;
  }
  const auto token = static_cast<std::size_t>(base_token);
  const std::size_t top = eval::top_of(logits);
  const auto largest = static_cast<double>(logits[top]);
  nll_ += eval::log_sum_exp(logits, largest) - static_cast<double>(logits[token]);
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
