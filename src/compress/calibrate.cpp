#include "compress/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/decoder.h"

namespace tq {
namespace {

/// Large against rounding and against directions that a short text did not show, small against what is used.
constexpr double kDamping = 0.01;

constexpr std::array kInputs = {TensorRole::kQuery, TensorRole::kAttentionOutput, TensorRole::kGate, TensorRole::kDown};

/// What decides about the basis of a codec.
CodecSpec basis_of(const CodecSpec& spec) {
  CodecSpec basis;
  basis.rotation = spec.rotation;
  basis.rounds = spec.rounds;
  basis.max_block = spec.max_block;
  basis.seed = spec.seed;
  return basis;
}

/// rows x n → n x rows.
void transpose(const float* x, std::size_t rows, std::size_t n, float* out) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t i = 0; i < n; ++i) out[i * rows + r] = x[r * n + i];
  }
}

}  // namespace

Result<std::shared_ptr<const Model>> load_reader(const TensorFile& file, const CalibrationText& text,
                                                 unsigned threads) {
  // The caller keeps the file.
  Result<std::shared_ptr<const Model>> model =
      Model::load({std::shared_ptr<const TensorFile>(), &file}, {.weights = {}, .threads = threads});
  if (!model) return model;
  const ModelConfig& config = (*model)->config();
  if (text.context == 0 || text.tokens.size() < text.context)
    return fail(ErrorCode::kUsage, fmt::format("{} tokens are too few to calibrate with; one window has {}",
                                               text.tokens.size(), text.context));
  for (const TokenId token : text.tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= config.vocab_size)
      return fail(ErrorCode::kUsage, fmt::format("{}: the token {} of the calibration text is not in the model's "
                                                 "vocabulary of {}",
                                                 file.path(), token, config.vocab_size));
  }
  return model;
}

Result<void> read_windows(const Model& model, const CalibrationText& text, std::size_t layer, ThreadPool& pool,
                          InputObserver& observer) {
  Result<KvCache> cache = KvCache::create(model.config(), *CacheSpec::parse("f32"), text.context);
  if (!cache) return fail(std::move(cache));
  // The pool is the caller's, too.
  Decoder decoder(static_cast<const LoadedModel&>(model), text.context, {std::shared_ptr<ThreadPool>(), &pool});
  decoder.observe(&observer);
  for (std::size_t at = 0; at + text.context <= text.tokens.size(); at += text.context) {
    cache->truncate(0);
    decoder.run(std::span(text.tokens).subspan(at, text.context), 0, *cache, 0, nullptr);
    if (text.progress && !text.progress(layer, at + text.context, text.tokens.size()))
      return fail(ErrorCode::kInterrupted, "stopped before the text was read; nothing was written");
  }
  return {};
}

Result<std::unique_ptr<Calibrator>> Calibrator::create(const TensorFile& file, const CalibrationText& text,
                                                       ThreadPool& pool) {
  std::unique_ptr<Calibrator> made(new Calibrator(text, pool));
  Result<std::shared_ptr<const Model>> model = load_reader(file, text, pool.size());
  if (!model) return fail(std::move(model));
  made->model_ = std::move(*model);
  const ModelConfig& config = made->model_->config();
  const Result<const Architecture*> architecture = find_architecture(file);
  if (!architecture) return std::unexpected(architecture.error());
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    for (const LinearReader& reader : kLinearReaders)
      made->places_.emplace((*architecture)->gguf_name(reader.matrix, layer) + ".weight", Place{layer, reader.input});
  }
  return made;
}

std::size_t Calibrator::width(TensorRole role) const {
  const ModelConfig& config = model_->config();
  if (role == TensorRole::kAttentionOutput) return config.n_heads * config.head_dim;
  return role == TensorRole::kDown ? config.feed_forward_size : config.hidden_size;
}

void Calibrator::see(std::size_t layer, TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) {
  if (layer < begin_ || layer >= end_) return;
  std::vector<float>& moments = moments_[{layer, role}];
  if (moments.empty()) moments.resize(width * width);
  transposed_.resize(std::max(transposed_.size(), n_tokens * width));
  transpose(x, n_tokens, width, transposed_.data());
  add_moments(transposed_.data(), width, n_tokens, moments);
}

/// moments += C Cᵀ of the `width` rows of `columns`, n values each; the lower triangle, tile by tile.
void Calibrator::add_moments(const float* columns, std::size_t width, std::size_t n, std::vector<float>& moments) {
  std::vector<std::pair<std::size_t, std::size_t>> tiles;
  for (std::size_t i = 0; i < width; i += kMomentTile) {
    for (std::size_t j = 0; j <= i; j += kMomentTile) tiles.emplace_back(i, j);
  }
  pool_.for_ranges(tiles.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t t = begin; t < end; ++t)
      tq::add_moments(columns, width, n, tiles[t].first, tiles[t].second, moments.data());
  });
}

/// The moments of `layer` and of as many behind it as the budget has room for.
Result<void> Calibrator::collect(std::size_t layer) {
  moments_.clear();
  known_.clear();
  std::uint64_t of_a_layer = 0;
  for (const TensorRole role : kInputs) of_a_layer += sizeof(float) * width(role) * width(role);
  const ModelConfig& config = model_->config();
  begin_ = layer;
  end_ = std::min<std::size_t>(config.n_layers, layer + std::max<std::uint64_t>(1, text_.memory / of_a_layer));
  return read_windows(*model_, text_, begin_, pool_, *this);
}

/// R H Rᵀ, factored.
std::shared_ptr<const HessianFactor> Calibrator::factorize(const std::vector<float>& moments, const Codec& codec) {
  const std::size_t n = codec.dim();
  std::vector<float> h(n * n), turned(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) h[i * n + j] = h[j * n + i] = moments[i * n + j];
  }
  for (int side = 0; side < 2; ++side) {
    pool_.for_ranges(n, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t i = begin; i < end; ++i) codec.to_coded(h.data() + i * n);
    });
    transpose(h.data(), n, n, turned.data());
    h.swap(turned);
  }
  return std::make_shared<HessianFactor>(std::move(h), n, kDamping);
}

Result<double> Calibrator::gain(const std::string& tensor, const CodecSpec& spec) {
  const Result<std::shared_ptr<const Codec>> codec = make_codec(spec, width(places_.at(tensor).second));
  if (!codec) return std::unexpected(codec.error());
  const Result<std::shared_ptr<const HessianFactor>> known = factor(tensor, **codec);
  if (!known) return std::unexpected(known.error());
  return (*known)->gain();
}

Result<std::shared_ptr<const HessianFactor>> Calibrator::factor(const std::string& tensor, const Codec& codec) {
  const Place place = places_.at(tensor);
  if (place.first < begin_ || place.first >= end_) {
    if (Result<void> collected = collect(place.first); !collected) return std::unexpected(collected.error());
  }
  const CodecSpec basis = basis_of(codec.spec());
  for (const Known& known : known_) {
    if (known.place == place && known.basis == basis) return known.factor;
  }
  std::erase_if(known_, [&](const Known& known) { return known.place.first != place.first; });
  const std::vector<float>& moments = moments_[place];
  if (moments.size() != codec.dim() * codec.dim())
    return fail(ErrorCode::kBadFile, fmt::format("the tensor {} has rows of {}, and the model reads {} values there",
                                                 tensor, codec.dim(), width(place.second)));
  known_.push_back({place, basis, factorize(moments, codec)});
  return known_.back().factor;
}

}  // namespace tq
