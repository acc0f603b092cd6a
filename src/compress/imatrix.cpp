// Mean squares of what the linear layers read, as llama-imatrix measures them.
#include "turboquant/imatrix.h"

#include "compress/calibrate.h"

namespace tq {
namespace {

class SquareSums final : public InputObserver {
 public:
  explicit SquareSums(std::size_t layers) : layers_(layers) {}

  std::size_t layers() const override { return layers_; }

  void see(std::size_t layer, TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) override {
    std::vector<double>& sums = sums_[{layer, role}];
    sums.resize(width);
    for (std::size_t t = 0; t < n_tokens; ++t) {
      for (std::size_t j = 0; j < width; ++j)
        sums[j] += static_cast<double>(x[t * width + j]) * static_cast<double>(x[t * width + j]);
    }
  }

  /// Nothing for an input that was not seen.
  std::vector<float> means(std::size_t layer, TensorRole role, std::uint64_t tokens) const {
    std::vector<float> means;
    const auto found = sums_.find({layer, role});
    if (found == sums_.end()) return means;
    for (const double sum : found->second) means.push_back(static_cast<float>(sum / static_cast<double>(tokens)));
    return means;
  }

 private:
  std::size_t layers_;
  std::map<std::pair<std::size_t, TensorRole>, std::vector<double>> sums_;
};

}  // namespace

Result<ImportanceMatrix> measure_imatrix(const TensorFile& file, const CalibrationText& text, unsigned threads) {
  const Result<std::shared_ptr<const Model>> model = load_reader(file, text, threads);
  if (!model) return std::unexpected(model.error());
  const Result<const Architecture*> architecture = find_architecture(file);
  if (!architecture) return std::unexpected(architecture.error());
  const std::size_t layers = (*model)->config().n_layers;
  SquareSums sums(layers);
  ThreadPool pool(threads);
  if (Result<void> read = read_windows(**model, text, 0, pool, sums); !read) return std::unexpected(read.error());
  ImportanceMatrix matrix;
  matrix.tokens = text.tokens.size() / text.context * text.context;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    for (const LinearReader& reader : kLinearReaders) {
      const std::string name = (*architecture)->gguf_name(reader.matrix, layer);
      std::vector<float> means = sums.means(layer, reader.input, matrix.tokens);
      if (!name.ends_with('.') && !means.empty()) matrix.squares[name + ".weight"] = std::move(means);
    }
  }
  return matrix;
}

}  // namespace tq
