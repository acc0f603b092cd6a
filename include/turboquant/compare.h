// One prompt continued at every level of compression, side by side with the uncompressed model.
//
// What each figure can and cannot show is in docs/evaluation.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/eval.h"

namespace tq {

struct CompareOptions {
  std::vector<std::string> weights = {""};  ///< as in EvalOptions
  std::vector<std::string> kv = {"f16"};
  std::string base_kv = "f32";
  std::size_t tokens = 128;  ///< to write at most; a model that ends its text ends earlier
  std::uint64_t seed = 1;    ///< of the rotations in the caches
  unsigned threads = 0;      ///< 0: all cores
};

/// What one level wrote, always its most likely token.
struct CompareRow {
  EvalRow level;                ///< specs, sizes, speeds, and the figures of the base's own words
  std::vector<TokenId> tokens;  ///< the one that ended the text among them
  std::string text;             ///< bytes: the last character may be cut
  /// The first of its tokens that is not the base's; nothing where all are the same.
  std::optional<std::size_t> first_divergence;
  std::optional<bool> parses;  ///< for whoever can tell: whether the text is a program; nothing where nobody looked
};

struct CompareReport {
  decltype(EvalReport::model) model;
  decltype(EvalReport::machine) machine;
  std::string prompt, command;
  std::size_t prompt_tokens = 0, wanted_tokens = 0;
  std::uint64_t seed = 0;
  CompareRow base;
  std::vector<CompareRow> rows;  ///< weights x kv, kv the faster
};

/// Base and levels go one after the other, each alone in memory. A level first writes freely; then it is asked, token
/// by token, what it would have said where the base said each of its words (EvalRow::continuation).
///
/// kUsage when the prompt has no token, prompt and answer exceed the context that the model was trained for, a token is
/// not in the vocabulary, or a spec is unknown or does not fit; kInterrupted when `progress` says so.
Result<CompareReport> compare_levels(std::shared_ptr<const TensorFile> file, const Tokenizer& tokenizer,
                                     std::string prompt, const CompareOptions& options, const Progress& progress);

/// Schema turboquant.compare/1 (docs/evaluation.md).
std::string to_json(const CompareReport& report);
/// A line for each level, without the texts.
std::string to_table(const CompareReport& report);
/// One HTML file with the texts side by side; see to_html() of report.h.
std::string to_html(const CompareReport& report);

}  // namespace tq
