#include "engine/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tq {
namespace {

double frequency(double theta, std::size_t pair, std::size_t rope_dim) {
  return std::pow(theta, -2.0 * static_cast<double>(pair) / static_cast<double>(rope_dim));
}

template <class Divisor>
std::vector<float> divisors(const ModelConfig& config, Divisor&& divisor) {
  std::vector<float> all(config.rope_dim / 2);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i] = static_cast<float>(divisor(i, frequency(static_cast<double>(config.rope_theta), i, config.rope_dim)));
  return all;
}

}  // namespace

bool uses_long_divisors(const ModelConfig& config, std::size_t context) {
  const RopeScaling& scaling = config.rope_scaling;
  return !scaling.long_divisors.empty() && context > scaling.original_context;
}

RotaryTable rotary_table(const ModelConfig& config, RopeKind kind, std::size_t context) {
  if (kind == RopeKind::kNone || config.learned_positions) return {};
  const bool local = kind == RopeKind::kLocal;
  const RopeScaling& scaling = config.rope_scaling;
  const std::vector<float>& divisors = uses_long_divisors(config, context) ? scaling.long_divisors : scaling.divisors;
  const auto theta = static_cast<double>(local ? config.local_rope_theta : config.rope_theta);
  RotaryTable table{std::vector<double>(config.rope_dim / 2), local ? 1.0F : scaling.amplitude};
  for (std::size_t i = 0; i < table.frequencies.size(); ++i) {
    const double divisor = local || divisors.empty() ? 1.0 : static_cast<double>(divisors[i]);
    table.frequencies[i] = frequency(theta, i, config.rope_dim) / divisor;
  }
  return table;
}

std::vector<float> linear_divisors(const ModelConfig& config, float factor) {
  return std::vector<float>(config.rope_dim / 2, factor);
}

std::vector<float> llama3_divisors(const ModelConfig& config, float low, float high) {
  const auto factor = static_cast<double>(config.rope_scaling.factor);
  const auto original = static_cast<double>(config.rope_scaling.original_context);
  const auto slow = static_cast<double>(low), fast = static_cast<double>(high);
  return divisors(config, [&](std::size_t, double turn) {
    const double wave = 2 * std::numbers::pi / turn;
    if (wave < original / fast) return 1.0;
    if (wave > original / slow) return factor;
    const double share = (original / wave - slow) / (fast - slow);
    return 1.0 / ((1 - share) / factor + share);
  });
}

std::vector<float> yarn_divisors(const ModelConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  const auto dim = static_cast<double>(config.rope_dim);
  // The pair that turns `turns` times in the original context.
  const auto pair_of = [&](float turns) {
    return dim *
           std::log(static_cast<double>(scaling.original_context) /
                    (static_cast<double>(turns) * 2 * std::numbers::pi)) /
           (2 * std::log(static_cast<double>(config.rope_theta)));
  };
  const double first = std::max(0.0, std::floor(pair_of(scaling.beta_fast)));
  const double last = std::min(dim - 1, std::ceil(pair_of(scaling.beta_slow)));
  return divisors(config, [&](std::size_t pair, double) {
    const double ramp = std::clamp((static_cast<double>(pair) - first) / std::max(0.001, last - first), 0.0, 1.0);
    return 1.0 / (ramp / static_cast<double>(scaling.factor) + (1 - ramp));
  });
}

float yarn_amplitude(float factor) { return factor <= 1 ? 1.0F : 0.1F * std::log(factor) + 1.0F; }

float longrope_amplitude(std::size_t context, std::size_t original) {
  if (context <= original || original < 2) return 1.0F;
  const double stretch = static_cast<double>(context) / static_cast<double>(original);
  return static_cast<float>(std::sqrt(1 + std::log(stretch) / std::log(static_cast<double>(original))));
}

}  // namespace tq
