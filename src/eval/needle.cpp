#include "turboquant/needle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/random.h"
#include "eval/haystack.h"
#include "eval/lane.h"
#include "eval/levels.h"
#include "eval/provenance.h"
#include "eval/statistics.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

using eval::Lane;
using eval::Meter;
using eval::Pace;
using eval::Riddle;

struct Score {
  std::size_t rank = 0;
  double probability = 0;
  bool exact = false;
};

class Search {
 public:
  Search(const std::vector<Riddle>& riddles, NeedleReport& report, std::shared_ptr<ThreadPool> threads, Meter& meter)
      : riddles_(riddles), report_(report), threads_(std::move(threads)), meter_(meter) {}

  Result<NeedleRow> run(Lane& lane) {
    eval::restart_peak_memory();
    NeedleRow row;
    row.cells.resize(riddles_.size() / report_.trials);
    row.right.resize(riddles_.size());
    for (std::size_t l = 0; l < report_.lengths.size(); ++l) {
      // Room for the longest answer: five digits in as many tokens, and the space in front of them.
      if (Result<void> opened = lane.open({.context = report_.lengths[l] + 16, .threads = threads_}); !opened)
        return std::unexpected(opened.error());
      for (std::size_t t = 0; t < report_.tasks.size(); ++t) {
        const std::size_t first = (t * report_.lengths.size() + l) * report_.depths * report_.trials;
        for (std::size_t i = first; i < first + report_.depths * report_.trials; ++i) {
          const Result<Score> score = solve(lane, riddles_[i]);
          if (!score) return std::unexpected(score.error());
          count(*score, i, row);
        }
      }
      lane.note_peak_memory();
    }
    lane.close();
    row.level = lane.row(0);
    return row;
  }

 private:
  Result<Score> solve(Lane& lane, const Riddle& riddle) {
    lane.rewind();
    logits_.resize(lane.vocab_size());
    if (Result<void> read = eval::prefill(lane, riddle.tokens, 1, logits_, meter_); !read)
      return std::unexpected(read.error());
    std::vector<double> logs;
    Score score;
    for (const std::vector<TokenId>& answer : riddle.answers) {
      const bool right = logs.empty();
      logs.push_back(eval::log_probability(logits_, static_cast<std::size_t>(answer[0])));
      if (right) score.exact = argmax(logits_) == answer[0];
      if (answer.size() == 1) continue;
      lane.rewind(riddle.tokens.size());
      const std::size_t n = answer.size() - 1;
      rest_.resize(n * lane.vocab_size());
      if (Result<void> read = lane.append(std::span(answer).first(n), n, rest_, Pace::kOther); !read)
        return std::unexpected(read.error());
      for (std::size_t i = 0; i < n; ++i) {
        const std::span<const float> logits = std::span(rest_).subspan(i * lane.vocab_size(), lane.vocab_size());
        logs.back() += eval::log_probability(logits, static_cast<std::size_t>(answer[i + 1]));
        if (right) score.exact = score.exact && argmax(logits) == answer[i + 1];
      }
    }
    double sum = 0;
    for (const double log : logs) {
      sum += std::exp(log - logs[0]);
      if (!(logs[0] >= log)) ++score.rank;  // the right one itself only where it is no number
    }
    score.probability = 1 / sum;
    score.rank = std::min(score.rank + 1, logs.size());
    return score;
  }

  void count(const Score& score, std::size_t riddle, NeedleRow& row) const {
    const double share = 1 / static_cast<double>(report_.trials);
    const std::size_t index = riddle / report_.trials, depth = index % report_.depths;
    NeedleCell& cell = row.cells[index];
    cell.task = report_.tasks[index / (report_.lengths.size() * report_.depths)];
    cell.length = report_.lengths[index / report_.depths % report_.lengths.size()];
    cell.depth = report_.depths == 1 ? 0.5 : static_cast<double>(depth) / static_cast<double>(report_.depths - 1);
    cell.first += score.rank == 1 ? share : 0;
    cell.rank += share * static_cast<double>(score.rank);
    cell.probability += share * score.probability;
    cell.exact += score.exact ? share : 0;
    row.right[riddle] = score.rank == 1;
  }

