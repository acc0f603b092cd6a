// What an evaluation found, for people: in words, as a page, as Markdown, and read back from JSON.
//
// The rules behind the words are in docs/evaluation.md. Every function is pure and may run on any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/eval.h"
#include "turboquant/result.h"

namespace tq {

/// What a row is next to the base, from the best to the worst.
enum class Verdict : std::uint8_t {
  kIndistinguishable,  ///< at this sample size
  kClose,              ///< measurably different, hard to see
  kWorse,              ///< visibly
  kCollapsed           ///< also where a figure is not finite
};

/// Rows and the base's tokens of a text are compared by these.
struct VerdictRules {
  /// Below this the KL divergence is that of another order of sums in f32, not of a compression.
  static constexpr double kRounding = 1e-6;
  /// Standard errors that count as nothing: of a table of ten equal rows, two would call one different every other
  /// time, three once in forty tables.
  static constexpr double kErrors = 3;
  static constexpr double kSameTop1 = 0.99, kCloseTop1 = 0.95, kCollapsedTop1 = 0.5;
  static constexpr double kClosePplRatio = 1.01, kCollapsedPplRatio = 2;
  /// With n tokens and no disagreement seen, up to 3/n of all tokens may disagree (95 % confidence): 1 % needs 300.
  static constexpr std::size_t kLeastTokens = 300;
};

/// "indistinguishable", "close", "worse" or "collapsed".
const char* verdict_name(Verdict verdict);
/// Nothing where no token was scored.
std::optional<Verdict> judge(const EvalRow& row, std::size_t scored_tokens);

/// The bytes that a report's rows differ in: of the cache, of the weights, or of both together.
std::uint64_t compared_bytes(const EvalReport& report, const EvalRow& row);
/// The spec of the cache, the codec of the weights, or "weights tq4, cache tq3": whatever the rows differ in.
std::string row_name(const EvalReport& report, const EvalRow& row);

/// Whether the KL divergences of two rows differ by more than VerdictRules::kErrors standard errors.
bool differs(const PairedChange& change);

/// A place in the ranking of rows by mean KL divergence, from the smallest on.
struct RankedRow {
  std::size_t row = 0;  ///< index in EvalReport::rows
  /// From the row one place before; nothing for the first one and where the report does not have that pair.
  std::optional<PairedChange> change = {};
};
/// Rows whose KL divergence is not finite come last, in the order of the report.
std::vector<RankedRow> ranking(const EvalReport& report);

/// The layer, from 0, that raises the relative error of the hidden state the most; the first one whose error is not
/// finite. Nothing where no layer was measured or none differs from the base.
std::optional<std::size_t> worst_layer(const EvalRow& row);

/// The best row for whoever has these bytes: no other row has a lower KL divergence in as many bytes or fewer.
struct BestRow {
  std::size_t row = 0;  ///< index in EvalReport::rows
  std::uint64_t bytes = 0;
  /// Rows of as many bytes or fewer whose mean KL divergence differs by less than three standard errors of the
  /// difference: of the paired one, or, where the report does not have it, as if the two were independent.
  std::vector<std::size_t> ties = {};
};
/// From the most bytes to the fewest. Collapsed rows are no recommendation. Empty for more than 4096 rows.
std::vector<BestRow> best_by_size(const EvalReport& report);

/// The report in a few sentences, the most important first; each ends with a full stop.
std::vector<std::string> summary_in_words(const EvalReport& report);

/// Schema turboquant.report/1: {"schema": …, "reports": [each as to_json() of one]}.
std::string to_json(std::span<const EvalReport> reports);
/// Summary and table, for pasting into an issue.
std::string to_markdown(const EvalReport& report);
/// One HTML file that needs no network, with the figures of all reports inside as JSON.
std::string to_html(std::span<const EvalReport> reports);

/// What to_json() wrote. Fields that a row lacks are NaN or 0; those that this version does not know are left out.
/// kBadFile, with a sentence that begins with `name`: no JSON, not of schema turboquant.eval/1, a field of the wrong
/// type, more than 4096 rows.
Result<EvalReport> read_report(std::string_view json, std::string_view name);

}  // namespace tq
