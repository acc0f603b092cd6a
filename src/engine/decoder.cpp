#include "engine/decoder.h"

#include <algorithm>
#include <cmath>

#include "simd/kernels.h"

namespace tq {
namespace {

void layer_norm(const float* x, const Norm& norm, float eps, float* y) {
  const std::size_t n = norm.weight.size();
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(x[i]) - mean;
    squares += difference * difference;
  }
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(eps));
  for (std::size_t i = 0; i < n; ++i)
    y[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * factor) * norm.weight[i] + norm.bias[i];
}

}  // namespace

Decoder::Decoder(const LoadedModel& model, std::size_t context, std::shared_ptr<ThreadPool> pool)
    : model_(model),
      config_(model.config()),
      pool_(std::move(pool)),
      workspaces_(pool_->size()),
      store_(pool_->size()),
      attention_(pool_->size()),
      feed_forward_(config_, *pool_) {
  turns_[0].table = rotary_table(config_, RopeKind::kGlobal, context);
  if (config_.local_rope_theta > 0) turns_[1].table = rotary_table(config_, RopeKind::kLocal, context);
}

void Decoder::run(std::span<const TokenId> tokens, std::size_t position, KvCache& cache, std::size_t n_logits,
                  float* logits) {
  n_tokens_ = tokens.size();
  embed(tokens, position);
  prepare_turns(position);
  cache.begin_batch(position, n_tokens_);
  const std::size_t n_layers =
      observer_ == nullptr ? config_.n_layers : std::min(config_.n_layers, observer_->layers());
  for (std::size_t layer = 0; layer < n_layers; ++layer) {
    attention_block(layer, position, cache);
    feed_forward_block(layer);
    if (observer_ != nullptr) observer_->see_hidden(layer, residual_.data(), n_tokens_, config_.hidden_size);
  }
  cache.end_batch();
  if (n_logits > 0) compute_logits(n_logits, logits);
}

void Decoder::embed(std::span<const TokenId> tokens, std::size_t position) {
  const std::size_t hidden = config_.hidden_size;
  residual_.resize(n_tokens_ * hidden);
  for (std::size_t t = 0; t < n_tokens_; ++t)
    model_.embedding().decode(static_cast<std::size_t>(tokens[t]), 1, residual_.data() + t * hidden);
  if (config_.embedding_scale != 1) kernels().scale(residual_.data(), config_.embedding_scale, residual_.size());
  if (!config_.learned_positions) return;
  std::vector<float> places(n_tokens_ * hidden);
  model_.positions().decode(position, n_tokens_, places.data());
  std::transform(residual_.begin(), residual_.end(), places.begin(), residual_.begin(), std::plus<>());
}

void Decoder::prepare_turns(std::size_t position) {
  for (Turns& turns : turns_) {
    const std::vector<double>& frequencies = turns.table.frequencies;
    const auto amplitude = static_cast<double>(turns.table.amplitude);
    turns.cosines.resize(n_tokens_ * frequencies.size());
    turns.sines.resize(turns.cosines.size());
    for (std::size_t i = 0; i < turns.cosines.size(); ++i) {
      const double angle = static_cast<double>(position + i / frequencies.size()) * frequencies[i % frequencies.size()];
      turns.cosines[i] = static_cast<float>(std::cos(angle) * amplitude);
      turns.sines[i] = static_cast<float>(std::sin(angle) * amplitude);
    }
  }
}

void Decoder::attention_block(std::size_t layer_index, std::size_t position, KvCache& cache) {
  const Layer& layer = model_.layers()[layer_index];
  const LayerAttention attention = config_.attention(layer_index);
  normalize(residual_.data(), n_tokens_, layer.attention_norm);
  query_.resize(n_tokens_ * layer.query.matrix.rows);
  key_.resize(n_tokens_ * layer.key.matrix.rows);
  value_.resize(n_tokens_ * layer.value.matrix.rows);
  activations_.set(normed_.data(), n_tokens_);
  show(layer_index, TensorRole::kQuery, normed_);
  activations_.multiply(
      {{layer.query.matrix, query_.data()}, {layer.key.matrix, key_.data()}, {layer.value.matrix, value_.data()}},
      *pool_, workspaces_, {layer.attention_output.matrix.row_bytes()});
  add_bias(layer.query.bias, n_tokens_, query_.data());
  const KeyBias* left_out = cache.key_bias();
  add_bias(left_out == nullptr ? layer.key.bias : left_out->rest(layer_index), n_tokens_, key_.data());
  add_bias(layer.value.bias, n_tokens_, value_.data());
  if (config_.query_key_norm) {
    normalize_heads(query_, layer.query_norm);
    normalize_heads(key_, layer.key_norm);
  }
  if (attention.rope != RopeKind::kNone) {
    const Turns& turns = turns_[attention.rope == RopeKind::kLocal ? 1 : 0];
    rotate_positions(query_, config_.n_heads, turns);
    rotate_positions(key_, config_.n_kv_heads, turns);
  }

  store(cache, {layer_index, position, n_tokens_, key_.data(), value_.data()}, *pool_, store_);
  attended_.resize(query_.size());
  attend(config_, cache, {layer_index, position, n_tokens_, query_.data(), attended_.data(), attention.window}, *pool_,
         attention_);
  cache.keep_fresh(layer_index);

  projected_.resize(residual_.size());
  activations_.set(attended_.data(), n_tokens_);
  show(layer_index, TensorRole::kAttentionOutput, attended_);
  activations_.multiply({{layer.attention_output.matrix, projected_.data()}}, *pool_, workspaces_, network_rows(layer));
  add_bias(layer.attention_output.bias, n_tokens_, projected_.data());
  add_to_residual(layer.post_attention_norm);
}

