#include "turboquant/sampler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/random.h"

namespace tq {
namespace {

struct Candidate {
  double logit;
  TokenId id;
};

/// e^x for x ≤ 0, from additions and multiplications alone: the last digit of a platform's exp() must not choose a
/// token. x = k·ln 2 + r with |r| ≤ ln 2 / 2; the first term left out of the series, r¹⁴/14!, is below 5e-18.
double exp_at_most_one(double x) {
  if (!(x > -700.0)) return 0.0;
  constexpr double kLog2E = 1.4426950408889634, kLn2High = 6.93147180369123816490e-01,
                   kLn2Low = 1.90821492927058770002e-10;
  const double k = std::floor(x * kLog2E + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0;
  for (int term = 13; term >= 1; --term) sum = 1.0 + sum * r / term;
  return std::ldexp(sum, static_cast<int>(k));
}

/// The `top_k` most likely tokens, most likely first, the lower id first among equals. Leaves out what cannot be drawn:
/// −∞ and NaN.
std::vector<Candidate> most_likely(std::span<const float> logits, int top_k) {
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -std::numeric_limits<float>::infinity()) candidates.push_back({logits[i], static_cast<TokenId>(i)});
  }
  const std::size_t kept =
      top_k <= 0 ? candidates.size() : std::min(candidates.size(), static_cast<std::size_t>(top_k));
  const auto middle = candidates.begin() + static_cast<std::ptrdiff_t>(kept);
  std::partial_sort(candidates.begin(), middle, candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  });
  candidates.resize(kept);
  return candidates;
}

/// Probabilities relative to the first candidate, the most likely one.
std::vector<double> relative_probabilities(std::span<const Candidate> candidates, double temperature) {
  std::vector<double> relative(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    relative[i] = exp_at_most_one((candidates[i].logit - candidates[0].logit) / temperature);
  }
  return relative;
}

double sum_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

/// How many of the leading candidates reach a share of `top_p` together; at least one.
std::size_t count_top_p(std::span<const double> relative, float top_p) {
  if (!(top_p < 1.0F)) return relative.size();
  const double wanted = static_cast<double>(top_p) * sum_of(relative);
  double reached = 0;
  for (std::size_t i = 0; i < relative.size(); ++i) {
    reached += relative[i];
    if (reached >= wanted) return i + 1;
  }
  return relative.size();
}

/// How many of the leading candidates are at least `min_p` times as likely as the first; at least one.
std::size_t count_min_p(std::span<const double> relative, float min_p) {
  std::size_t count = 1;
  while (count < relative.size() && relative[count] >= static_cast<double>(min_p)) ++count;
  return count;
}

/// Keeps the tokens whose information, −log p, is closest to the entropy, until they have a share above `typical_p`
/// together. The order stays.
void keep_typical(std::vector<Candidate>& candidates, float typical_p) {
  if (!(typical_p < 1.0F) || candidates.size() < 2) return;
  std::vector<double> shares = relative_probabilities(candidates, 1.0);
  const double sum = sum_of(shares);
  double entropy = 0;
  for (double& share : shares) {
    share /= sum;
    if (share > 0) entropy -= share * std::log(share);
  }
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Two distances that differ in their last digits are one: a platform's log() must not choose a token.
  const auto distance = [&](std::size_t i) {
    return shares[i] > 0 ? std::round(std::fabs(-std::log(shares[i]) - entropy) * 1e9) : 1e300;
  };
  std::vector<double> distances(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) distances[i] = distance(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return distances[a] < distances[b]; });
  std::size_t kept = 0;
  for (double reached = 0; kept < order.size() && reached <= static_cast<double>(typical_p);)
    reached += shares[order[kept++]];
  order.resize(std::max<std::size_t>(kept, 1));
  std::sort(order.begin(), order.end());
  std::vector<Candidate> left;
  for (const std::size_t i : order) left.push_back(candidates[i]);
  candidates = std::move(left);
}

bool has_penalties(const SamplerOptions& options) {
  return options.repeat_last_n != 0 &&
         (options.repeat_penalty != 1.0F || options.presence_penalty != 0.0F || options.frequency_penalty != 0.0F);
}

/// Lowers the logits of the tokens among the last ones of `accepted`.
void penalize(std::span<float> logits, std::span<const TokenId> accepted, const SamplerOptions& options) {
  const std::size_t window =
      options.repeat_last_n < 0 ? accepted.size() : static_cast<std::size_t>(options.repeat_last_n);
  std::vector<TokenId> recent(accepted.end() - static_cast<std::ptrdiff_t>(std::min(window, accepted.size())),
                              accepted.end());
  std::sort(recent.begin(), recent.end());
  for (std::size_t i = 0; i < recent.size();) {
    std::size_t end = i;
    while (end < recent.size() && recent[end] == recent[i]) ++end;
    const auto times = static_cast<float>(end - i);
    if (recent[i] >= 0 && static_cast<std::size_t>(recent[i]) < logits.size()) {
      float& logit = logits[static_cast<std::size_t>(recent[i])];
      logit = logit <= 0.0F ? logit * options.repeat_penalty : logit / options.repeat_penalty;
      logit -= times * options.frequency_penalty + options.presence_penalty;
    }
    i = end;
  }
}

}  // namespace

TokenId argmax(std::span<const float> logits) {
  float best = -std::numeric_limits<float>::infinity();
  std::size_t index = 0;  // stays when there is nothing but −∞ and NaN
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best) {
      best = logits[i];
      index = i;
    }
  }
  return static_cast<TokenId>(index);
}

void Sampler::accept(std::span<const TokenId> tokens) {
  accepted_.insert(accepted_.end(), tokens.begin(), tokens.end());
  if (options_.repeat_last_n < 0) return;
  const auto kept = static_cast<std::size_t>(options_.repeat_last_n);
  if (accepted_.size() <= 2 * kept + 1024) return;  // seldom, so that it costs nothing
  accepted_.erase(accepted_.begin(), accepted_.end() - static_cast<std::ptrdiff_t>(kept));
}

std::vector<TokenProbability> Sampler::distribution(std::span<const float> logits) const {
  assert(!logits.empty());
  std::vector<float> penalized;
  if (has_penalties(options_) && !accepted_.empty()) {
    penalized.assign(logits.begin(), logits.end());
    penalize(penalized, accepted_, options_);
    logits = penalized;
  }
  const TokenId best = argmax(logits);
  // Beside an infinite logit, or among nothing but −∞ and NaN, there are no proportions to draw by.
  const bool drawable = std::isfinite(logits[static_cast<std::size_t>(best)]);
  if (!(options_.temperature > 0.0F) || !drawable) return {{best, 1.0}};

  std::vector<Candidate> candidates = most_likely(logits, options_.top_k);
  keep_typical(candidates, options_.typical_p);
  std::vector<double> relative = relative_probabilities(candidates, 1.0);
  relative.resize(count_top_p(relative, options_.top_p));
  candidates.resize(count_min_p(relative, options_.min_p));

  relative = relative_probabilities(candidates, static_cast<double>(options_.temperature));
  const double sum = sum_of(relative);
  std::vector<TokenProbability> left(candidates.size());
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = {candidates[i].id, relative[i] / sum};
  return left;
}

TokenId Sampler::next(std::span<const float> logits) {
  const std::vector<TokenProbability> tokens = distribution(logits);
  if (tokens.size() == 1 && !(options_.temperature > 0.0F)) return tokens[0].id;
  double left = next_uniform(state_);
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (left < tokens[i].probability) return tokens[i].id;
    left -= tokens[i].probability;
  }
  return tokens.back().id;
}

}  // namespace tq
