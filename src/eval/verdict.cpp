// What a report says in words. The rules are VerdictRules; docs/evaluation.md gives the reasons.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "turboquant/report.h"

namespace tq {
namespace {

using Rules = VerdictRules;

constexpr std::size_t kMostCompared = 4096;  // pairs of rows are compared

bool differ(const EvalReport& report, std::string EvalRow::*field) {
  return std::any_of(report.rows.begin(), report.rows.end(),
                     [&](const EvalRow& row) { return row.*field != report.rows.front().*field; });
}

bool finite_figures(const EvalRow& row) {
  return std::isfinite(row.text.kld_mean) && std::isfinite(row.text.ppl) && std::isfinite(row.text.ppl_ratio) &&
         std::isfinite(row.text.top1_agreement);
}

/// The pairs of a report, by their rows.
class Changes {
 public:
  explicit Changes(const EvalReport& report) : report_(report) {
    for (const RowPair& pair : report.pairs) changes_.try_emplace({pair.from, pair.to}, pair.change);
  }
  std::optional<PairedChange> find(std::size_t from, std::size_t to) const {
    const auto found = changes_.find(std::minmax(from, to));
    if (found == changes_.end()) return std::nullopt;
    const PairedChange& change = found->second;
    if (from < to) return change;
    return PairedChange{0 - change.kld, change.kld_se, 0 - change.nll, change.nll_se};
  }
  /// As if the two were independent where the report does not have the pair.
  bool differ(std::size_t a, std::size_t b) const {
    if (const std::optional<PairedChange> change = find(a, b)) return differs(*change);
    const Comparison::Summary &x = report_.rows[a].text, &y = report_.rows[b].text;
    return differs({.kld = x.kld_mean - y.kld_mean, .kld_se = std::hypot(x.kld_mean_se, y.kld_mean_se)});
  }