  const std::vector<Riddle>& riddles_;
  const NeedleReport& report_;
  std::shared_ptr<ThreadPool> threads_;
  Meter& meter_;
  std::vector<float> logits_, rest_;
};

/// tasks x lengths x depths x trials.
Result<std::vector<Riddle>> make_riddles(const Tokenizer& tokenizer, std::string_view text, const NeedleReport& plan,
                                         std::size_t vocab_size) {
  const eval::Haystack haystack(tokenizer, text, plan.style);
  if (haystack.empty()) return fail(ErrorCode::kUsage, "the text to hide facts in is empty");
  std::vector<Riddle> riddles;
  for (const NeedleTask task : plan.tasks) {
    for (const std::size_t length : plan.lengths) {
      for (std::size_t i = 0; i < plan.depths * plan.trials; ++i) {
        const double depth =
            plan.depths == 1 ? 0.5 : static_cast<double>(i / plan.trials) / static_cast<double>(plan.depths - 1);
        Result<Riddle> riddle = haystack.riddle(task, length, depth, derived_seed(plan.seed, riddles.size()));
        if (!riddle) return fail(std::move(riddle));
        riddles.push_back(std::move(*riddle));
      }
    }
  }
  const auto known = [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < vocab_size; };
  for (const Riddle& riddle : riddles) {
    bool all = std::ranges::all_of(riddle.tokens, known);
    for (const auto& answer : riddle.answers) all = all && std::ranges::all_of(answer, known);
    if (!all) return fail(ErrorCode::kUsage, "the tokenizer has tokens that are not in the model's vocabulary");
  }
  return riddles;
}

Result<std::vector<std::size_t>> lengths_for(const NeedleOptions& options, std::size_t trained) {
  std::vector<std::size_t> lengths = options.lengths;
  for (std::size_t length = 512; options.lengths.empty() && length <= trained && length <= 32768; length *= 2)
    lengths.push_back(length);
  if (lengths.empty()) lengths = {trained};
  std::ranges::sort(lengths);
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  if (lengths.back() <= trained) return lengths;
  return fail(ErrorCode::kUsage, fmt::format("a length of {} tokens is more than the {} that the model was trained for",
                                             lengths.back(), trained));
}

}  // namespace

const char* needle_task_name(NeedleTask task) { return task == NeedleTask::kPassKey ? "passkey" : "pairs"; }

Result<NeedleReport> find_needles(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                                  std::string_view text, std::string text_name, const NeedleOptions& options,
                                  const Progress& progress) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  Result<std::vector<std::size_t>> lengths = lengths_for(options, config->context_length);
  if (!lengths) return std::unexpected(lengths.error());
  if (options.depths == 0 || options.trials == 0 || options.tasks.empty())
    return fail(ErrorCode::kUsage, "at least one task, one depth and one trial are needed");
  NeedleReport report;
  report.style = options.style;
  report.tasks = options.tasks;
  report.lengths = std::move(*lengths);
  report.depths = options.depths;
  report.trials = options.trials;
  report.candidates = eval::kCandidates;
  report.seed = options.seed;
  report.text = std::move(text_name);
  const Result<std::vector<Riddle>> riddles = make_riddles(tokenizer, text, report, config->vocab_size);
  if (!riddles) return std::unexpected(riddles.error());
  const Result<eval::Levels> levels =
      eval::parse_levels({options.weights, options.kv, options.base_kv, report.lengths.back(), options.seed}, *config);
  if (!levels) return std::unexpected(levels.error());
  Result<std::vector<Lane>> lanes = eval::load_lanes(file, *levels, options.threads);
  if (!lanes) return std::unexpected(lanes.error());

  std::uint64_t total = 0;
  for (const Riddle& riddle : *riddles) total += riddle.tokens.size();
  Meter meter(progress, lanes->size() * total);
  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  report.machine = eval::describe_machine(*threads);
  Search search(*riddles, report, threads, meter);
  Result<void> done = eval::run_levels(*lanes, report, [&](Lane& lane) { return search.run(lane); });
  if (!done) return std::unexpected(done.error());
  report.model = eval::describe(lanes->front().model(), *file);
  return report;
}

}  // namespace tq
