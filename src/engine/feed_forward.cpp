#include "engine/feed_forward.h"

#include <algorithm>
#include <cstring>

#include "simd/kernels.h"

namespace tq {
namespace {

/// gelu(x) = x · σ(z) with z = c x (1 + 0.044715 x²), c = 2 √(2/π), so gelu(x) · u = silu(z) · u / (c (1 + 0.044715
/// x²)).
void gelu_multiply(float* gate, float* up, std::size_t n) {
  constexpr float kSlope = 1.5957691216F, kCube = 0.044715F;
  for (std::size_t i = 0; i < n; ++i) {
    const float bend = kSlope * (1.0F + kCube * gate[i] * gate[i]);
    gate[i] *= bend;
    up[i] /= bend;
  }
  kernels().silu_multiply(gate, up, n);
}

}  // namespace

void add_bias(const std::vector<float>& bias, std::size_t n_rows, float* rows) {
  if (bias.empty()) return;
  for (std::size_t r = 0; r < n_rows; ++r) {
    for (std::size_t j = 0; j < bias.size(); ++j) rows[r * bias.size() + j] += bias[j];
  }
}

ThreadPool::Stretches network_rows(const Layer& layer) {
  if (layer.router.rows > 0) return {layer.router.row_bytes()};
  const FeedForward& network = layer.experts.front();
  return {network.gate.matrix.row_bytes(), network.up.matrix.row_bytes()};
}

FeedForwardRunner::FeedForwardRunner(const ModelConfig& config, ThreadPool& pool)
    : config_(config), pool_(pool), workspaces_(pool.size()) {}

void FeedForwardRunner::run(const Layer& layer, const float* x, std::size_t n_tokens, float* out,
                            const LayerObserver& inputs, const ThreadPool::Stretches& next) {
  if (layer.router.rows > 0) return run_experts(layer, x, n_tokens, out);
  run_network(layer.experts.front(), x, n_tokens, out, inputs, next);
}

void FeedForwardRunner::run_network(const FeedForward& network, const float* x, std::size_t n_tokens, float* out,
                                    const LayerObserver& inputs, const ThreadPool::Stretches& next) {
  const std::size_t width = config_.feed_forward_size;
  gate_.resize(std::max(gate_.size(), n_tokens * width));
  up_.resize(gate_.size());
  float *inner = config_.gated ? gate_.data() : up_.data(), *factors = config_.gated ? up_.data() : gate_.data();
  activations_.set(x, n_tokens);
  inputs.see(TensorRole::kGate, x, n_tokens, config_.hidden_size);
  activations_.multiply({{network.gate.matrix, gate_.data()}, {network.up.matrix, up_.data()}}, pool_, workspaces_,
                        {network.down.matrix.row_bytes()});
  add_bias(network.gate.bias, n_tokens, gate_.data());
  add_bias(network.up.bias, n_tokens, up_.data());
  pool_.for_ranges(n_tokens, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    const std::size_t offset = begin * width, n = (end - begin) * width;
    if (!config_.gated) std::fill_n(factors + offset, n, 1.0F);
    if (config_.activation == Activation::kSilu) kernels().silu_multiply(inner + offset, factors + offset, n);
    if (config_.activation == Activation::kGelu) gelu_multiply(inner + offset, factors + offset, n);
  });
  activations_.set(inner, n_tokens);
  inputs.see(TensorRole::kDown, inner, n_tokens, width);
  activations_.multiply({{network.down.matrix, out}}, pool_, workspaces_, next);
  add_bias(network.down.bias, n_tokens, out);
}

void FeedForwardRunner::choose_experts(const Matrix& router, const float* x, std::size_t n_tokens) {
  const std::size_t n = config_.n_experts;
  shares_.resize(n_tokens * n);
  activations_.set(x, n_tokens);
  activations_.multiply({{router, shares_.data()}}, pool_, workspaces_, {});
  std::vector<std::size_t> order(n);
  for (std::size_t t = 0; t < n_tokens; ++t) {
    float* shares = shares_.data() + t * n;
    kernels().softmax(shares, n);
    for (std::size_t e = 0; e < n; ++e) order[e] = e;
    const auto used = order.begin() + static_cast<std::ptrdiff_t>(config_.n_experts_used);
    std::partial_sort(order.begin(), used, order.end(), [shares](std::size_t a, std::size_t b) {
      return shares[a] != shares[b] ? shares[a] > shares[b] : a < b;
    });
    std::for_each(used, order.end(), [shares](std::size_t e) { shares[e] = 0; });
    float sum = 0;
    for (std::size_t e = 0; e < n; ++e) sum += shares[e];
    if (config_.normalize_experts) kernels().scale(shares, 1.0F / sum, n);
  }
}

void FeedForwardRunner::run_experts(const Layer& layer, const float* x, std::size_t n_tokens, float* out) {
  const std::size_t hidden = config_.hidden_size, n = config_.n_experts;
  choose_experts(layer.router, x, n_tokens);
  std::fill_n(out, n_tokens * hidden, 0.0F);
  for (std::size_t e = 0; e < n; ++e) {
    tokens_.clear();
    for (std::size_t t = 0; t < n_tokens; ++t) {
      if (shares_[t * n + e] != 0) tokens_.push_back(t);
    }
    if (tokens_.empty()) continue;
    taken_.resize(std::max(taken_.size(), n_tokens * hidden));
    given_.resize(taken_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      std::memcpy(taken_.data() + i * hidden, x + tokens_[i] * hidden, hidden * sizeof(float));
    run_network(layer.experts[e], taken_.data(), tokens_.size(), given_.data(), {}, {});
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const float share = shares_[tokens_[i] * n + e];
      for (std::size_t j = 0; j < hidden; ++j) out[tokens_[i] * hidden + j] += share * given_[i * hidden + j];
    }
  }
}

}  // namespace tq
