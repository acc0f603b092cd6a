#include "eval/layer_errors.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace tq::eval {
namespace {

std::span<const float> rows_of(const std::vector<float>& rows, std::size_t first, std::size_t n, std::size_t width) {
  return std::span(rows).subspan(first * width, n * width);
}

double cosine(double product, double energy, double other_energy) {
  if (energy == 0 || other_energy == 0) return energy == other_energy ? 1 : 0;
  return product / std::sqrt(energy * other_energy);
}

}  // namespace

void VectorErrors::add(std::span<const float> base, std::span<const float> row, std::size_t width) {
  assert(base.size() == row.size());
  for (std::size_t at = 0; at < base.size(); at += width) {
    double product = 0, base_energy = 0, row_energy = 0;
    for (std::size_t i = at; i < at + width; ++i) {
      const auto b = static_cast<double>(base[i]), r = static_cast<double>(row[i]);
      product += b * r;
      base_energy += b * b;
      row_energy += r * r;
      squares_ += (r - b) * (r - b);
      absolute_ += std::abs(r - b);
    }
    energy_ += base_energy;
    cosines_ += cosine(product, base_energy, row_energy);
    ++vectors_;
  }
  values_ += base.size();
}

void VectorErrors::merge(const VectorErrors& later) {
  absolute_ += later.absolute_;
  squares_ += later.squares_;
  energy_ += later.energy_;
  cosines_ += later.cosines_;
  values_ += later.values_;
  vectors_ += later.vectors_;
}

VectorError VectorErrors::result() const {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (vectors_ == 0) return {kNaN, kNaN, kNaN};
  return {absolute_ / static_cast<double>(values_), cosines_ / static_cast<double>(vectors_),
          squares_ == 0 ? 0 : std::sqrt(squares_ / energy_)};
}

void LayerErrors::add(const ModelConfig& config, const LayerTrace& base, std::size_t first_token,
                      const LayerTrace& row) {
  layers_.resize(row.layers.size());
  const std::size_t heads = config.n_heads * config.head_dim, hidden = config.hidden_size;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const LayerTrace::Layer &from = base.layers[l], &to = row.layers[l];
    const std::size_t n = to.hidden.size() / hidden;
    layers_[l].attention.add(rows_of(from.attention, first_token, n, heads), to.attention, heads);
    layers_[l].hidden.add(rows_of(from.hidden, first_token, n, hidden), to.hidden, hidden);
  }
}

void LayerErrors::add_cache(Session& base, Session& row) {
  constexpr std::size_t kBlock = 64;  // positions that are held as floats
  const ModelConfig& config = row.model().config();
  const std::size_t width = config.n_kv_heads * config.head_dim;
  std::vector<float> exact, coded;
  layers_.resize(config.n_layers);
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    for (std::size_t first = 0; first < row.position(); first += kBlock) {
      const std::size_t n = std::min(kBlock, row.position() - first);
      exact.resize(n * width);
      coded.resize(n * width);
      base.read_keys(layer, first, exact);
      row.read_keys(layer, first, coded);
      layers_[layer].k.add(exact, coded, width);
      base.read_values(layer, first, exact);
      row.read_values(layer, first, coded);
      layers_[layer].v.add(exact, coded, width);
    }
  }
}

void LayerErrors::merge(const LayerErrors& later) {
  layers_.resize(std::max(layers_.size(), later.layers_.size()));
  for (std::size_t l = 0; l < later.layers_.size(); ++l) {
    layers_[l].k.merge(later.layers_[l].k);
    layers_[l].v.merge(later.layers_[l].v);
    layers_[l].attention.merge(later.layers_[l].attention);
    layers_[l].hidden.merge(later.layers_[l].hidden);
  }
}

std::vector<LayerError> LayerErrors::results() const {
  std::vector<LayerError> results;
  for (const Sums& sums : layers_)
    results.push_back({sums.k.result(), sums.v.result(), sums.attention.result(), sums.hidden.result()});
  return results;
}

bool same_shape(const ModelConfig& a, const ModelConfig& b) {
  return a.n_layers == b.n_layers && a.hidden_size == b.hidden_size && a.n_heads == b.n_heads &&
         a.n_kv_heads == b.n_kv_heads && a.head_dim == b.head_dim;
}

}  // namespace tq::eval