 private:
  const EvalReport& report_;
  std::map<std::pair<std::size_t, std::size_t>, PairedChange> changes_;
};

std::string size_in_words(std::uint64_t bytes) {
  const auto size = static_cast<double>(bytes);
  if (size < 1024.0 * 1024) return fmt::format("{:.0f} KiB", size / 1024);
  if (size < 1024.0 * 1024 * 1024) return fmt::format("{:.1f} MiB", size / (1024.0 * 1024));
  return fmt::format("{:.2f} GiB", size / (1024.0 * 1024 * 1024));
}

std::string names_of(const EvalReport& report, Verdict verdict) {
  std::string names;
  for (const EvalRow& row : report.rows) {
    if (judge(row, report.settings.scored_tokens) != verdict) continue;
    names += (names.empty() ? "" : "; ") + row_name(report, row);
  }
  return names;
}

void say(std::vector<std::string>& words, const EvalReport& report, Verdict verdict, const std::string& what) {
  if (const std::string names = names_of(report, verdict); !names.empty())
    words.push_back(fmt::format("{}: {}.", what, names));
}

/// The smallest of the best rows whose verdict is at least `verdict`.
void say_smallest(std::vector<std::string>& words, const EvalReport& report, Verdict verdict, std::string_view what) {
  const std::vector<BestRow> best = best_by_size(report);
  const auto smallest = std::find_if(best.rbegin(), best.rend(), [&](const BestRow& entry) {
    return judge(report.rows[entry.row], report.settings.scored_tokens) == verdict;
  });
  if (smallest == best.rend()) return;
  words.push_back(fmt::format("The smallest that is {}: {}, {}.", what, row_name(report, report.rows[smallest->row]),
                              size_in_words(smallest->bytes)));
}

/// "f16 < tq4 ≈ q4_0 < tq2", of rows whose figures are finite; empty where a pair of neighbours was not measured.
std::string ranking_in_words(const EvalReport& report) {
  std::string words;
  for (const RankedRow& place : ranking(report)) {
    if (!std::isfinite(report.rows[place.row].text.kld_mean)) break;
    if (!words.empty() && !(place.change && std::isfinite(place.change->kld))) return "";
    if (!words.empty()) words += differs(*place.change) ? " < " : " ≈ ";
    words += row_name(report, report.rows[place.row]);
  }
  return words;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  constexpr const char* kNames[] = {"indistinguishable", "close", "worse", "collapsed"};
  return kNames[static_cast<std::size_t>(verdict)];
}

std::optional<Verdict> judge(const EvalRow& row, std::size_t scored_tokens) {
  if (scored_tokens == 0) return std::nullopt;
  const Comparison::Summary& text = row.text;
  if (!finite_figures(row) || text.top1_agreement < Rules::kCollapsedTop1 ||
      text.ppl_ratio >= Rules::kCollapsedPplRatio) {
    return Verdict::kCollapsed;
  }
  const double error = std::isfinite(text.ppl_ratio_se) ? Rules::kErrors * text.ppl_ratio_se : 0;
  const bool same_ppl = std::abs(text.ppl_ratio - 1) <= error && text.top1_agreement >= Rules::kSameTop1;
  const bool enough = scored_tokens >= Rules::kLeastTokens;
  if (enough && (same_ppl || text.kld_mean <= Rules::kRounding)) return Verdict::kIndistinguishable;
  const bool close = text.ppl_ratio - error <= Rules::kClosePplRatio && text.top1_agreement >= Rules::kCloseTop1;
  return close ? Verdict::kClose : Verdict::kWorse;
}

std::uint64_t compared_bytes(const EvalReport& report, const EvalRow& row) {
  const bool weights = differ(report, &EvalRow::weights), kv = differ(report, &EvalRow::kv);
  return (weights ? row.weights_bytes : 0) + (kv || !weights ? row.kv_bytes : 0);
}

std::string row_name(const EvalReport& report, const EvalRow& row) {
  const bool weights = differ(report, &EvalRow::weights), kv = differ(report, &EvalRow::kv);
  if (weights && kv) return fmt::format("weights {}, cache {}", row.weights, row.kv);
  return weights ? row.weights : row.kv;
}

bool differs(const PairedChange& change) { return std::abs(change.kld) > Rules::kErrors * change.kld_se; }

std::vector<RankedRow> ranking(const EvalReport& report) {
  std::vector<RankedRow> ranked(report.rows.size());
  for (std::size_t i = 0; i < ranked.size(); ++i) ranked[i].row = i;
  const auto kld = [&](const RankedRow& place) {
    const double value = report.rows[place.row].text.kld_mean;
    return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
  };
  std::ranges::stable_sort(ranked, {}, kld);
  const Changes changes(report);
  for (std::size_t i = 1; i < ranked.size(); ++i) ranked[i].change = changes.find(ranked[i - 1].row, ranked[i].row);
  return ranked;
}

std::vector<BestRow> best_by_size(const EvalReport& report) {
  if (report.rows.size() > kMostCompared) return {};
  std::vector<std::uint64_t> bytes;
  for (const EvalRow& row : report.rows) bytes.push_back(compared_bytes(report, row));
  const auto kld = [&](std::size_t i) { return report.rows[i].text.kld_mean; };
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const auto verdict = judge(report.rows[i], report.settings.scored_tokens);
    if (verdict && *verdict != Verdict::kCollapsed) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return bytes[a] != bytes[b] ? bytes[a] < bytes[b] : kld(a) < kld(b);
  });
  const Changes changes(report);
  std::vector<BestRow> best;
  for (std::size_t n = 0; n < order.size(); ++n) {
    const std::size_t i = order[n];
    if (!best.empty() && kld(i) >= kld(best.back().row)) continue;
    BestRow& entry = best.emplace_back(BestRow{i, bytes[i]});
    for (const std::size_t other : order) {
      if (other != i && bytes[other] <= bytes[i] && !changes.differ(i, other)) entry.ties.push_back(other);
    }
  }
  std::reverse(best.begin(), best.end());
  return best;
}

std::vector<std::string> summary_in_words(const EvalReport& report) {
  std::vector<std::string> words;
  const std::size_t tokens = report.settings.scored_tokens;
  if (report.partial)
    words.push_back(fmt::format("Interrupted: these are the figures of the first {} windows.", report.settings.chunks));
  if (tokens == 0) words.emplace_back("No token was scored, so nothing can be said.");
  if (tokens == 0 || report.rows.empty()) return words;
  if (tokens < Rules::kLeastTokens) {
    words.push_back(fmt::format("{} tokens are too few to call anything indistinguishable; that takes {}.", tokens,
                                std::size_t{Rules::kLeastTokens}));
  } else if (names_of(report, Verdict::kIndistinguishable).empty()) {
    words.push_back(fmt::format("Nothing here is indistinguishable from the base over {} tokens.", tokens));
  }
  say(words, report, Verdict::kIndistinguishable,
      fmt::format("Indistinguishable from the base over {} tokens", tokens));
  say(words, report, Verdict::kClose,
      tokens < Rules::kLeastTokens ? "Close, as far as so few tokens show" : "Close, but measurably different");
  say(words, report, Verdict::kWorse, "Visibly worse");
  say(words, report, Verdict::kCollapsed, "Collapsed");
  say_smallest(words, report, Verdict::kIndistinguishable, "indistinguishable");
  say_smallest(words, report, Verdict::kClose, "close");
  if (const std::string ranked = ranking_in_words(report); report.rows.size() > 1 && !ranked.empty())
    words.push_back(fmt::format("By KL divergence, token by token (< beyond chance, ≈ not): {}.", ranked));
  return words;
}

}  // namespace tq
