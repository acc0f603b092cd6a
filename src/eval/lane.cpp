#include "eval/lane.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <limits>

#include "eval/provenance.h"

namespace tq::eval {
namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// `sums` of each position over `windows` windows, averaged in at most 16 bins of nearly the same width.
std::vector<PositionBin> bins_of(std::span<const double> sums, std::size_t windows, std::size_t first_position) {
  constexpr std::size_t kMostBins = 16;
  const std::size_t count = std::min(kMostBins, sums.size());
  std::vector<PositionBin> bins;
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t from = b * sums.size() / count, to = (b + 1) * sums.size() / count;
    double sum = 0;
    for (const double value : sums.subspan(from, to - from)) sum += value;
    bins.push_back({first_position + from, first_position + to, sum / static_cast<double>((to - from) * windows)});
  }
  return bins;
}

}  // namespace

Result<void> Meter::advance(std::uint64_t tokens) {
  done_ += tokens;
  if (progress_ == nullptr || !*progress_ || (*progress_)(done_, total_)) return {};
  return fail(ErrorCode::kInterrupted, "the evaluation was stopped before it had a result");
}

Lane::Lane(std::shared_ptr<const Model> model, const CacheSpec& cache) : model_(std::move(model)), cache_(cache) {}

Result<void> Lane::open(SessionOptions options) {
  options.cache = cache_;
  Result<std::unique_ptr<Session>> session = Session::create(model_, options);
  if (!session) return fail(std::move(session));
  session_ = std::move(*session);
  footprint_ = session_->cache();
  return {};
}

Result<void> Lane::append(std::span<const TokenId> tokens, std::size_t n_logits, std::span<float> logits, Pace pace) {
  session_->trace(traced_ && pace != Pace::kPrefill ? &trace_ : nullptr);
  const auto start = SteadyClock::now();
  Result<void> result = session_->append(tokens, n_logits, logits);
  const double seconds = seconds_since(start);
  record_.seconds += seconds;
  if (pace == Pace::kOther) return result;
  Clock& clock = pace == Pace::kPrefill ? record_.prefill : record_.decode;
  clock.tokens += tokens.size();
  clock.seconds += seconds;
  return result;
}

void Lane::compare(const BaseSlice& base, std::span<const float> logits, std::span<const TokenId> next,
                   ThreadPool& threads) {
  const auto start = SteadyClock::now();
  const std::size_t vocab = vocab_size();
  assert(base.size() == next.size() && (logits.empty() || logits.size() == next.size() * vocab));
  std::vector<Comparison::Position> positions(next.size());
  threads.for_ranges(next.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (std::size_t i = begin; i < end; ++i)
      positions[i] =
          logits.empty() ? base.itself(i, next[i]) : base.compare(i, logits.subspan(i * vocab, vocab), next[i]);
  });
  for (const Comparison::Position& position : positions) window_.add(position);
  record_.seconds += seconds_since(start);
}

void Lane::compare_layers(const Lane& base, std::size_t first_token) {
  if (traced_) window_layers_.add(model_->config(), base.trace_, first_token, trace_);
}

void Lane::compare_caches(const Lane& base) {
  if (traced_) window_layers_.add_cache(*base.session_, *session_);
}

void Lane::end_window() {
  const std::span<const float> kld = window_.kld();
  record_.kld_at.resize(kld.size());
  for (std::size_t i = 0; i < kld.size(); ++i) record_.kld_at[i] += static_cast<double>(kld[i]);
  record_.text.merge(window_);
  window_ = {};
  layers_.merge(window_layers_);
  window_layers_ = {};
  ++record_.windows;
}

void Lane::note_peak_memory() { record_.peak_memory = std::max(record_.peak_memory, peak_memory_bytes()); }

double Clock::tokens_per_second() const {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : std::numeric_limits<double>::quiet_NaN();
}

EvalRow Lane::row(std::size_t first_scored) const {
  const ModelFootprint weights = model_->footprint();
  EvalRow row;
  row.weights = model_->weights_name();
  row.kv = cache_.name();
  row.weights_bpw = weights.bits_per_weight();
  row.weights_bpw_linear = weights.linear_bits_per_weight();
  row.kv_bits_k = footprint_.bits_k;
  row.kv_bits_v = footprint_.bits_v;
  row.weights_bytes = weights.weights_bytes;
  row.kv_bytes = footprint_.bytes;
  row.peak_rss_bytes = record_.peak_memory;
  row.text = record_.text.summary();
  row.continuation = record_.continuation.summary();
  row.prefill_tps = record_.prefill.tokens_per_second();
  row.decode_tps = record_.decode.tokens_per_second();
  row.seconds = record_.seconds;
  row.kld_by_position = bins_of(record_.kld_at, record_.windows, first_scored);
  row.layers = layers_.results();
  return row;
}

Result<void> prefill(Lane& lane, std::span<const TokenId> tokens, std::size_t n_logits, std::span<float> logits,
                     Meter& meter) {
  constexpr std::size_t kPiece = 512;  // a session's batch; the meter is asked between two of them
  for (std::size_t begin = 0; begin < tokens.size(); begin += kPiece) {
    const std::size_t size = std::min(kPiece, tokens.size() - begin);
    const bool last = begin + size == tokens.size();
    Result<void> appended = lane.append(tokens.subspan(begin, size), last ? n_logits : 0, logits, Pace::kPrefill);
    if (!appended) return appended;
    if (Result<void> advanced = meter.advance(size); !advanced) return advanced;
  }
  return {};
}

}  // namespace tq::eval
