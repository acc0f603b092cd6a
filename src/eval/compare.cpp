#include "turboquant/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/lane.h"
#include "eval/levels.h"
#include "eval/provenance.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

using eval::Lane;
using eval::Meter;
using eval::Pace;

class SideBySide {
 public:
  SideBySide(const Tokenizer& tokenizer, std::vector<TokenId> prompt, const CompareOptions& options,
             SessionOptions session, Meter& meter)
      : tokenizer_(tokenizer),
        prompt_(std::move(prompt)),
        wanted_(options.tokens),
        session_(std::move(session)),
        meter_(meter) {}

  /// The first lane is the base.
  Result<CompareRow> run(Lane& lane) {
    eval::restart_peak_memory();
    if (Result<void> opened = lane.open(session_); !opened) return std::unexpected(opened.error());
    logits_.resize(lane.vocab_size());
    if (Result<void> read = eval::prefill(lane, prompt_, 1, logits_, meter_); !read)
      return std::unexpected(read.error());
    const bool is_base = base_.empty();
    CompareRow row;
    if (Result<void> spoken = speak(lane, row); !spoken) return std::unexpected(spoken.error());
    if (is_base) base_ = row.tokens;
    if (Result<void> followed = follow(lane, row); !followed) return std::unexpected(followed.error());
    lane.note_peak_memory();
    lane.close();
    row.level = lane.row(0);
    row.text = tokenizer_.decode(row.tokens);
    return row;
  }

 private:
  /// Writes freely. Up to the first difference these are the base's words, and are counted as such.
  Result<void> speak(Lane& lane, CompareRow& row) {
    const bool is_base = base_.empty();
    while (row.tokens.size() < wanted_) {
      const TokenId word = argmax(logits_);
      const std::size_t at = row.tokens.size();
      row.tokens.push_back(word);
      if (is_base) {
        lane.compare(logits_, word);
      } else if (!row.first_divergence) {
        if (at < base_.size()) lane.compare(logits_, base_[at]);
        if (at >= base_.size() || base_[at] != word) row.first_divergence = at;
      }
      if (word == tokenizer_.eos() || row.tokens.size() == wanted_) break;
      if (Result<void> said = lane.append({&word, 1}, 1, logits_, Pace::kDecode); !said) return said;
      if (Result<void> on = meter_.advance(1); !on) return on;
    }
    return {};
  }

  /// What it would have said where the base said the rest of its words.
  Result<void> follow(Lane& lane, const CompareRow& row) {
    if (!row.first_divergence || *row.first_divergence + 1 >= base_.size()) return {};
    std::size_t at = *row.first_divergence;
    if (lane.cache().recent == 0) {
      lane.rewind(prompt_.size() + at);
    } else {  // tokens that have left the window of exact ones would stay coded
      lane.rewind();
      std::vector<TokenId> again = prompt_;
      again.insert(again.end(), base_.begin(), base_.begin() + static_cast<std::ptrdiff_t>(at));
      if (Result<void> read = eval::prefill(lane, again, 0, {}, meter_); !read) return read;
    }
    for (; at + 1 < base_.size(); ++at) {
      if (Result<void> heard = lane.append({&base_[at], 1}, 1, logits_, Pace::kDecode); !heard) return heard;
      lane.compare(logits_, base_[at + 1]);
      if (Result<void> on = meter_.advance(1); !on) return on;
    }
    return {};
  }

  const Tokenizer& tokenizer_;
  std::vector<TokenId> prompt_, base_;
  std::size_t wanted_;
  SessionOptions session_;
  Meter& meter_;
  std::vector<float> logits_;
};

Result<std::vector<TokenId>> encode(const Tokenizer& tokenizer, std::string_view prompt, std::size_t wanted,
                                    const ModelConfig& config) {
  std::vector<TokenId> tokens = tokenizer.encode(prompt);
  if (tokens.empty()) return fail(ErrorCode::kUsage, "the prompt is empty");
  if (wanted == 0) return fail(ErrorCode::kUsage, "at least one token must be written");
  if (tokens.size() + wanted > config.context_length) {
    return fail(
        ErrorCode::kUsage,
        fmt::format("the prompt has {} tokens and {} are to be written, but the model was trained for {} in all",
                    tokens.size(), wanted, config.context_length));
  }
  const bool known = std::ranges::all_of(
      tokens, [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < config.vocab_size; });
  if (!known) return fail(ErrorCode::kUsage, "the tokenizer has tokens that are not in the model's vocabulary");
  return tokens;
}

}  // namespace

Result<CompareReport> compare_levels(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                                     std::string prompt, const CompareOptions& options, const Progress& progress) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  Result<std::vector<TokenId>> tokens = encode(tokenizer, prompt, options.tokens, *config);
  if (!tokens) return std::unexpected(tokens.error());
  const std::size_t n_prompt = tokens->size(), context = n_prompt + options.tokens;
  const Result<eval::Levels> levels =
      eval::parse_levels({options.weights, options.kv, options.base_kv, context, options.seed}, *config);
  if (!levels) return std::unexpected(levels.error());
  Result<std::vector<Lane>> lanes = eval::load_lanes(file, *levels, options.threads);
  if (!lanes) return std::unexpected(lanes.error());

  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  Meter meter(progress, lanes->size() * (n_prompt + options.tokens));
  SideBySide work(tokenizer, std::move(*tokens), options, {.context = context, .threads = threads}, meter);
  CompareReport report;
  report.machine = eval::describe_machine(*threads);
  Result<void> done = eval::run_levels(*lanes, report, [&](Lane& lane) { return work.run(lane); });
  if (!done) return std::unexpected(done.error());
  report.model = eval::describe(lanes->front().model(), *file);
  report.prompt = std::move(prompt);
  report.prompt_tokens = n_prompt;
  report.wanted_tokens = options.tokens;
  report.seed = options.seed;
  return report;
}

}  // namespace tq
