#include "engine/key_bias.h"

#include <algorithm>
#include <cmath>

#include "simd/kernels.h"

namespace tq {
namespace {

/// E‖W x‖² of the rows of one head.
double expected_energy(const Matrix& keys, std::size_t first_row, std::size_t n_rows, const std::vector<float>& norm,
                       std::vector<float>& row) {
  row.resize(keys.cols);
  double sum = 0;
  for (std::size_t r = 0; r < n_rows; ++r) {
    keys.decode(first_row + r, 1, row.data());
    for (std::size_t j = 0; j < keys.cols; ++j) {
      const double weight = static_cast<double>(row[j]) * static_cast<double>(norm[j]);
      sum += weight * weight;
    }
  }
  return sum;
}

}  // namespace

bool has_key_bias(const ModelConfig& config) { return config.qkv_bias && !config.query_key_norm; }

std::vector<double> key_bias_ratios(const LoadedModel& model) {
  const ModelConfig& config = model.config();
  std::vector<double> ratios;
  if (!has_key_bias(config)) return ratios;
  std::vector<float> row;
  for (const Layer& layer : model.layers()) {
    for (std::size_t head = 0; head < config.n_kv_heads; ++head) {
      const std::size_t first = head * config.head_dim;
      double energy = 0;
      for (std::size_t j = first; j < first + config.head_dim; ++j)
        energy += static_cast<double>(layer.key.bias[j]) * static_cast<double>(layer.key.bias[j]);
      const double rest = expected_energy(layer.key.matrix, first, config.head_dim, layer.attention_norm.weight, row);
      ratios.push_back(energy == 0 ? 0 : energy / std::max(rest, 1e-30));
    }
  }
  return ratios;
}

std::shared_ptr<const KeyBias> KeyBias::create(const LoadedModel& model, std::size_t context, bool every_head) {
  const ModelConfig& config = model.config();
  if (!has_key_bias(config)) return nullptr;
  auto made = std::make_shared<KeyBias>();
  made->config_ = config;
  made->n_kv_heads_ = config.n_kv_heads;
  made->heads_.assign(config.n_layers * config.n_kv_heads, every_head);
  if (!every_head) {
    const std::vector<double> ratios = key_bias_ratios(model);
    std::transform(ratios.begin(), ratios.end(), made->heads_.begin(), [](double ratio) { return ratio >= 1; });
  }
  if (std::find(made->heads_.begin(), made->heads_.end(), true) == made->heads_.end()) return nullptr;
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    made->biases_.push_back(model.layers()[layer].key.bias);
    std::vector<float>& rest = made->rest_.emplace_back(made->biases_.back());
    for (std::size_t j = 0; j < rest.size(); ++j) {
      if (made->left_out(layer, j / config.head_dim)) rest[j] = 0;
    }
  }
  for (const RopeKind kind : {RopeKind::kGlobal, RopeKind::kLocal}) {
    if (kind == RopeKind::kLocal && config.local_rope_theta <= 0) continue;
    Angles& angles = made->angles_[kind == RopeKind::kLocal ? 1 : 0];
    angles.table = rotary_table(config, kind, context);
    const std::size_t n_pairs = angles.table.frequencies.size();
    angles.waves.resize(kPositions * 2 * n_pairs);
    for (std::size_t r = 0; r < kPositions; ++r) {
      for (std::size_t i = 0; i < n_pairs; ++i) {
        const double angle = static_cast<double>(r) * angles.table.frequencies[i];
        angles.waves[r * 2 * n_pairs + i] = static_cast<float>(std::cos(angle));
        angles.waves[r * 2 * n_pairs + n_pairs + i] = static_cast<float>(std::sin(angle));
      }
    }
  }
  return made;
}

