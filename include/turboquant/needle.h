// Retrieval from a long text: is what stands far back still read through a compressed cache?
//
// A fact is hidden in a text, and the text ends with the beginning of the sentence that repeats it. The score needs no
// model that answers in words: the right answer stands among others of the same form, and its probability and rank are
// read off the model. What each figure can and cannot show is in docs/evaluation.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/eval.h"

namespace tq {

enum class NeedleTask : std::uint8_t {
  kPassKey,  ///< one fact; the other answers are random numbers that stand nowhere
  kPairs     ///< eight facts, one is asked for; the other answers are the seven others' and as many random numbers
};
/// "passkey", "pairs".
const char* needle_task_name(NeedleTask task);

/// How facts are written.
enum class NeedleStyle : std::uint8_t {
  kProse,  ///< "The pass key is 48213."
  kCode    ///< "PASS_KEY = 48213"
};

struct NeedleOptions {
  std::vector<std::string> weights = {""};  ///< as in EvalOptions
  std::vector<std::string> kv = {"f16"};
  std::string base_kv = "f32";
  std::vector<NeedleTask> tasks = {NeedleTask::kPassKey, NeedleTask::kPairs};
  NeedleStyle style = NeedleStyle::kProse;
  std::vector<std::size_t> lengths = {};  ///< tokens of a whole prompt; empty: 512, 1024, … up to the model's context
  std::size_t depths = 5;  ///< places of the fact, evenly from the beginning of the text to its end; 1: the middle
  std::size_t trials = 2;  ///< of each length and depth, with other numbers and another part of the text
  std::uint64_t seed = 1;  ///< of numbers, places and the rotations in the caches
  unsigned threads = 0;    ///< 0: all cores
};

/// Means over the trials of one task, length and depth.
struct NeedleCell {
  NeedleTask task = NeedleTask::kPassKey;
  std::size_t length = 0;
  double depth = 0;        ///< 0: the beginning, 1: the end
  double first = 0;        ///< share of trials in which the right answer is the most probable of all candidates
  double rank = 0;         ///< mean; 1 is the best
  double probability = 0;  ///< of the right answer among the candidates
  double exact = 0;        ///< share of trials in which each of its tokens is the most likely of the vocabulary
};

struct NeedleRow {
  EvalRow level;                  ///< specs, sizes (kv_bytes: at the largest length) and speeds; no figures of a text
  std::vector<NeedleCell> cells;  ///< tasks x lengths x depths, the depths the fastest
  std::vector<bool> right;        ///< of each trial: was the right answer the most probable? cells x trials
};

struct NeedleReport {
  decltype(EvalReport::model) model;
  decltype(EvalReport::machine) machine;
  std::string text, command;
  NeedleStyle style = NeedleStyle::kProse;
  std::vector<NeedleTask> tasks;
  std::vector<std::size_t> lengths;
  std::size_t depths = 0, trials = 0, candidates = 0;  ///< candidates: the right answer among them
  std::uint64_t seed = 0;
  NeedleRow base;
  std::vector<NeedleRow> rows;  ///< weights x kv, kv the faster
};

/// The same prompts go through the base and every level, one after the other. A text that is too short for a length is
/// repeated.
///
/// kUsage when the text has no token, a length leaves no room for facts and question or exceeds the context that the
/// model was trained for, or a spec is unknown or does not fit; kInterrupted when `progress` says so.
Result<NeedleReport> find_needles(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                                  std::string_view text, std::string text_name, const NeedleOptions& options,
                                  const Progress& progress);

/// What the report shows and, where the base itself does not find the facts, what it cannot show; each sentence ends
/// with a full stop.
std::vector<std::string> summary_in_words(const NeedleReport& report);
/// Schema turboquant.needle/1 (docs/evaluation.md).
std::string to_json(const NeedleReport& report);
/// For each task a line for each level and a column for each length.
std::string to_table(const NeedleReport& report);
/// One HTML file; see to_html() of report.h.
std::string to_html(const NeedleReport& report);

}  // namespace tq
