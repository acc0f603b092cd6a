// The bias of the key projection, left out of the cache and put back into scores. A key at position p is
// R_p (W x + b), with R_p its rotary turn: ⟨q, key⟩ = ⟨q, R_p W x⟩ + ⟨q, R_p b⟩. The second part is known without the
// cache, so only the first needs to be coded, and a code's error is in proportion to the energy that is coded.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/rope.h"

namespace tq {

/// The keys of a model can be told from their bias: they have one, and no norm follows it.
bool has_key_bias(const ModelConfig& config);

/// For each layer and key/value head, one after the other: ‖b‖² / E‖W x‖², the expectation for activations whose
/// normed coordinates are independent (Σ W²·g², g the weight of the norm). Empty unless has_key_bias().
std::vector<double> key_bias_ratios(const LoadedModel& model);

/// What a query holds of it; scratch memory of one thread.
struct KeyBiasQuery {
  std::vector<float> waves;      ///< count x rope_dim: cosine and then sine coefficients of each rotary pair
  std::vector<float> constants;  ///< count
  std::vector<float> turned, scores;
};

/// Immutable; threads share it.
class KeyBias {
 public:
  /// `every_head`: otherwise those in which it has at least the energy of the rest. Null when no head is left.
  static std::shared_ptr<const KeyBias> create(const LoadedModel& model, std::size_t context, bool every_head);

  bool left_out(std::size_t layer, std::size_t kv_head) const { return heads_[layer * n_kv_heads_ + kv_head]; }
  /// What keys of a layer still get: the bias, with zeros for the heads that are left out.
  const std::vector<float>& rest(std::size_t layer) const { return rest_[layer]; }
  const std::vector<bool>& heads_left_out() const { return heads_; }

  /// `queries` are count x head_dim, turned by their positions and scaled.
  void prepare(std::size_t layer, std::size_t kv_head, const float* queries, std::size_t count,
               KeyBiasQuery& query) const;
  /// scores[i * stride + r] += ⟨query i, R_p b⟩ for the n ≤ kPositions positions p = begin + r.
  void add_scores(std::size_t layer, std::size_t n_queries, std::size_t begin, std::size_t n, float* scores,
                  std::size_t stride, KeyBiasQuery& query) const;
  static constexpr std::size_t kPositions = 512;
  /// key (head_dim values) += R_p b.
  void add_to(std::size_t layer, std::size_t kv_head, std::size_t position, float* key) const;

 private:
  /// Angles of one RopeKind: the frequencies, and kPositions rows of cosines and then sines of the pairs.
  struct Angles {
    RotaryTable table;
    std::vector<float> waves;
  };
  const Angles& angles(std::size_t layer) const {
    return angles_[config_.attention(layer).rope == RopeKind::kLocal ? 1 : 0];
  }
  std::size_t pairs(std::size_t layer) const {
    return config_.attention(layer).rope == RopeKind::kNone ? 0 : angles(layer).table.frequencies.size();
  }

  ModelConfig config_;
  std::size_t n_kv_heads_ = 0;
  std::vector<bool> heads_;
  std::vector<std::vector<float>> biases_, rest_;  // of each layer
  std::array<Angles, 2> angles_;                   // kGlobal, kLocal
};

}  // namespace tq