/// A pair (a, b) of the bias turns by angle θ to (a cos θ − b sin θ, a sin θ + b cos θ); its inner product with the
/// pair (x, y) of a query is (x a + y b) cos θ + (y a − x b) sin θ.
void KeyBias::prepare(std::size_t layer, std::size_t kv_head, const float* queries, std::size_t count,
                      KeyBiasQuery& query) const {
  const std::size_t dim = config_.head_dim, n_pairs = pairs(layer);
  const std::size_t step = config_.rope_halves ? 1 : 2, apart = config_.rope_halves ? n_pairs : 1;
  const float* bias = biases_[layer].data() + kv_head * dim;
  const float amplitude = angles(layer).table.amplitude;
  query.waves.resize(count * 2 * n_pairs);
  query.constants.resize(count);
  for (std::size_t q = 0; q < count; ++q) {
    const float* from = queries + q * dim;
    float* waves = query.waves.data() + q * 2 * n_pairs;
    for (std::size_t i = 0; i < n_pairs; ++i) {
      const float x = from[step * i], y = from[step * i + apart], a = bias[step * i], b = bias[step * i + apart];
      waves[i] = (x * a + y * b) * amplitude;
      waves[n_pairs + i] = (y * a - x * b) * amplitude;
    }
    float sum = 0;
    for (std::size_t j = 2 * n_pairs; j < dim; ++j) sum += from[j] * bias[j];
    query.constants[q] = sum;
  }
}

void KeyBias::add_scores(std::size_t layer, std::size_t n_queries, std::size_t begin, std::size_t n, float* scores,
                         std::size_t stride, KeyBiasQuery& query) const {
  const std::size_t n_pairs = pairs(layer), width = 2 * n_pairs;
  query.scores.resize(std::max(query.scores.size(), n_queries * n));
  std::fill_n(query.scores.data(), n_queries * n, 0.0F);
  query.turned.resize(query.waves.size());
  // cos(θ + φ) and sin(θ + φ) by the sum formulas, θ the angle at `begin` and φ that of the table.
  for (std::size_t i = 0; i < n_pairs; ++i) {
    const double angle = static_cast<double>(begin) * angles(layer).table.frequencies[i];
    const auto cosine = static_cast<float>(std::cos(angle)), sine = static_cast<float>(std::sin(angle));
    for (std::size_t q = 0; q < n_queries; ++q) {
      const float c = query.waves[q * width + i], s = query.waves[q * width + n_pairs + i];
      query.turned[q * width + i] = c * cosine + s * sine;
      query.turned[q * width + n_pairs + i] = s * cosine - c * sine;
    }
  }
  if (n_pairs > 0)
    kernels().dot_tile(angles(layer).waves.data(), width, n, query.turned.data(), width, n_queries, width,
                       query.scores.data(), n);
  for (std::size_t q = 0; q < n_queries; ++q) {
    for (std::size_t r = 0; r < n; ++r) scores[q * stride + r] += query.scores[q * n + r] + query.constants[q];
  }
}

void KeyBias::add_to(std::size_t layer, std::size_t kv_head, std::size_t position, float* key) const {
  const std::size_t dim = config_.head_dim, n_pairs = pairs(layer);
  const std::size_t step = config_.rope_halves ? 1 : 2, apart = config_.rope_halves ? n_pairs : 1;
  const float* bias = biases_[layer].data() + kv_head * dim;
  const RotaryTable& table = angles(layer).table;
  for (std::size_t i = 0; i < n_pairs; ++i) {
    const double angle = static_cast<double>(position) * table.frequencies[i];
    const float cosine = static_cast<float>(std::cos(angle)) * table.amplitude;
    const float sine = static_cast<float>(std::sin(angle)) * table.amplitude;
    const float a = bias[step * i], b = bias[step * i + apart];
    key[step * i] += a * cosine - b * sine;
    key[step * i + apart] += a * sine + b * cosine;
  }
  for (std::size_t j = 2 * n_pairs; j < dim; ++j) key[j] += bias[j];
}

}  // namespace tq
