#include "turboquant/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "base/file.h"
#include "base/thread_pool.h"
#include "engine/cache_reader.h"
#include "engine/decoder.h"
#include "engine/kv_cache.h"
#include "engine/loaded_model.h"
#include "engine/rope.h"
#include "engine/saved_cache.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// Puts what it sees into a trace.
class Tracer final : public InputObserver {
 public:
  void begin(LayerTrace* trace, std::size_t n_layers) {
    trace_ = trace;
    trace_->layers.resize(n_layers);
    for (LayerTrace::Layer& layer : trace_->layers) {
      layer.attention.clear();
      layer.hidden.clear();
    }
  }
  void see(std::size_t layer, TensorRole role, const float* x, std::size_t n_tokens, std::size_t width) override {
    if (role != TensorRole::kAttentionOutput) return;
    std::vector<float>& rows = trace_->layers[layer].attention;
    rows.insert(rows.end(), x, x + n_tokens * width);
  }
  void see_hidden(std::size_t layer, const float* x, std::size_t n_tokens, std::size_t width) override {
    std::vector<float>& rows = trace_->layers[layer].hidden;
    rows.insert(rows.end(), x, x + n_tokens * width);
  }

 private:
  LayerTrace* trace_ = nullptr;
};

class DecoderSession final : public Session {
 public:
  DecoderSession(std::shared_ptr<const LoadedModel> model, KvCache cache, std::size_t context,
                 const SessionOptions& options)
      : model_(std::move(model)),
        cache_(std::move(cache)),
        context_(context),
        batch_(std::max<std::size_t>(1, options.batch)),
        pool_(options.threads == nullptr ? std::make_shared<ThreadPool>(1) : options.threads),
        token_threads_(options.token_threads),
        batch_threads_(options.batch_threads),
        estimated_bytes_(model_->footprint().weights_bytes + cache_.footprint().bytes +
                         scratch_bytes(model_->config(), {.context = context, .batch = batch_}, pool_->size())),
        decoder_(*model_, context, pool_) {}

  Result<void> append(std::span<const TokenId> tokens, std::size_t n_logits, std::span<float> logits) override {
    const std::size_t vocab = model_->config().vocab_size;
    assert(n_logits <= tokens.size() && logits.size() >= n_logits * vocab);
    if (tokens.size() > context_ - position_) {
      return fail(ErrorCode::kUsage, fmt::format("{} tokens after {} do not fit into a context of {}", tokens.size(),
                                                 position_, context_));
    }
    for (const TokenId token : tokens) {
      if (token < 0 || static_cast<std::size_t>(token) >= vocab) {
        return fail(ErrorCode::kUsage,
                    fmt::format("the token {} is not in the model's vocabulary of {}", token, vocab));
      }
    }
    if (trace_ != nullptr) tracer_.begin(trace_, model_->config().n_layers);
    const std::size_t first_logits = tokens.size() - n_logits;
    for (std::size_t begin = 0; begin < tokens.size(); begin += batch_) {
      const std::size_t end = std::min(tokens.size(), begin + batch_);
      const std::size_t from = std::max(begin, first_logits);
      const std::size_t wanted = end > from ? end - from : 0;
      float* out = wanted == 0 ? nullptr : logits.data() + (from - first_logits) * vocab;
      pool_->limit(end - begin == 1 ? token_threads_ : batch_threads_);
      decoder_.run(tokens.subspan(begin, end - begin), position_, cache_, wanted, out);
      position_ += end - begin;
    }
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    return {};
  }

  void truncate(std::size_t position) override {
    position_ = std::min(position_, position);
    cache_.truncate(position_);
    tokens_.resize(position_);
  }

  Result<void> save(const std::filesystem::path& path) override {
    return write_saved_cache(path, describe_cache(*model_, cache_, context_), tokens_, cache_);
  }

  Result<void> restore(const std::filesystem::path& path) override {
    const Result<MappedFile> file = MappedFile::open(path);
    if (!file) return std::unexpected(file.error());
    return restore(file->bytes(), path.string());
  }

