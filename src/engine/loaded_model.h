// A model's weights, by role. Session reads it; model.cpp fills it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/architectures.h"
#include "engine/matrix.h"
#include "turboquant/model.h"

namespace tq {

struct Norm {
  std::vector<float> weight, bias;  ///< no bias in an RMSNorm
};

struct Linear {
  Matrix matrix;
  std::vector<float> bias;  ///< may be empty
};

struct FeedForward {
  Linear gate, up, down;  ///< no rows in the gate of a network without one
};

struct Layer {
  Norm attention_norm, feed_forward_norm;
  Norm post_attention_norm, post_feed_forward_norm;  ///< empty without ModelConfig::post_norms
  std::vector<float> query_norm, key_norm;           ///< empty without ModelConfig::query_key_norm
  Linear query, key, value, attention_output;
  Matrix router;                     ///< no rows without experts
  std::vector<FeedForward> experts;  ///< one without a router
};

class LoadedModel final : public Model {
 public:
  const ModelConfig& config() const override { return config_; }
  const TensorFile& file() const override { return *file_; }
  ModelFootprint footprint() const override { return footprint_; }
  const std::string& weights_name() const override { return weights_name_; }

  const Matrix& embedding() const { return embedding_; }
  const Matrix& output() const { return config_.tied_head ? embedding_ : output_; }
  const Matrix& positions() const { return positions_; }  ///< no rows without learned positions
  const Norm& output_norm() const { return output_norm_; }
  const std::vector<Layer>& layers() const { return layers_; }

  /// kQuery … kDown of a layer, of its first expert where it has several; not const for who tries other codes in a copy of the model, whose footprint stays what
  /// it was.
  const Matrix& matrix(std::size_t layer, TensorRole role) const;
  Matrix& matrix(std::size_t layer, TensorRole role) {
    return const_cast<Matrix&>(static_cast<const LoadedModel&>(*this).matrix(layer, role));
  }

  /// All that a token is multiplied with, in the order of use; some have no rows.
  std::vector<Matrix*> matrices();

 private:
  friend class ModelLoader;
  friend class SyntheticModel;
  std::shared_ptr<const TensorFile> file_;
  ModelConfig config_;
  ModelFootprint footprint_;
  std::string weights_name_;
  Matrix embedding_, positions_, output_;
  Norm output_norm_;
  std::vector<Layer> layers_;
};

}  // namespace tq
