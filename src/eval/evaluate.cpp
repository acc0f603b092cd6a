// The order of an evaluation. First the continuations, one row after the other, so that a row's cache is alone in
// memory; then the windows, base and rows side by side in slices, so that no window of logits has to be kept.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <system_error>

#include "base/bytes.h"
#include "base/file.h"
#include "eval/base_slice.h"
#include "eval/checkpoint.h"
#include "eval/evaluation_origin.h"
#include "eval/lane.h"
#include "eval/levels.h"
#include "eval/provenance.h"
#include "eval/windows.h"
#include "formats/kld_base.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

using eval::Lane;
using eval::Meter;
using eval::Pace;
using eval::Windows;
using eval::Words;

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

/// Writes what is done at most so often that writing takes a twentieth of the time.
class Keeper {
 public:
  /// `path` empty: keeps nothing.
  Keeper(std::string path, std::string description) : path_(std::move(path)), description_(std::move(description)) {}

  bool keeps() const { return !path_.empty(); }
  const std::string& description() const { return description_; }
  bool is_due() const { return keeps() && std::chrono::steady_clock::now() >= next_; }
  Result<void> keep(eval::EvalState state) {
    const auto start = std::chrono::steady_clock::now();
    Result<void> written = eval::write_checkpoint(path_, state, description_);
    const auto end = std::chrono::steady_clock::now();
    next_ = end + 20 * (end - start);
    return written;
  }

 private:
  std::string path_, description_;
  std::chrono::steady_clock::time_point next_ = {};
};

/// Where the base's predictions come from or go to, other than its own session.
struct BaseFiles {
  const KldBase* in = nullptr;
  KldBaseWriter* out = nullptr;
};

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, const Windows& windows, std::vector<Lane>& lanes, SessionOptions session,
             BaseFiles files);

  /// What state() was; it fits the lanes and windows.
  void restore(eval::EvalState state);
  Result<void> run(std::optional<TokenId> end_of_text, const Progress& progress, Keeper& keeper);
  std::size_t continuations() const { return continuations_; }
  std::size_t continuation_length() const { return length_; }
  /// Those that every lane has ended.
  std::size_t scored_windows() const { return scored_windows_; }
  std::size_t continuation_tokens() const;
  /// The base against itself: token by token, on one thread, with the kernels of another CPU target.
  Comparison::Summary floor() const { return floor_.row(windows_.first_scored()).text; }

 private:
  Lane& base() { return lanes_.front(); }
  std::span<Lane> rows() { return std::span(lanes_).subspan(1); }
  /// Those that read the text: a base out of a file does not.
  std::span<Lane> readers() { return files_.in == nullptr ? std::span(lanes_) : rows(); }
  bool measures_floor() const { return options_.noise_floor && files_.in == nullptr && scored_windows_ == 0; }
  std::span<const TokenId> prompt(std::size_t index) const {
    return windows_.window(index).first(windows_.first_scored());
  }
  std::uint64_t remaining_tokens();
  eval::EvalState state() const;

  Result<void> run_windows(Keeper& keeper);
  Result<void> run_alone(Lane& lane, std::optional<TokenId> end_of_text);
  Result<void> speak(std::span<const TokenId> prompt, std::optional<TokenId> end_of_text);
  Result<void> follow(Lane& row, std::span<const TokenId> prompt, const Words& words);
  Result<void> score_window(std::size_t index);
  Result<void> begin_window(std::span<const TokenId> window);
  Result<void> read_base(std::size_t window, std::size_t first, std::span<const TokenId> tokens);
  Result<void> score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next);
  Result<void> read_slice(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);
  Result<void> read_by_token(Lane& row, std::span<const TokenId> tokens, std::span<float> logits);

  const EvalOptions& options_;
  const Windows& windows_;
  std::vector<Lane>& lanes_;  // the base, and then the rows
  Lane floor_;
  SessionOptions session_;
  BaseFiles files_;
  std::size_t continuations_, length_, alone_ = 0, scored_windows_ = 0;
  Meter meter_;
  std::vector<Words> words_;
  eval::BaseSlice base_slice_;
  std::vector<float> logits_;
};

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

eval::EvalState Evaluation::state() const {
  eval::EvalState state{words_, alone_, scored_windows_, floor_.record(), {}};
  for (const Lane& lane : lanes_) state.lanes.push_back(lane.record());
  return state;
}

