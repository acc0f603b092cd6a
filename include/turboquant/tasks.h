// Multiple-choice and last-word tasks, scored by the likelihood of their answers: does a compressed model still choose
// as the uncompressed one does?
//
// Prompts and figures are those of lm-evaluation-harness; the layouts of the files, the rule at the border between
// context and answer, and what each figure can show are in docs/evaluation.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/eval.h"

namespace tq {

/// Candidate i is what stands at i of `contexts` and of `continuations`; a list of one stands for all candidates. At
/// most one of the two has more than one.
struct TaskItem {
  std::size_t line = 0;  ///< of its file, from 1
  std::vector<std::string> contexts, continuations;
  std::size_t answer = 0;  ///< the right candidate

  std::size_t candidates() const { return contexts.size() > 1 ? contexts.size() : continuations.size(); }
};

struct Task {
  std::string name;          ///< "hellaswag"; "choices" for our own layout
  std::string path, sha256;  ///< of the file
  std::vector<TaskItem> items;
  bool is_last_word() const { return name == "lambada"; }
};

/// "lambada", "hellaswag", "piqa", "arc-easy", "winogrande": the tasks whose published layouts are read.
std::vector<std::string> task_names();
/// One JSON object a line, empty lines apart; at most `limit` items from the beginning, 0: all. `name` is one of
/// task_names() or "choices". kBadFile, with the number of the line, for what is no item of that task; kUsage for an
/// unknown name. Fuzzed.
Result<Task> parse_task(std::string_view name, std::string_view jsonl, std::string path, std::size_t limit = 0);

struct TaskOptions {
  std::vector<std::string> weights = {""};  ///< as in EvalOptions
  std::vector<std::string> kv = {"f16"};
  std::string base_kv = "f32";
  std::size_t context = 0;  ///< a longer item loses the beginning of its context; 0: what the model was trained for
  std::uint64_t seed = 1;   ///< of the rotations in the caches
  unsigned threads = 0;     ///< 0: all cores
};

/// The share of items that a rule of choosing gets right. NaN where the task has no such rule.
struct TaskAccuracy {
  double share = std::numeric_limits<double>::quiet_NaN();
  double se = std::numeric_limits<double>::quiet_NaN();  ///< √(share · (1 − share) / (n − 1))
  std::size_t lost = 0, gained = 0;                      ///< items that only the base, or only this row, gets right
  /// McNemar's exact test: how probable at least so uneven a split of lost + gained is when both directions are equally
  /// likely.
  double p_value = std::numeric_limits<double>::quiet_NaN();
};

struct TaskScore {
  TaskAccuracy acc;        ///< the most likely candidate; of a last word: each of its tokens is the most likely one
  TaskAccuracy acc_norm;   ///< by likelihood over the characters of the answer, without the space before it
  TaskAccuracy acc_bytes;  ///< the same over its bytes in UTF-8
  /// exp(−mean ln p(right answer)), with its error by the delta method. Comparable only within one task; the published
  /// figure of lambada.
  double perplexity = 0, perplexity_se = 0;
  /// Mean change of ln p(right answer) from the base, with the error of the paired differences.
  double ll_change = 0, ll_change_se = 0;
};

struct TaskRow {
  EvalRow level;                  ///< specs and sizes (kv_bytes: at the longest item) and speed; no figures of a text
  std::vector<TaskScore> scores;  ///< one for each task
};

struct TaskReport {
  decltype(EvalReport::model) model;
  decltype(EvalReport::machine) machine;
  struct TaskFacts {
    std::string name, path, sha256;
    std::size_t items = 0, tokens = 0;  ///< that were scored; tokens: of their candidates' answers
    std::size_t shortened = 0;          ///< items whose context lost its beginning
    double chance = 0;                  ///< mean of 1 / candidates; 0 for a last word
  };
  std::vector<TaskFacts> tasks;
  std::string base, command;
  std::size_t context = 0;
  std::uint64_t seed = 0;
  bool partial = false;  ///< stopped early: all rows have the same items
  TaskRow base_row;
  std::vector<TaskRow> rows;  ///< weights x kv, kv the faster
};

/// Base and rows answer item by item, side by side. Answers are scored through the cache: each row holds the context of
/// an item in its own codes.
///
/// kUsage when a task has no items, an item does not fit, a token is not in the vocabulary, or a spec is unknown or
/// does not fit the model; kInterrupted when `progress` (in tokens) stops it before the first item is complete.
Result<TaskReport> run_tasks(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                             const std::vector<Task>& tasks, const TaskOptions& options, const Progress& progress);

/// What the report shows and, where the base itself is no better than chance, what it cannot; each sentence ends with a
/// full stop.
std::vector<std::string> summary_in_words(const TaskReport& report);
/// Schema turboquant.tasks/1 (docs/evaluation.md). A figure that is not finite is null.
std::string to_json(const TaskReport& report);
/// For each task a line for the base and each row.
std::string to_table(const TaskReport& report);
/// Summary and tables, for pasting into an issue.
std::string to_markdown(const TaskReport& report);
/// One HTML file that needs no network, with to_json() inside.
std::string to_html(const TaskReport& report);

}  // namespace tq
