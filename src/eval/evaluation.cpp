#include "eval/evaluation.h"

#include <algorithm>

#include "eval/provenance.h"
#include "turboquant/sampler.h"

namespace tq::eval {
namespace {

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

}  // namespace

Result<void> Keeper::keep(EvalState state) {
  const auto start = std::chrono::steady_clock::now();
  Result<void> written = write_checkpoint(path_, state, description_);
  const auto end = std::chrono::steady_clock::now();
  next_ = end + 20 * (end - start);
  return written;
}

Evaluation::Evaluation(const EvalOptions& options, const Windows& windows, std::vector<Lane>& lanes,
                       SessionOptions session, BaseFiles files)
    : options_(options),
      windows_(windows),
      lanes_(lanes),
      floor_(lanes.front().twin()),
      session_(std::move(session)),
      files_(files),
      continuations_(files.in != nullptr ? 0 : std::min(options.continuations, windows.count())),
      length_(std::min(options.continuation_tokens, windows.context / 2)),
      base_slice_(lanes.front().vocab_size()) {}

std::uint64_t Evaluation::remaining_tokens() {
  const std::size_t alone = (lanes_.size() - alone_) * continuations_ * (windows_.first_scored() + length_);
  const std::size_t together = readers().size() * (windows_.count() - scored_windows_) * windows_.end_scored();
  return alone + together + (measures_floor() ? windows_.end_scored() : 0);
}

EvalState Evaluation::state() const {
  EvalState state{words_, alone_, scored_windows_, floor_.record(), {}};
  for (const Lane& lane : lanes_) state.lanes.push_back(lane.record());
  return state;
}

void Evaluation::restore(EvalState state) {
  words_ = std::move(state.words);
  alone_ = state.alone;
  scored_windows_ = state.windows;
  floor_.restore(std::move(state.floor));
  for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i].restore(std::move(state.lanes[i]));
}

std::size_t Evaluation::continuation_tokens() const {
  std::size_t tokens = 0;
  for (const Words& words : words_) tokens += words.size();
  return tokens;
}

Result<void> Evaluation::run(std::optional<TokenId> end_of_text, const Progress& progress, Keeper& keeper) {
  meter_ = Meter(progress, remaining_tokens());
  Result<void> done;
  while (done && alone_ < lanes_.size()) {
    const EvalState before = keeper.keeps() ? state() : EvalState{};
    done = run_alone(lanes_[alone_], end_of_text);
    if (done) ++alone_;
    if (!done && keeper.keeps()) restore(before);  // half a lane's words count for nothing
    if (done && keeper.is_due()) done = keeper.keep(state());
  }
  if (done) done = run_windows(keeper);
  if (!keeper.keeps()) return done;
  const Result<void> kept = keeper.keep(state());
  return done && !kept ? kept : done;
}

Result<void> Evaluation::run_windows(Keeper& keeper) {
  for (Lane& lane : readers()) {
    if (Result<void> opened = lane.open(session_); !opened) return opened;
  }
  for (Lane& lane : lanes_) {
    if (options_.layers) lane.trace_layers(base());
  }
  if (measures_floor()) {
    SessionOptions alone = session_;
    alone.threads = make_thread_pool(1);
    if (Result<void> opened = floor_.open(alone); !opened) return opened;
  }
  while (scored_windows_ < windows_.count()) {
    if (Result<void> scored = score_window(scored_windows_); !scored) return scored;
    if (!keeper.is_due()) continue;
    if (Result<void> kept = keeper.keep(state()); !kept) return kept;
  }
  return {};
}

Result<void> Evaluation::score_window(std::size_t index) {
  const std::span<const TokenId> window = windows_.window(index);
  if (Result<void> begun = begin_window(window); !begun) return begun;
  for (std::size_t at = windows_.first_scored(); at < windows_.end_scored(); at += kSlice) {
    const std::size_t n = std::min(kSlice, windows_.end_scored() - at);
    if (Result<void> read = read_base(index, at, window.subspan(at, n)); !read) return read;
    if (Result<void> scored = score_slice(window.subspan(at, n), window.subspan(at + 1, n)); !scored) return scored;
  }
  for (Lane& row : rows()) row.compare_caches(base());
  for (Lane& lane : lanes_) lane.end_window();
  if (measures_floor()) {
    floor_.end_window();
    floor_.close();
  }
  ++scored_windows_;
  return {};
}

/// The base goes first and says the words that the rows then follow.
Result<void> Evaluation::run_alone(Lane& lane, std::optional<TokenId> end_of_text) {
  restart_peak_memory();
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
  if (Result<void> read = prefill(base(), prompt, 1, logits_, meter_); !read) return read;
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
  if (Result<void> read = prefill(row, prompt, 1, logits_, meter_); !read) return read;
  for (std::size_t i = 0; i < words.size(); ++i) {
    row.compare(logits_, words[i]);
    if (i + 1 == words.size()) break;
    if (Result<void> heard = row.append({&words[i], 1}, 1, logits_, Pace::kDecode); !heard) return heard;
  }
  return meter_.advance(length_);
}

Result<void> Evaluation::begin_window(std::span<const TokenId> window) {
  for (Lane& lane : readers()) {
    lane.rewind();
    if (Result<void> read = prefill(lane, window.first(windows_.first_scored()), 0, {}, meter_); !read) return read;
  }
  if (!measures_floor()) return {};
  const OtherTarget other;
  return prefill(floor_, window.first(windows_.first_scored()), 0, {}, meter_);
}

/// The base's predictions after `tokens`, which stand at `first` of the window.
Result<void> Evaluation::read_base(std::size_t window, std::size_t first, std::span<const TokenId> tokens) {
  const std::size_t vocab = base().vocab_size();
  const std::span<float> logits = base_slice_.logits(tokens.size());
  if (files_.in != nullptr) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::size_t index = first - windows_.first_scored() + i;
      if (Result<void> read = files_.in->read(window, index, logits.subspan(i * vocab, vocab)); !read) return read;
    }
    base_slice_.prepare_log_probabilities(*session_.threads);
    return {};
  }
  if (Result<void> read = base().append(tokens, tokens.size(), logits, Pace::kOther); !read) return read;
  base_slice_.prepare(*session_.threads);
  if (files_.out == nullptr) return meter_.advance(tokens.size());
  if (Result<void> written = files_.out->add(logits); !written) return written;
  return meter_.advance(tokens.size());
}

Result<void> Evaluation::score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next) {
  base().compare(base_slice_, {}, next, *session_.threads);
  logits_.resize(tokens.size() * base().vocab_size());
  if (measures_floor()) {
    const OtherTarget other;
    if (Result<void> read = read_by_token(floor_, tokens, logits_); !read) return read;
    floor_.compare(base_slice_, logits_, next, *session_.threads);
    if (Result<void> advanced = meter_.advance(tokens.size()); !advanced) return advanced;
  }
  for (Lane& row : rows()) {
    if (Result<void> read = read_slice(row, tokens, logits_); !read) return read;
    row.compare(base_slice_, logits_, next, *session_.threads);
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

}  // namespace tq::eval
