// Second moments of what the linear layers read, from a text, for error feedback.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "engine/input_observer.h"
#include "quant/hessian.h"
#include "turboquant/model.h"
#include "turboquant/quantize.h"

namespace tq {

/// The matrices that are calibrated, and the one whose input each reads.
struct LinearReader {
  TensorRole matrix, input;
};
inline constexpr std::array kLinearReaders = {LinearReader{TensorRole::kQuery, TensorRole::kQuery},
                                              LinearReader{TensorRole::kKey, TensorRole::kQuery},
                                              LinearReader{TensorRole::kValue, TensorRole::kQuery},
                                              LinearReader{TensorRole::kAttentionOutput, TensorRole::kAttentionOutput},
                                              LinearReader{TensorRole::kGate, TensorRole::kGate},
                                              LinearReader{TensorRole::kUp, TensorRole::kGate},
                                              LinearReader{TensorRole::kDown, TensorRole::kDown},
                                              LinearReader{TensorRole::kQueryKeyValue, TensorRole::kQuery},
                                              LinearReader{TensorRole::kGateUp, TensorRole::kGate}};

/// The uncompressed model, if it can read the text. As Model::load(), and kUsage for a text of less than a window or of
/// other tokens. `file` outlives it.
Result<std::shared_ptr<const Model>> load_reader(const TensorFile& file, const CalibrationText& text, unsigned threads);
/// Runs `model` over the windows of the text. kInterrupted where progress, which is told of `layer`, says so.
Result<void> read_windows(const Model& model, const CalibrationText& text, std::size_t layer, ThreadPool& pool,
                          InputObserver& observer);

/// Runs the uncompressed model over the calibration text once for each group of layers whose moments fit into
/// CalibrationText::memory, when a tensor of the group is asked for first. One thread drives it.
class Calibrator final : private InputObserver {
 public:
  /// `file` and `text` outlive it. As Model::load(), and kUsage for tokens that the model does not have.
  static Result<std::unique_ptr<Calibrator>> create(const TensorFile& file, const CalibrationText& text,
                                                    ThreadPool& pool);

  /// Whether `tensor` is one of those whose inputs are seen.
  bool sees(const std::string& tensor) const { return places_.contains(tensor); }
  /// The factor of the inputs of `tensor` (a GGUF name that it sees) in the basis of `codec`.
  Result<std::shared_ptr<const HessianFactor>> factor(const std::string& tensor, const Codec& codec);
  /// The share of the error of the outputs of `tensor` that feedback leaves to codes of `spec`.
  Result<double> gain(const std::string& tensor, const CodecSpec& spec);

 private:
  /// What several matrices read.
  using Place = std::pair<std::size_t, TensorRole>;  // layer; the first matrix of those that read it

  Calibrator(const CalibrationText& text, ThreadPool& pool) : text_(text), pool_(pool) {}
  std::size_t width(TensorRole role) const;
  std::size_t layers() const override { return end_; }
  void see(std::size_t layer, TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) override;
  void add_moments(const float* columns, std::size_t width, std::size_t n, std::vector<float>& moments);
  Result<void> collect(std::size_t layer);
  std::shared_ptr<const HessianFactor> factorize(const std::vector<float>& moments, const Codec& codec);

  const CalibrationText& text_;
  ThreadPool& pool_;
  std::shared_ptr<const Model> model_;
  std::map<std::string, Place> places_;
  std::size_t begin_ = 0, end_ = 0;  ///< the layers whose moments are held
  std::map<Place, std::vector<float>> moments_;
  std::vector<float> transposed_;

  struct Known {
    Place place;
    CodecSpec basis;
    std::shared_ptr<const HessianFactor> factor;
  };
  std::vector<Known> known_;  ///< of one layer
};

}  // namespace tq
