#include "turboquant/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "eval/lane.h"
#include "eval/levels.h"
#include "eval/provenance.h"
#include "eval/statistics.h"
#include "eval/task_questions.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

using eval::Candidate;
using eval::Lane;
using eval::Meter;
using eval::Pace;
using eval::Question;
using eval::Rule;

/// What one lane says to one item.
struct Outcome {
  std::array<bool, eval::kRules> right = {};
  double log_likelihood = 0;  ///< of the right answer
};
using Outcomes = std::vector<Outcome>;  // of the items of a task

class Examination {
 public:
  Examination(std::vector<Lane>& lanes, const std::vector<std::vector<Question>>& tasks, const Progress& progress)
      : lanes_(lanes), tasks_(tasks), meter_(progress, total()), outcomes_(lanes.size()) {
    for (auto& of_lane : outcomes_) of_lane.resize(tasks.size());
  }

  Result<void> run() {
    std::vector<Outcome> answers(lanes_.size());
    for (std::size_t t = 0; t < tasks_.size(); ++t) {
      for (const Question& question : tasks_[t]) {
        for (std::size_t l = 0; l < lanes_.size(); ++l) {
          if (Result<void> asked = ask(lanes_[l], question, answers[l]); !asked) return asked;
        }
        for (std::size_t l = 0; l < lanes_.size(); ++l) outcomes_[l][t].push_back(answers[l]);
      }
    }
    return {};
  }

  const Outcomes& outcomes(std::size_t lane, std::size_t task) const { return outcomes_[lane][task]; }

 private:
  /// A context that is read again after truncate() would see other rows through a window of recent tokens than one that
  /// is read for the first time.
  static bool shares_contexts(const Lane& lane) { return lane.cache().recent == 0; }

  std::uint64_t total() const {
    std::uint64_t tokens = 0;
    for (const Lane& lane : lanes_) {
      for (const auto& questions : tasks_) {
        for (const Question& question : questions) {
          for (std::size_t i = 0; i < question.candidates.size(); ++i) {
            const Candidate& candidate = question.candidates[i];
            tokens += candidate.answer().size() + (reads_context(lane, question, i) ? candidate.context().size() : 0);
          }
        }
      }
    }
    return tokens;
  }

  static bool reads_context(const Lane& lane, const Question& question, std::size_t candidate) {
    return candidate == 0 || !shares_contexts(lane) ||
           !std::ranges::equal(question.candidates[candidate].context(), question.candidates[candidate - 1].context());
  }

  Result<void> ask(Lane& lane, const Question& question, Outcome& outcome) {
    std::vector<double> logs;
    bool all_top = true;
    for (std::size_t i = 0; i < question.candidates.size(); ++i) {
      if (Result<void> read = score(lane, question, i, logs.emplace_back(), all_top); !read) return read;
    }
    outcome.log_likelihood = logs[question.answer];
    outcome.right = eval::right_by_each_rule(question, logs, all_top);
    return {};
  }

  Result<void> score(Lane& lane, const Question& question, std::size_t index, double& log, bool& all_top) {
    const std::span<const TokenId> context = question.candidates[index].context();
    const std::span<const TokenId> answer = question.candidates[index].answer();
    first_.resize(lane.vocab_size());
    if (reads_context(lane, question, index)) {
      lane.rewind();
      if (Result<void> read = eval::prefill(lane, context, 1, first_, meter_); !read) return read;
    } else {
      lane.rewind(context.size());
    }
    log = 0;
    add(first_, answer[0], log, all_top);
    if (answer.size() > 1) {
      const std::size_t n = answer.size() - 1, vocab = lane.vocab_size();
      rest_.resize(n * vocab);
      if (Result<void> read = lane.append(answer.first(n), n, rest_, Pace::kOther); !read) return read;
      for (std::size_t i = 0; i < n; ++i) add(std::span(rest_).subspan(i * vocab, vocab), answer[i + 1], log, all_top);
    }
    return meter_.advance(answer.size());
  }

  static void add(std::span<const float> logits, TokenId token, double& log, bool& all_top) {
    log += eval::log_probability(logits, static_cast<std::size_t>(token));
    all_top = all_top && argmax(logits) == token;
  }

  std::vector<Lane>& lanes_;
  const std::vector<std::vector<Question>>& tasks_;
  Meter meter_;
  std::vector<std::vector<Outcomes>> outcomes_;  // lanes x tasks
  std::vector<float> first_, rest_;
};

