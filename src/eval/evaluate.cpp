// The order of an evaluation. First the continuations, one row after the other, so that a row's cache is alone in
// memory; then the windows, base and rows side by side in slices, so that no window of logits has to be kept.
#include <algorithm>

#include "eval/lane.h"
#include "eval/levels.h"
#include "eval/provenance.h"
#include "eval/windows.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

using eval::Lane;
using eval::Meter;
using eval::Pace;
using eval::Windows;

/// Positions whose logits are held at a time, for the base and for one row. It does not change a result but by
/// rounding.
constexpr std::size_t kSlice = 64;

/// While it lives, the kernels are those of the next target that this CPU runs, where there is one.
class OtherTarget {
 public:
  OtherTarget() : own_(simd_target()) {
    const std::vector<std::string> targets = simd_targets();
    const auto own = std::ranges::find(targets, own_);
    use_simd_target(own + 1 < targets.end() ? own[1] : targets.front());
  }
  ~OtherTarget() { use_simd_target(own_); }
  OtherTarget(const OtherTarget&) = delete;
  OtherTarget& operator=(const OtherTarget&) = delete;

 private:
  std::string own_;
};

/// The base's greedy words after one prompt.
using Words = std::vector<TokenId>;

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, const Windows& windows, std::vector<Lane>& lanes, SessionOptions session,
             const Progress& progress);

  Result<void> run(std::optional<TokenId> end_of_text);
  std::size_t continuations() const { return continuations_; }
  /// Those that every lane has ended.
  std::size_t scored_windows() const { return scored_windows_; }
  std::size_t continuation_tokens() const;
  /// The base against itself: token by token, on one thread, with the kernels of another CPU target.
  Comparison::Summary floor() const { return floor_.row(windows_.first_scored()).text; }

 private:
  Lane& base() { return lanes_.front(); }
  std::span<Lane> rows() { return std::span(lanes_).subspan(1); }
  std::span<const TokenId> prompt(std::size_t index) const {
    return windows_.window(index).first(windows_.first_scored());
  }

  Result<void> run_alone(Lane& lane, std::optional<TokenId> end_of_text);
  Result<void> speak(std::span<const TokenId> prompt, std::optional<TokenId> end_of_text);
  Result<void> follow(Lane& row, std::span<const TokenId> prompt, const Words& words);
  Result<void> begin_window(std::span<const TokenId> window);
  Result<void> score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next);
  Result<void> read_slice(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);
  Result<void> read_by_token(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);

  const EvalOptions& options_;
  const Windows& windows_;
  std::vector<Lane>& lanes_;  // the base, and then the rows
  Lane floor_;
  SessionOptions session_;
  std::size_t continuations_, length_, scored_windows_ = 0;
  Meter meter_;
  std::vector<Words> words_;
  std::vector<float> base_logits_, logits_;
};

Evaluation::Evaluation(const EvalOptions& options, const Windows& windows, std::vector<Lane>& lanes,
                       SessionOptions session, const Progress& progress)
    : options_(options),
      windows_(windows),
      lanes_(lanes),
      floor_(lanes.front().twin()),
      session_(std::move(session)),
      continuations_(std::min(options.continuations, windows.count())),
      length_(std::min(options.continuation_tokens, windows.context / 2)),
      meter_(progress, lanes.size() * (continuations_ * (windows.first_scored() + length_) +
                                       windows.count() * windows.end_scored()) +
                           windows.end_scored()) {}

std::size_t Evaluation::continuation_tokens() const {
  std::size_t tokens = 0;
  for (const Words& words : words_) tokens += words.size();
  return tokens;
}

Result<void> Evaluation::run(std::optional<TokenId> end_of_text) {
  for (Lane& lane : lanes_) {
    if (Result<void> done = run_alone(lane, end_of_text); !done) return done;
  }
  for (Lane& lane : lanes_) {
    if (Result<void> opened = lane.open(session_); !opened) return opened;
  }
  for (Lane& lane : lanes_) {
    if (options_.layers) lane.trace_layers(base());
  }
  SessionOptions alone = session_;
  alone.threads = make_thread_pool(1);
  if (Result<void> opened = floor_.open(alone); !opened) return opened;
  for (std::size_t w = 0; w < windows_.count(); ++w) {
    const std::span<const TokenId> window = windows_.window(w);
    if (Result<void> begun = begin_window(window); !begun) return begun;
    for (std::size_t at = windows_.first_scored(); at < windows_.end_scored(); at += kSlice) {
      const std::size_t n = std::min(kSlice, windows_.end_scored() - at);
      if (Result<void> scored = score_slice(window.subspan(at, n), window.subspan(at + 1, n)); !scored) return scored;
    }
    for (Lane& row : rows()) row.compare_caches(base());
    for (Lane& lane : lanes_) lane.end_window();
    if (scored_windows_++ > 0) continue;
    floor_.end_window();
    floor_.close();
  }
  return {};
}

/// The base goes first and says the words that the rows then follow.
Result<void> Evaluation::run_alone(Lane& lane, std::optional<TokenId> end_of_text) {
  eval::restart_peak_memory();
  if (Result<void> opened = lane.open(session_); !opened) return opened;
  for (std::size_t i = 0; i < continuations_; ++i) {
    Result<void> done = &lane == &base() ? speak(prompt(i), end_of_text) : follow(lane, prompt(i), words_[i]);
    if (!done) return done;
  }
  lane.note_peak_memory();
  lane.close();
  return {};
}

