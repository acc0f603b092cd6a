#include "engine/decoder.h"

#include <algorithm>
#include <cmath>

#include "simd/kernels.h"

namespace tq {

Decoder::Decoder(const LoadedModel& model, std::shared_ptr<ThreadPool> pool)
    : model_(model),
      config_(model.config()),
      pool_(std::move(pool)),
      workspaces_(pool_->size()),
      store_(pool_->size()),
      attention_(pool_->size()) {}

void Decoder::run(std::span<const TokenId> tokens, std::size_t position, KvCache& cache, std::size_t n_logits,
                  float* logits) {
  n_tokens_ = tokens.size();
  embed(tokens);
  const std::vector<double>& frequencies = model_.rope_frequencies();
  cosines_.resize(n_tokens_ * frequencies.size());
  sines_.resize(cosines_.size());
  for (std::size_t i = 0; i < cosines_.size(); ++i) {
    const double angle = static_cast<double>(position + i / frequencies.size()) * frequencies[i % frequencies.size()];
    cosines_[i] = static_cast<float>(std::cos(angle));
    sines_[i] = static_cast<float>(std::sin(angle));
  }
  cache.begin_batch(position, n_tokens_);
  const std::size_t n_layers =
      observer_ == nullptr ? config_.n_layers : std::min(config_.n_layers, observer_->layers());
  for (std::size_t layer = 0; layer < n_layers; ++layer) {
    attention_block(layer, position, cache);
    feed_forward_block(layer);
  }
  cache.end_batch();
  if (n_logits > 0) compute_logits(n_logits, logits);
}

void Decoder::embed(std::span<const TokenId> tokens) {
  const Matrix& embedding = model_.embedding();
  residual_.resize(n_tokens_ * config_.hidden_size);
  for (std::size_t t = 0; t < n_tokens_; ++t) {
    embedding.codec->decode(embedding.bytes.data(), static_cast<std::size_t>(tokens[t]), 1,
                            residual_.data() + t * config_.hidden_size);
  }
}

void Decoder::attention_block(std::size_t layer_index, std::size_t position, KvCache& cache) {
  const Layer& layer = model_.layers()[layer_index];
  normalize(residual_.data(), n_tokens_, layer.attention_norm);
  query_.resize(n_tokens_ * layer.query.rows);
  key_.resize(n_tokens_ * layer.key.rows);
  value_.resize(n_tokens_ * layer.value.rows);
  activations_.set(normed_.data(), n_tokens_);
  show(layer_index, TensorRole::kQuery, normed_);
  activations_.multiply({{layer.query, query_.data()}, {layer.key, key_.data()}, {layer.value, value_.data()}}, *pool_,
                        workspaces_);
  rotate_positions(query_, config_.n_heads);
  rotate_positions(key_, config_.n_kv_heads);

  store(cache, {layer_index, position, n_tokens_, key_.data(), value_.data()}, *pool_, store_);
  attended_.resize(query_.size());
  attend(config_, cache, {layer_index, position, n_tokens_, query_.data(), attended_.data()}, *pool_, attention_);
  cache.keep_fresh(layer_index);

  projected_.resize(residual_.size());
  activations_.set(attended_.data(), n_tokens_);
  show(layer_index, TensorRole::kAttentionOutput, attended_);
  activations_.multiply({{layer.attention_output, projected_.data()}}, *pool_, workspaces_);
  add_to_residual(projected_);
}

/// SwiGLU: down(silu(gate(x)) · up(x)).
void Decoder::feed_forward_block(std::size_t layer_index) {
  const Layer& layer = model_.layers()[layer_index];
  normalize(residual_.data(), n_tokens_, layer.feed_forward_norm);
  gate_.resize(n_tokens_ * config_.feed_forward_size);
  up_.resize(gate_.size());
  activations_.set(normed_.data(), n_tokens_);
  show(layer_index, TensorRole::kGate, normed_);
  activations_.multiply({{layer.gate, gate_.data()}, {layer.up, up_.data()}}, *pool_, workspaces_);
  pool_->for_ranges(n_tokens_, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    const std::size_t offset = begin * config_.feed_forward_size;
    kernels().silu_multiply(gate_.data() + offset, up_.data() + offset, (end - begin) * config_.feed_forward_size);
  });
  activations_.set(gate_.data(), n_tokens_);
  show(layer_index, TensorRole::kDown, gate_);
  activations_.multiply({{layer.down, projected_.data()}}, *pool_, workspaces_);
  add_to_residual(projected_);
}

void Decoder::compute_logits(std::size_t n_logits, float* logits) {
  normalize(residual_.data() + (n_tokens_ - n_logits) * config_.hidden_size, n_logits, model_.output_norm());
  activations_.set(normed_.data(), n_logits);
  activations_.multiply({{model_.output(), logits}}, *pool_, workspaces_);
}

void Decoder::normalize(const float* x, std::size_t n_tokens, const std::vector<float>& weight) {
  const std::size_t hidden = config_.hidden_size;
  normed_.resize(n_tokens * hidden);
  pool_->for_ranges(n_tokens, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t t = begin; t < end; ++t) {
      kernels().rms_norm(x + t * hidden, weight.data(), hidden, config_.rms_norm_eps, normed_.data() + t * hidden);
    }
  });
}

/// Turns the pair (2i, 2i + 1) of every head by position · frequency i (arXiv 2104.09864, equation 34).
void Decoder::rotate_positions(std::vector<float>& rows, std::size_t n_heads) const {
  const std::size_t pairs = config_.rope_dim / 2;
  for (std::size_t t = 0; t < n_tokens_; ++t) {
    const float* cosines = cosines_.data() + t * pairs;
    const float* sines = sines_.data() + t * pairs;
    for (std::size_t head = 0; head < n_heads; ++head) {
      float* x = rows.data() + (t * n_heads + head) * config_.head_dim;
      for (std::size_t i = 0; i < pairs; ++i) {
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosines[i] - b * sines[i];
        x[2 * i + 1] = a * sines[i] + b * cosines[i];
      }
    }
  }
}

void Decoder::show(std::size_t layer, TensorRole role, const std::vector<float>& x) const {
  if (observer_ != nullptr) observer_->see(layer, role, x.data(), n_tokens_, x.size() / n_tokens_);
}

void Decoder::add_to_residual(const std::vector<float>& x) {
  std::transform(residual_.begin(), residual_.end(), x.begin(), residual_.begin(), std::plus<>());
}

}  // namespace tq