TaskAccuracy accuracy_of(const Outcomes& base, const Outcomes& row, Rule rule) {
  TaskAccuracy accuracy;
  const auto n = static_cast<double>(row.size());
  std::size_t right = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const bool here = row[i].right[static_cast<std::size_t>(rule)],
               there = base[i].right[static_cast<std::size_t>(rule)];
    right += here ? 1 : 0;
    accuracy.lost += there && !here ? 1 : 0;
    accuracy.gained += here && !there ? 1 : 0;
  }
  accuracy.share = static_cast<double>(right) / n;
  if (n > 1) accuracy.se = std::sqrt(accuracy.share * (1 - accuracy.share) / (n - 1));
  accuracy.p_value = eval::sign_test(accuracy.lost, accuracy.gained);
  return accuracy;
}

TaskScore score_of(const Outcomes& base, const Outcomes& row, const Question& kind) {
  TaskScore score;
  score.acc = accuracy_of(base, row, Rule::kLikelihood);
  if (kind.answers_differ) {
    score.acc_norm = accuracy_of(base, row, Rule::kPerCharacter);
    score.acc_bytes = accuracy_of(base, row, Rule::kPerByte);
  }
  std::vector<double> logs, changes;
  for (std::size_t i = 0; i < row.size(); ++i) {
    logs.push_back(-row[i].log_likelihood);
    changes.push_back(row[i].log_likelihood - base[i].log_likelihood);
  }
  const eval::Mean log = eval::mean_of(logs), change = eval::mean_of(changes);
  score.perplexity = std::exp(log.value);
  score.perplexity_se = score.perplexity * log.standard_error;
  score.ll_change = change.value;
  score.ll_change_se = change.standard_error;
  return score;
}

TaskReport::TaskFacts facts_of(const Task& task, const std::vector<Question>& questions, std::size_t scored) {
  TaskReport::TaskFacts facts{task.name, task.path, task.sha256, scored};
  for (std::size_t i = 0; i < scored; ++i) {
    const Question& question = questions[i];
    for (const Candidate& candidate : question.candidates) facts.tokens += candidate.answer().size();
    facts.shortened += question.shortened ? 1 : 0;
    if (!task.is_last_word()) facts.chance += 1 / static_cast<double>(question.candidates.size());
  }
  facts.chance /= static_cast<double>(std::max<std::size_t>(scored, 1));
  return facts;
}

}  // namespace

Result<TaskReport> run_tasks(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, const TaskOptions& options, const Progress& progress) {
  const Result<ModelConfig> config = read_model_config(*file);
  if (!config) return std::unexpected(config.error());
  if (tasks.empty()) return fail(ErrorCode::kUsage, "at least one task is needed");
  const std::size_t limit = options.context == 0 ? config->context_length : options.context;
  std::vector<std::vector<Question>> questions;
  std::size_t longest = 0;
  for (const Task& task : tasks) {
    Result<std::vector<Question>> asked = eval::make_questions(task, tokenizer, {limit, config->vocab_size});
    if (!asked) return std::unexpected(asked.error());
    for (const Question& question : *asked) longest = std::max(longest, question.longest());
    questions.push_back(std::move(*asked));
  }
  const Result<eval::Levels> levels =
      eval::parse_levels({options.weights, options.kv, options.base_kv, longest, options.seed}, *config);
  if (!levels) return std::unexpected(levels.error());
  Result<std::vector<Lane>> lanes = eval::load_lanes(file, *levels, options.threads);
  if (!lanes) return std::unexpected(lanes.error());
  const std::shared_ptr<ThreadPool> threads = make_thread_pool(options.threads);
  for (Lane& lane : *lanes) {
    if (Result<void> opened = lane.open({.context = longest, .threads = threads}); !opened)
      return std::unexpected(opened.error());
  }

  Examination examination(*lanes, questions, progress);
  const Result<void> done = examination.run();
  TaskReport report;
  const bool interrupted = !done && done.error().code == ErrorCode::kInterrupted;
  report.partial = interrupted && !examination.outcomes(lanes->size() - 1, 0).empty();
  if (!done && !report.partial) return std::unexpected(done.error());

  const Model& model = lanes->front().model();
  report.model = {model.config().name, model.config().architecture, model.footprint().parameters, file->file_bytes()};
  report.machine = {eval::cpu_name(), simd_target(), thread_count(*threads), false};
  report.base = levels->base.name();
  report.context = limit;
  report.seed = options.seed;
  std::vector<TaskRow> rows;
  for (const Lane& lane : *lanes) rows.push_back({lane.row(0), {}});
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    const Outcomes& base = examination.outcomes(0, t);
    if (base.empty()) break;
    report.tasks.push_back(facts_of(tasks[t], questions[t], base.size()));
    for (std::size_t l = 0; l < rows.size(); ++l)
      rows[l].scores.push_back(score_of(base, examination.outcomes(l, t), questions[t].front()));
  }
  report.base_row = std::move(rows.front());
  report.rows.assign(std::make_move_iterator(rows.begin() + 1), std::make_move_iterator(rows.end()));
  return report;
}

}  // namespace tq
