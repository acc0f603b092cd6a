// The order of an evaluation. First the continuations, one row after the other, so that a row's cache is alone in
// memory; then the windows, base and rows side by side in slices, so that no window of logits has to be kept.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "eval/lane.h"
#include "eval/provenance.h"
#include "eval/windows.h"
#include "turboquant/plan.h"
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
  /// The base, and then the rows.
  std::size_t continuation_tokens() const;

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

  const EvalOptions& options_;
  const Windows& windows_;
  std::vector<Lane>& lanes_;
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
      session_(std::move(session)),
      continuations_(std::min(options.continuations, windows.count())),
      length_(std::min(options.continuation_tokens, windows.context / 2)),
      meter_(progress, lanes.size() * (continuations_ * (windows.first_scored() + length_) +
                                       windows.count() * windows.end_scored())) {}

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
  for (std::size_t w = 0; w < windows_.count(); ++w) {
    const std::span<const TokenId> window = windows_.window(w);
    if (Result<void> begun = begin_window(window); !begun) return begun;
    for (std::size_t at = windows_.first_scored(); at < windows_.end_scored(); at += kSlice) {
      const std::size_t n = std::min(kSlice, windows_.end_scored() - at);
      if (Result<void> scored = score_slice(window.subspan(at, n), window.subspan(at + 1, n)); !scored) return scored;
    }
    for (Lane& lane : lanes_) lane.end_window();
    ++scored_windows_;
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
  return {};
}

Result<void> Evaluation::score_slice(std::span<const TokenId> tokens, std::span<const TokenId> next) {
  base_logits_.resize(tokens.size() * base().vocab_size());
  logits_.resize(base_logits_.size());
  if (Result<void> read = base().append(tokens, tokens.size(), base_logits_, Pace::kOther); !read) return read;
  base().compare(base_logits_, base_logits_, next);
  if (Result<void> advanced = meter_.advance(tokens.size()); !advanced) return advanced;
  for (Lane& row : rows()) {
    if (Result<void> read = read_slice(row, tokens, logits_); !read) return read;
    row.compare(base_logits_, logits_, next);
    if (Result<void> advanced = meter_.advance(tokens.size()); !advanced) return advanced;
  }
  return {};
}

Result<void> Evaluation::read_slice(Lane& row, std::span<const TokenId> tokens, std::span<float> logits) {
  if (!options_.decode) return row.append(tokens, tokens.size(), logits, Pace::kOther);
  const std::size_t vocab = row.vocab_size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (Result<void> read = row.append(tokens.subspan(i, 1), 1, logits.subspan(i * vocab, vocab), Pace::kDecode); !read)
      return read;
  }
  return {};
}

/// Every spec, parsed, with the seed of the rotations, and known to fit the model.
Result<std::vector<CacheSpec>> parse_caches(const std::vector<std::string>& names, const EvalOptions& options,
                                            const ModelConfig& config) {
  std::vector<CacheSpec> specs;
  for (const std::string& name : names) {
    Result<CacheSpec> spec = CacheSpec::parse(name);
    if (!spec) return fail(std::move(spec));
    spec->k.seed = spec->v.seed = options.seed;
    if (const auto fits = cache_footprint(config, *spec, options.context); !fits) return std::unexpected(fits.error());
    specs.push_back(std::move(*spec));
  }
  return specs;
}

/// The model of another file, which must read the same tokens.
Result<std::shared_ptr<const Model>> load_other(const std::string& path, const TensorFile& file,
                                                const EvalOptions& options) {
  Result<std::shared_ptr<const TensorFile>> other = TensorFile::open(path);
  if (!other) return fail(std::move(other));
  Result<std::shared_ptr<const Model>> model =
      Model::load(std::move(*other), {.weights = {}, .threads = options.threads});
  if (!model) return model;
  const Result<ModelConfig> config = read_model_config(file);
  if (!config) return std::unexpected(config.error());
  if ((*model)->config().vocab_size == config->vocab_size) return model;
  return fail(ErrorCode::kUsage, fmt::format("{} has {} tokens, and {} has {}: they cannot be compared", path,
                                             (*model)->config().vocab_size, file.path(), config->vocab_size));
}

/// One model for each way to hold the weights; "" is the file's own.
Result<std::map<std::string, std::shared_ptr<const Model>>> load_models(const std::shared_ptr<const TensorFile>& file,
                                                                        const EvalOptions& options) {
  for (const std::string& name : options.weights) {
    if (name.empty() || names_a_file(name) || names_a_plan(name) || is_average(name)) continue;
    if (const Result<CodecSpec> spec = CodecSpec::parse(name); !spec) return std::unexpected(spec.error());
  }
  std::map<std::string, std::shared_ptr<const Model>> models;
  std::vector<std::string> names = options.weights;
  names.emplace_back();
  for (const std::string& name : names) {
    if (models.contains(name)) continue;
    Result<std::shared_ptr<const Model>> model =
        names_a_file(name) ? load_other(name, *file, options) : load_compressed(file, name, options.threads);
    if (!model) return fail(std::move(model));
    models.emplace(name, std::move(*model));
  }
  return models;
}

}  // namespace

bool names_a_file(std::string_view weights) {
  const bool path = weights.find('/') != std::string_view::npos || weights.ends_with(".gguf");
  return path && !names_a_plan(weights);
}

Result<EvalReport> evaluate(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer, std::string_view text,
                            std::string text_name, const EvalOptions& options, const Progress& progress) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  const Result<std::vector<CacheSpec>> base = parse_caches({options.base_kv}, options, *config);
  if (!base) return std::unexpected(base.error());
  const Result<std::vector<CacheSpec>> caches = parse_caches(options.kv, options, *config);
  if (!caches) return std::unexpected(caches.error());
  const Result<Windows> windows =
      eval::cut_windows(text, tokenizer, config->vocab_size, options.context, options.chunks);
  if (!windows) return std::unexpected(windows.error());
  const auto models = load_models(file, options);
  if (!models) return std::unexpected(models.error());

  std::vector<Lane> lanes;
  lanes.emplace_back(models->at(""), base->front());
  for (const std::string& weights : options.weights) {
    for (const CacheSpec& cache : *caches) lanes.emplace_back(models->at(weights), cache);
  }
  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  Evaluation evaluation(options, *windows, lanes, {.context = options.context, .threads = threads}, progress);
  EvalReport report;
  report.machine = {eval::cpu_name(), simd_target(), thread_count(*threads), eval::restart_peak_memory()};
  const Result<void> done = evaluation.run(tokenizer.eos());
  report.partial = !done && done.error().code == ErrorCode::kInterrupted && evaluation.scored_windows() > 0;
  if (!done && !report.partial) return std::unexpected(done.error());

  const Model& model = *models->at("");
  report.model = {model.config().name, model.config().architecture, model.footprint().parameters, file->file_bytes()};
  report.settings = {std::move(text_name),
                     eval::sha256_hex(text),
                     base->front().name(),
                     options.decode ? "decode" : "prefill",
                     options.context,
                     evaluation.scored_windows(),
                     evaluation.scored_windows() * windows->scored_per_window(),
                     evaluation.continuations(),
                     evaluation.continuation_tokens(),
                     options.seed};
  report.base = lanes.front().row(windows->first_scored());
  for (std::size_t i = 1; i < lanes.size(); ++i) report.rows.push_back(lanes[i].row(windows->first_scored()));
  return report;
}

}  // namespace tq