/// What a layer reads first, or what comes behind the last one.
ThreadPool::Stretches Decoder::first_rows(std::size_t layer_index) const {
  if (layer_index == config_.n_layers) return {model_.output().row_bytes()};
  const Layer& layer = model_.layers()[layer_index];
  return {layer.query.matrix.row_bytes(), layer.key.matrix.row_bytes(), layer.value.matrix.row_bytes()};
}

void Decoder::feed_forward_block(std::size_t layer_index) {
  const Layer& layer = model_.layers()[layer_index];
  normalize(residual_.data(), n_tokens_, layer.feed_forward_norm);
  feed_forward_.run(layer, normed_.data(), n_tokens_, projected_.data(), {observer_, layer_index},
                    first_rows(layer_index + 1));
  add_to_residual(layer.post_feed_forward_norm);
}

void Decoder::compute_logits(std::size_t n_logits, float* logits) {
  normalize(residual_.data() + (n_tokens_ - n_logits) * config_.hidden_size, n_logits, model_.output_norm());
  activations_.set(normed_.data(), n_logits);
  activations_.multiply({{model_.output(), logits}}, *pool_, workspaces_, first_rows(0));
  const float cap = config_.logit_soft_cap;
  for (std::size_t i = 0; cap > 0 && i < n_logits * config_.vocab_size; ++i)
    logits[i] = cap * std::tanh(logits[i] / cap);
}

void Decoder::normalize(const float* x, std::size_t n_tokens, const Norm& norm) {
  const std::size_t hidden = config_.hidden_size;
  normed_.resize(n_tokens * hidden);
  pool_->for_ranges(n_tokens, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t t = begin; t < end; ++t) {
      float* y = normed_.data() + t * hidden;
      if (config_.norm == NormKind::kLayer) {
        layer_norm(x + t * hidden, norm, config_.rms_norm_eps, y);
      } else {
        kernels().rms_norm(x + t * hidden, norm.weight.data(), hidden, config_.rms_norm_eps, y);
      }
    }
  });
}

void Decoder::normalize_heads(std::vector<float>& rows, const std::vector<float>& weight) {
  const std::size_t dim = config_.head_dim;
  pool_->for_ranges(rows.size() / dim, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t head = begin; head < end; ++head) {
      float* x = rows.data() + head * dim;
      kernels().rms_norm(x, weight.data(), dim, config_.rms_norm_eps, x);
    }
  });
}

/// Turns pair i of every head by position · frequency i (arXiv 2104.09864, equation 34).
void Decoder::rotate_positions(std::vector<float>& rows, std::size_t n_heads, const Turns& turns) const {
  const std::size_t pairs = config_.rope_dim / 2;
  const std::size_t step = config_.rope_halves ? 1 : 2, apart = config_.rope_halves ? pairs : 1;
  pool_->for_ranges(n_tokens_, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t t = begin; t < end; ++t) {
      const float* cosines = turns.cosines.data() + t * pairs;
      const float* sines = turns.sines.data() + t * pairs;
      for (std::size_t head = 0; head < n_heads; ++head) {
        float* x = rows.data() + (t * n_heads + head) * config_.head_dim;
        for (std::size_t i = 0; i < pairs; ++i) {
          float &a = x[step * i], &b = x[step * i + apart];
          const float turned = a * cosines[i] - b * sines[i];
          b = a * sines[i] + b * cosines[i];
          a = turned;
        }
      }
    }
  });
}

void Decoder::show(std::size_t layer, TensorRole role, const std::vector<float>& x) const {
  LayerObserver{observer_, layer}.see(role, x.data(), n_tokens_, x.size() / n_tokens_);
}

void Decoder::add_to_residual(const Norm& post_norm) {
  if (!post_norm.weight.empty()) normalize(projected_.data(), n_tokens_, post_norm);
  const std::vector<float>& added = post_norm.weight.empty() ? projected_ : normed_;
  const std::size_t hidden = config_.hidden_size;
  pool_->for_ranges(n_tokens_, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    float* sums = residual_.data();
    std::transform(sums + begin * hidden, sums + end * hidden, added.data() + begin * hidden, sums + begin * hidden,
                   std::plus<>());
  });
}

}  // namespace tq