void Evaluation::restore(eval::EvalState state) {
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
    const eval::EvalState before = keeper.keeps() ? state() : eval::EvalState{};
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
  for (Lane& lane : readers()) {
    lane.rewind();
    if (Result<void> read = eval::prefill(lane, window.first(windows_.first_scored()), 0, {}, meter_); !read)
      return read;
  }
  if (!measures_floor()) return {};
  const OtherTarget other;
  return eval::prefill(floor_, window.first(windows_.first_scored()), 0, {}, meter_);
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

/// A base file that is read, and its bytes.
struct OpenBase {
  MappedFile file;
  KldBase base;
};

Result<OpenBase> open_base(const std::string& path, std::size_t vocab_size) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  Result<KldBase> base = KldBase::parse(file->bytes(), path);
  if (!base) return std::unexpected(base.error());
  if (base->shape().vocab_size != vocab_size)
    return fail(ErrorCode::kUsage, fmt::format("{}: it was made for a vocabulary of {} tokens, and the model has {}",
                                               path, base->shape().vocab_size, vocab_size));
  return OpenBase{std::move(*file), std::move(*base)};
}

Result<void> restore_from(const std::string& path, const eval::CheckpointLimits& limits, Evaluation& evaluation) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return {};
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  Result<eval::EvalState> state = eval::parse_checkpoint(file->bytes(), path, limits);
  if (!state) return std::unexpected(state.error());
  evaluation.restore(std::move(*state));
  return {};
}

}  // namespace

Result<EvalReport> evaluate(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                            std::string text_name, const EvalOptions& given, const Progress& progress) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  EvalOptions options = given;
  std::optional<OpenBase> base_in;
  if (!options.read_kld_base.empty()) {
    Result<OpenBase> opened = open_base(options.read_kld_base, config->vocab_size);
    if (!opened) return std::unexpected(opened.error());
    base_in.emplace(std::move(*opened));
    options.context = base_in->base.shape().context;
  }
  const Result<eval::Levels> levels =
      eval::parse_levels({options.weights, options.kv, options.base_kv, options.context, options.seed}, *config);
  if (!levels) return std::unexpected(levels.error());
  const Result<Windows> windows =
      base_in ? eval::windows_of(base_in->base.tokens(), tokenizer, options.context, options.chunks)
              : eval::cut_windows(text, tokenizer, config->vocab_size, options.context, options.chunks);
  if (!windows) return std::unexpected(windows.error());
  Result<std::vector<Lane>> loaded = eval::load_lanes(file, *levels, options.threads);
  if (!loaded) return std::unexpected(loaded.error());
  std::vector<Lane>& lanes = *loaded;
  std::optional<KldBaseWriter> base_out;
  if (!options.write_kld_base.empty()) {
    Result<KldBaseWriter> created = KldBaseWriter::create(
        options.write_kld_base, {options.context, config->vocab_size, windows->count()}, windows->tokens);
    if (!created) return std::unexpected(created.error());
    base_out.emplace(std::move(*created));
  }

  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  Evaluation evaluation(options, *windows, lanes, {.context = options.context, .threads = threads},
                        {base_in ? &base_in->base : nullptr, base_out ? &*base_out : nullptr});
  const std::string text_sha256 = eval::sha256_hex(base_in ? as_text(std::as_bytes(std::span(windows->tokens))) : text);
  const std::string base_name = base_in ? options.read_kld_base : levels->base.name();
  Keeper keeper(options.resume, options.resume.empty()
                                    ? ""
                                    : eval::describe_evaluation(options, *windows, lanes, {text_sha256, base_name}));
  if (keeper.keeps()) {
    const Result<void> restored =
        restore_from(options.resume,
                     {keeper.description(), lanes.size(), config->vocab_size, evaluation.continuations(),
                      evaluation.continuation_length(), windows->count(), windows->scored_per_window()},
                     evaluation);
    if (!restored) return std::unexpected(restored.error());
  }
  EvalReport report;
  report.machine = eval::describe_machine(*threads);
  const Result<void> done = evaluation.run(tokenizer.eos(), progress, keeper);
  report.partial = !done && done.error().code == ErrorCode::kInterrupted && evaluation.scored_windows() > 0;
  if (!done && !report.partial) return std::unexpected(done.error());
  if (base_out && !report.partial) {
    if (Result<void> committed = base_out->commit(); !committed) return std::unexpected(committed.error());
  }

  report.model = eval::describe(lanes.front().model(), *file);
  report.settings = {base_in ? "the tokens of " + options.read_kld_base : std::move(text_name),
                     text_sha256,
                     base_name,
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
  if (base_in) eval::forget_base(report.base);
  for (std::size_t i = 1; i < lanes.size(); ++i) report.rows.push_back(lanes[i].row(windows->first_scored()));
  return report;
}

}  // namespace tq
