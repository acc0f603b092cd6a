// Rotary positions (arXiv 2104.09864): angles of each pair, and the published ways to stretch them.
#pragma once

#include <cstddef>
#include <vector>

#include "turboquant/model.h"

namespace tq {

/// Pair i of a head turns at position p by p · frequencies[i]; what has turned is multiplied by `amplitude`.
struct RotaryTable {
  std::vector<double> frequencies;
  float amplitude = 1;
};

/// θ^(−2i/rope_dim), divided by the divisors of the config: the long ones where `context` exceeds the original one.
/// Empty for RopeKind::kNone and a model without rotary positions.
RotaryTable rotary_table(const ModelConfig& config, RopeKind kind, std::size_t context);

/// The long divisors serve a session of this context.
bool uses_long_divisors(const ModelConfig& config, std::size_t context);

/// Of a config with rope_theta and rope_dim:
/// every frequency by `factor`;
std::vector<float> linear_divisors(const ModelConfig& config, float factor);
/// Llama 3.1: waves longer than original/low by `factor`, those shorter than original/high by 1, a smooth way between;
std::vector<float> llama3_divisors(const ModelConfig& config, float low, float high);
/// YaRN (arXiv 2309.00071, §3.2): pairs that turn less than beta_slow times in the original context by `factor`, those
/// that turn more than beta_fast times by 1, a ramp between.
std::vector<float> yarn_divisors(const ModelConfig& config);
/// … and its amplitude, 0.1 ln(factor) + 1 (equation 22).
float yarn_amplitude(float factor);
/// LongRoPE (arXiv 2402.13753) as Phi-3 uses it: √(1 + ln(context / original) / ln(original)), at least 1.
float longrope_amplitude(std::size_t context, std::size_t original);

}  // namespace tq
