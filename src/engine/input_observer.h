// Sees what the linear layers of a model read, for calibration.
#pragma once

#include <cstddef>

#include "engine/architectures.h"

namespace tq {

class InputObserver {
 public:
  virtual ~InputObserver() = default;

  /// n_tokens x width inputs of the matrix `role` of `layer`, before any rotation. Matrices that share an input are
  /// named by the first: kQuery for query, key and value, kGate for gate and up,
  /// also where there is no gate.
  virtual void see(std::size_t layer, TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) = 0;

  /// The layers from this one on need not run; there are no logits then.
  virtual std::size_t layers() const = 0;
};

/// An observer, or nobody, beside the layer that runs.
struct LayerObserver {
  InputObserver* observer = nullptr;
  std::size_t layer = 0;

  void see(TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) const {
    if (observer != nullptr) observer->see(layer, role, x, n_tokens, width);
  }
};

}  // namespace tq
