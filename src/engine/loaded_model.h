// A model's weights, by role. Session reads it; model.cpp fills it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/architectures.h"
#include "engine/matrix.h"
#include "turboquant/model.h"

namespace tq {

struct Layer {
  std::vector<float> attention_norm, feed_forward_norm;
  Matrix query, key, value, attention_output;
  Matrix gate, up, down;
};

class LoadedModel final : public Model {
 public:
  const ModelConfig& config() const override { return config_; }
  const TensorFile& file() const override { return *file_; }
  ModelFootprint footprint() const override { return footprint_; }
  const std::string& weights_name() const override { return weights_name_; }

  const Matrix& embedding() const { return embedding_; }
  const Matrix& output() const { return config_.tied_head ? embedding_ : output_; }
  const std::vector<float>& output_norm() const { return output_norm_; }
  const std::vector<Layer>& layers() const { return layers_; }
  /// One for each rotary pair: θ^(−2i/rope_dim), divided by the file's factors where it has them.
  const std::vector<double>& rope_frequencies() const { return rope_frequencies_; }

  /// kQuery … kDown of a layer; not const for who tries other codes in a copy of the model, whose footprint stays what
  /// it was.
  const Matrix& matrix(std::size_t layer, TensorRole role) const;
  Matrix& matrix(std::size_t layer, TensorRole role) {
    return const_cast<Matrix&>(static_cast<const LoadedModel&>(*this).matrix(layer, role));
  }

 private:
  friend class ModelLoader;
  friend class SyntheticModel;
  std::shared_ptr<const TensorFile> file_;
  ModelConfig config_;
  ModelFootprint footprint_;
  std::string weights_name_;
  Matrix embedding_, output_;
  std::vector<float> output_norm_;
  std::vector<Layer> layers_;
  std::vector<double> rope_frequencies_;
};

}  // namespace tq
