#include "turboquant/sampler.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
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

TokenId Sampler::next(std::span<const float> logits) {
  assert(!logits.empty());
  const TokenId best = argmax(logits);
  // Beside an infinite logit, or among nothing but −∞ and NaN, there are no proportions to draw by.
  const bool drawable = std::isfinite(logits[static_cast<std::size_t>(best)]);
  if (!(options_.temperature > 0.0F) || !drawable) return best;

  std::vector<Candidate> candidates = most_likely(logits, options_.top_k);
  std::vector<double> relative = relative_probabilities(candidates, 1.0);
  relative.resize(count_top_p(relative, options_.top_p));
  candidates.resize(count_min_p(relative, options_.min_p));

  relative = relative_probabilities(candidates, static_cast<double>(options_.temperature));
  double left = next_uniform(state_) * sum_of(relative);
  for (std::size_t i = 0; i + 1 < candidates.size(); ++i) {
    if (left < relative[i]) return candidates[i].id;
    left -= relative[i];
  }
  return candidates.back().id;
}

}  // namespace tq
