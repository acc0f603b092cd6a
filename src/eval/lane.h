// One row of an evaluation while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "eval/base_slice.h"
#include "eval/layer_errors.h"
#include "turboquant/eval.h"

namespace tq::eval {

/// Tells the caller how far the work is, and hears from it whether to go on.
class Meter {
 public:
  Meter() = default;
  Meter(const Progress& progress, std::uint64_t total) : progress_(&progress), total_(total) {}

  /// kInterrupted when the caller wants to stop.
  Result<void> advance(std::uint64_t tokens);

 private:
  const Progress* progress_ = nullptr;
  std::uint64_t total_ = 0, done_ = 0;
};

/// What the clock of an append() is for. Only work that a user of `tq run` would wait for makes a speed.
enum class Pace : std::uint8_t {
  kPrefill,  ///< many tokens, the logits of the last at most
  kDecode,   ///< one token and its logits
  kOther     ///< the logits of many tokens, or none of one: only scoring asks for that
};

struct Clock {
  std::uint64_t tokens = 0;
  double seconds = 0;
  double tokens_per_second() const;  ///< NaN when nothing was measured
};

/// What was measured on a lane, but for the window at work.
struct LaneRecord {
  std::uint64_t peak_memory = 0, windows = 0;
  Comparison text;
  std::vector<double> kld_at;  ///< of each scored position, summed over windows
  Continuation continuation;
  Clock prefill, decode;
  double seconds = 0;

  template <class Archive>
  void exchange(Archive& archive) {
    archive(peak_memory);
    archive(windows);
    text.exchange(archive);
    archive(kld_at);
    continuation.exchange(archive);
    for (Clock* clock : {&prefill, &decode}) {
      archive(clock->tokens);
      archive(clock->seconds);
    }
    archive(seconds);
  }
};

/// A model with one cache, and what was measured on it.
class Lane {
 public:
  Lane(std::shared_ptr<const Model> model, const CacheSpec& cache);

  /// A fresh session; `options.cache` is replaced by the lane's.
  Result<void> open(SessionOptions options);
  void close() { session_.reset(); }
  void rewind(std::size_t position = 0) { session_->truncate(position); }

  /// Session::append(), on the clock.
  Result<void> append(std::span<const TokenId> tokens, std::size_t n_logits, std::span<float> logits, Pace pace);
  /// Compares the logits of the positions of `base` (next.size() x vocab_size) with it; `next` are the tokens that
  /// follow. No logits: the base with itself.
  void compare(const BaseSlice& base, std::span<const float> logits, std::span<const TokenId> next,
               ThreadPool& threads);
  void compare(std::span<const float> logits, TokenId base_token) { record_.continuation.add(logits, base_token); }
  /// From now on append() keeps what the layers compute, but in prefill; not where the base's have another shape.
  void trace_layers(const Lane& base) { traced_ = same_shape(model_->config(), base.model_->config()); }
  /// Where layers are traced: compares what the last append() computed with the base's last, from its token number
  /// `first_token` on; and what is in the two caches.
  void compare_layers(const Lane& base, std::size_t first_token);
  void compare_caches(const Lane& base);
  /// The window that was compared since the last call counts from now on; one that is not ended never does.
  void end_window();
  void note_peak_memory();

  const LaneRecord& record() const { return record_; }
  void restore(LaneRecord record) { record_ = std::move(record); }

  /// The same weights and cache, nothing measured yet.
  Lane twin() const { return {model_, cache_}; }
  const Model& model() const { return *model_; }
  const CacheSpec& cache() const { return cache_; }
  std::size_t vocab_size() const { return model_->config().vocab_size; }
  /// `first_scored` is the position of a window that its scores begin at.
  EvalRow row(std::size_t first_scored) const;

 private:
  std::shared_ptr<const Model> model_;
  CacheSpec cache_;
  std::unique_ptr<Session> session_;
  CacheFootprint footprint_;
  LaneRecord record_;
  Comparison window_;
  bool traced_ = false;
  LayerTrace trace_;
  LayerErrors layers_, window_layers_;
};

/// Runs `tokens` in one go of at most a batch at a time; the logits of the last n_logits, 0 or 1, are written.
Result<void> prefill(Lane& lane, std::span<const TokenId> tokens, std::size_t n_logits, std::span<float> logits,
                     Meter& meter);

}  // namespace tq::eval