Result<void> Evaluation::speak(std::span<const TokenId> prompt, std::optional<TokenId> end_of_text) {
  Words& words = words_.emplace_back();
  logits_.resize(base().vocab_size());
  base().rewind();
  if (Result<void> read = eval::prefill(base(), prompt, 1, logits_, meter_); !read) return read;
  while (words.size() < length_) {
    const TokenId word = argmax(logits_);
    words.push_back(word);
    base().compare(logits_, word);
    if (word == end_of_text || words.size() == length_) break;
    if (Result<void> said = base().append({&word, 1}, 1, logits_, Pace::kDecode); !said) return said;
  }
  return meter_.advance(length_);
}

Result<void> Evaluation::follow(Lane& row, std::span<const TokenId> prompt, const Words& words) {
  logits_.resize(row.vocab_size());
  row.rewind();
  if (Result<void> read = eval::prefill(row, prompt, 1, logits_, meter_); !read) return read;
  for (std::size_t i = 0; i < words.size(); ++i) {
    row.compare(logits_, words[i]);
    if (i + 1 == words.size()) break;
    if (Result<void> heard = row.append({&words[i], 1}, 1, logits_, Pace::kDecode); !heard) return heard;
  }
  return meter_.advance(length_);
}

Result<void> Evaluation::begin_window(std::span<const TokenId> window) {
  for (Lane& lane : lanes_) {
    lane.rewind();
    if (Result<void> read = eval::prefill(lane, window.first(windows_.first_scored()), 0, {}, meter_); !read)
      return read;
  }
  if (scored_windows_ > 0) return {};
  const OtherTarget other;
  return eval::prefill(floor_, window.first(windows_.first_scored()), 0, {}, meter_);
}

Result<void> Evaluation::score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next) {
  base_logits_.resize(tokens.size() * base().vocab_size());
  logits_.resize(base_logits_.size());
  if (Result<void> read = base().append(tokens, tokens.size(), base_logits_, Pace::kOther); !read) return read;
  base().compare(base_logits_, base_logits_, next);
  if (Result<void> advanced = meter_.advance(tokens.size()); !advanced) return advanced;
  if (scored_windows_ == 0) {
    const OtherTarget other;
    if (Result<void> read = read_by_token(floor_, tokens, logits_); !read) return read;
    floor_.compare(base_logits_, logits_, next);
    if (Result<void> advanced = meter_.advance(tokens.size()); !advanced) return advanced;
  }
  for (Lane& row : rows()) {
    if (Result<void> read = read_slice(row, tokens, logits_); !read) return read;
    row.compare(base_logits_, logits_, next);
    if (Result<void> advanced = meter_.advance(tokens.size()); !advanced) return advanced;
  }
  return {};
}

Result<void> Evaluation::read_slice(Lane& row, std::span<const TokenId> tokens, std::span<float> logits) {
  if (options_.decode) return read_by_token(row, tokens, logits);
  Result<void> read = row.append(tokens, tokens.size(), logits, Pace::kOther);
  if (read) row.compare_layers(base(), 0);
  return read;
}

Result<void> Evaluation::read_by_token(Lane& row, std::span<const TokenId> tokens, std::span<float> logits) {
  const std::size_t vocab = row.vocab_size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (Result<void> read = row.append(tokens.subspan(i, 1), 1, logits.subspan(i * vocab, vocab), Pace::kDecode); !read)
      return read;
    row.compare_layers(base(), i);
  }
  return {};
}

}  // namespace

Result<EvalReport> evaluate(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                            std::string text_name, const EvalOptions& options, const Progress& progress) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  const Result<eval::Levels> levels =
      eval::parse_levels({options.weights, options.kv, options.base_kv, options.context, options.seed}, *config);
  if (!levels) return std::unexpected(levels.error());
  const Result<Windows> windows =
      eval::cut_windows(text, tokenizer, config->vocab_size, options.context, options.chunks);
  if (!windows) return std::unexpected(windows.error());
  Result<std::vector<Lane>> loaded = eval::load_lanes(file, *levels, options.threads);
  if (!loaded) return std::unexpected(loaded.error());
  std::vector<Lane>& lanes = *loaded;
  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  Evaluation evaluation(options, *windows, lanes, {.context = options.context, .threads = threads}, progress);
  EvalReport report;
  report.machine = eval::describe_machine(*threads);
  const Result<void> done = evaluation.run(tokenizer.eos());
  report.partial = !done && done.error().code == ErrorCode::kInterrupted && evaluation.scored_windows() > 0;
  if (!done && !report.partial) return std::unexpected(done.error());

  report.model = eval::describe(lanes.front().model(), *file);
  report.settings = {std::move(text_name),
                     eval::sha256_hex(text),
                     levels->base.name(),
                     options.decode ? "decode" : "prefill",
                     options.context,
                     evaluation.scored_windows(),
                     evaluation.scored_windows() * windows->scored_per_window(),
                     evaluation.continuations(),
                     evaluation.continuation_tokens(),
                     options.seed};
  const Comparison::Summary floor = evaluation.floor();
  report.noise_floor = {floor.tokens, floor.kld_mean, floor.kld_max};
  report.base = lanes.front().row(windows->first_scored());
  for (std::size_t i = 1; i < lanes.size(); ++i) report.rows.push_back(lanes[i].row(windows->first_scored()));
  return report;
}

}  // namespace tq
