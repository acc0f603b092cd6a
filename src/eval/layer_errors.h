// How far a row's layers are from the base's, summed while both run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "turboquant/eval.h"

namespace tq::eval {

/// Sums over vectors of one kind, in double.
class VectorErrors {
 public:
  /// Vectors of `width` values, one after the other.
  void add(std::span<const float> base, std::span<const float> row, std::size_t width);
  void merge(const VectorErrors& later);
  /// NaN of no vectors, and where a value is not finite. Two vectors of zeros have a cosine of 1, one beside another
  /// vector 0.
  VectorError result() const;

 private:
  double absolute_ = 0, squares_ = 0, energy_ = 0, cosines_ = 0;
  std::uint64_t values_ = 0, vectors_ = 0;
};

class LayerErrors {
 public:
  /// What append() traced of the same tokens: those of `row` are the base's from number `first_token` on.
  void add(const ModelConfig& config, const LayerTrace& base, std::size_t first_token, const LayerTrace& row);
  /// All keys and values that both sessions hold; they hold as many.
  void add_cache(Session& base, Session& row);
  void merge(const LayerErrors& later);
  std::vector<LayerError> results() const;

 private:
  struct Sums {
    VectorErrors k, v, attention, hidden;
  };
  std::vector<Sums> layers_;
};

/// Whether the vectors of two models can be put side by side.
bool same_shape(const ModelConfig& a, const ModelConfig& b);

}  // namespace tq::eval
