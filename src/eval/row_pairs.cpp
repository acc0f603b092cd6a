#include "eval/row_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/statistics.h"
#include "eval/text_table.h"

namespace tq::eval {
namespace {

/// All pairs of more rows than this would be more figures than anyone reads, and most of the report.
constexpr std::size_t kMostPairedRows = 64;

std::vector<RowPair> neighbours_of(std::span<const Comparison* const> rows) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double kld = mean_of(rows[i]->kld()).value;
    order.emplace_back(std::isfinite(kld) ? kld : std::numeric_limits<double>::infinity(), i);
  }
  std::ranges::sort(order);
  std::vector<RowPair> pairs;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto [from, to] = std::minmax(order[i - 1].second, order[i].second);
    pairs.push_back({from, to, change_between(*rows[from], *rows[to])});
  }
  std::ranges::sort(pairs, {}, [](const RowPair& pair) { return std::pair(pair.from, pair.to); });
  return pairs;
}

std::string signed_number(double value) {
  if (value == 0) return "0";
  return or_dash(value, std::abs(value) < 0.001 ? fmt::format("{:+.1e}", value) : fmt::format("{:+.4f}", value));
}

std::string error(double value) {
  if (value == 0) return "0";
  return or_dash(value, value < 0.001 ? fmt::format("{:.0e}", value) : fmt::format("{:.4f}", value));
}

}  // namespace

std::vector<RowPair> pairs_of(std::span<const Comparison* const> rows) {
  if (rows.size() > kMostPairedRows) return neighbours_of(rows);
  std::vector<RowPair> pairs;
  for (std::size_t from = 0; from < rows.size(); ++from) {
    for (std::size_t to = from + 1; to < rows.size(); ++to)
      pairs.push_back({from, to, change_between(*rows[from], *rows[to])});
  }
  return pairs;
}

std::vector<std::vector<std::string>> ranking_lines(const EvalReport& report) {
  if (report.rows.size() < 2 || report.pairs.empty()) return {};
  std::vector<std::vector<std::string>> lines = {
      {"ranked by KLD", "Δ KLD", "± se", "Δ ln ppl", "± se", "beyond chance"}};
  for (const RankedRow& place : ranking(report)) {
    std::vector<std::string>& line = lines.emplace_back(lines.front().size());
    line[0] = row_name(report, report.rows[place.row]);
    if (!place.change) continue;
    const PairedChange& change = *place.change;
    line = {std::move(line[0]),        signed_number(change.kld), error(change.kld_se),
            signed_number(change.nll), error(change.nll_se),      differs(change) ? "yes" : "no"};
  }
  return lines;
}

}  // namespace tq::eval
