// Sees what the linear layers of a model read, and what its layers leave behind: for calibration, and to find where an
// error begins.
#pragma once

#include <cstddef>
#include <limits>

#include "engine/architectures.h"

namespace tq {

class InputObserver {
 public:
  virtual ~InputObserver() = default;

  /// n_tokens x width inputs of the matrix `role` of `layer`, before any rotation. Matrices that share an input are
  /// named by the first: kQuery for query, key and value, kGate for gate and up,
  /// also where there is no gate.
  virtual void see(std::size_t layer, TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) = 0;

  /// n_tokens x hidden_size values of the residual stream behind `layer`.
  virtual void see_hidden(std::size_t /*layer*/, const float* /*x*/, std::size_t /*n_tokens*/, std::size_t /*width*/) {}

  /// The layers from this one on need not run; there are no logits then.
  virtual std::size_t layers() const { return std::numeric_limits<std::size_t>::max(); }
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