  Result<void> restore(std::span<const std::byte> bytes, std::string_view name) override {
    const std::string description = describe_cache(*model_, cache_, context_);
    Result<SavedCache> saved =
        parse_saved_cache(bytes, name, {description, cache_.plan(), context_, model_->config().vocab_size});
    if (!saved) return std::unexpected(saved.error());
    restore_rows(*saved, cache_);
    tokens_ = std::move(saved->tokens);
    position_ = tokens_.size();
    return {};
  }

  void trace(LayerTrace* trace) override {
    trace_ = trace;
    decoder_.observe(trace == nullptr ? nullptr : &tracer_);
  }
  void read_keys(std::size_t layer, std::size_t first, std::span<float> rows) override {
    read_rows(cache_, {CacheSide::kKeys, layer, first, position_}, rows);
  }
  void read_values(std::size_t layer, std::size_t first, std::span<float> rows) override {
    read_rows(cache_, {CacheSide::kValues, layer, first, position_}, rows);
  }

  std::span<const TokenId> tokens() const override { return tokens_; }

  std::size_t position() const override { return position_; }
  std::size_t context() const override { return context_; }
  const Model& model() const override { return *model_; }
  CacheFootprint cache() const override { return cache_.footprint(); }
  std::uint64_t estimated_bytes() const override { return estimated_bytes_; }

 private:
  std::shared_ptr<const LoadedModel> model_;
  KvCache cache_;
  std::vector<TokenId> tokens_;
  std::size_t context_, batch_, position_ = 0;
  std::shared_ptr<ThreadPool> pool_;
  unsigned token_threads_, batch_threads_;
  std::uint64_t estimated_bytes_;
  Decoder decoder_;
  Tracer tracer_;
  LayerTrace* trace_ = nullptr;
};

/// Of each rotary pair in the layers where it turns fastest.
std::vector<double> largest_frequencies(const ModelConfig& config, std::size_t context) {
  std::vector<double> largest(config.rope_dim / 2, 0.0);
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    const std::vector<double> here = rotary_table(config, config.attention(layer).rope, context).frequencies;
    for (std::size_t i = 0; i < here.size(); ++i) largest[i] = std::max(largest[i], here[i]);
    if (config.layers.empty()) break;  // all are alike
  }
  return largest;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Model> model, const SessionOptions& options) {
  const ModelConfig& config = model->config();
  const std::size_t context = options.context == 0 ? config.context_length : options.context;
  if (context > (std::size_t{1} << 30)) {
    return fail(ErrorCode::kUsage, fmt::format("a context of {} tokens is out of range; the limit is 2^30", context));
  }
  if (config.learned_positions && context > config.context_length) {
    return fail(ErrorCode::kUsage, fmt::format("a context of {} tokens is longer than the {} positions that the model "
                                               "has learned; lower -c",
                                               context, config.context_length));
  }
  auto loaded = std::static_pointer_cast<const LoadedModel>(std::move(model));
  Result<KvCache> cache = KvCache::create(config, options.cache, context, largest_frequencies(config, context));
  if (!cache) return fail(std::move(cache));
  if (const KeyCentering center = options.cache.center; center == KeyCentering::kAuto || center == KeyCentering::kBias)
    cache->leave_out(KeyBias::create(*loaded, context, center == KeyCentering::kBias));
  return std::make_unique<DecoderSession>(std::move(loaded), std::move(*cache), context, options);
}

std::shared_ptr<ThreadPool> make_thread_pool(unsigned threads, bool bound) {
  return std::make_shared<ThreadPool>(threads, bound);
}
unsigned thread_count(const ThreadPool& pool) { return pool.size(); }

std::string simd_target() { return kernels().name; }
std::vector<std::string> simd_targets() {
  const Kernels* const* tables = nullptr;
  const std::size_t count = available_kernels(&tables);
  std::vector<std::string> names;
  for (const Kernels* table : std::span(tables, count)) names.emplace_back(table->name);
  return names;
}

bool use_simd_target(std::string_view name) {
  const Kernels* const* tables = nullptr;
  const std::size_t count = available_kernels(&tables);
  for (const Kernels* table : std::span(tables, count)) {
    if (table->name != name) continue;
    use_kernels(*table);
    return true;
  }
  return false;
}

std::string simd_error() { return kernels_error(); }

}  // namespace tq
