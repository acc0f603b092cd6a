// The report as a table for a terminal: one line for each row, the figures that decide; the JSON has all of them.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "eval/layer_report.h"
#include "eval/row_pairs.h"
#include "eval/text_table.h"
#include "turboquant/eval.h"

namespace tq {
namespace {

using eval::kibibytes, eval::or_dash, eval::percent, eval::speed, eval::text_table;

/// Four significant digits for what is small, as many decimals as a column of KL divergences can be compared by.
std::string divergence(double value) {
  return or_dash(value, value < 0.001 && value > 0 ? fmt::format("{:.1e}", value) : fmt::format("{:.4f}", value));
}

struct Column {
  const char* title;
  std::string (*cell)(const EvalRow& row);
};

constexpr Column kColumns[] = {
    {"bits", eval::cache_bits},
    {"KV KiB", [](const EvalRow& row) { return kibibytes(row.kv_bytes); }},
    {"ppl", [](const EvalRow& row) { return or_dash(row.text.ppl, fmt::format("{:.4f}", row.text.ppl)); }},
    {"± se", [](const EvalRow& row) { return or_dash(row.text.ppl_se, fmt::format("{:.2f}", row.text.ppl_se)); }},
    {"KLD mean", [](const EvalRow& row) { return divergence(row.text.kld_mean); }},
    {"± se", [](const EvalRow& row) { return divergence(row.text.kld_mean_se); }},
    {"99.9 %", [](const EvalRow& row) { return divergence(row.text.kld_p999); }},
    {"top-1 %", [](const EvalRow& row) { return percent(row.text.top1_agreement); }},
    {"token %", [](const EvalRow& row) { return percent(row.continuation.token_accuracy); }},
    {"missed",
     [](const EvalRow& row) {
       return or_dash(row.continuation.missed_divergence, fmt::format("{:.3f}", row.continuation.missed_divergence));
     }},
    {"t/s", [](const EvalRow& row) { return speed(row.decode_tps); }},
};

}  // namespace

std::string to_table(const EvalReport& report) {
  const bool show_weights = std::any_of(report.rows.begin(), report.rows.end(),
                                        [&](const EvalRow& row) { return row.weights != report.base.weights; });
  std::vector<std::vector<std::string>> lines(1);
  if (show_weights) lines[0].insert(lines[0].end(), {"weights", "bpw"});
  lines[0].emplace_back("cache");
  for (const Column& column : kColumns) lines[0].emplace_back(column.title);
  for (const EvalRow& row : report.rows) {
    std::vector<std::string>& line = lines.emplace_back();
    if (show_weights) line.insert(line.end(), {row.weights, fmt::format("{:.3g}", row.weights_bpw_linear)});
    line.push_back(row.kv);
    for (const Column& column : kColumns) line.push_back(column.cell(row));
  }
  std::string table = text_table(lines, show_weights ? 3 : 1);
  if (const auto layers = eval::layer_lines(report); !layers.empty())
    table += "\n" + text_table(layers, 1) + eval::kLayerNote + "\n";
  if (const auto ranked = eval::ranking_lines(report); !ranked.empty())
    table += "\n" + text_table(ranked, 1) + eval::kRankingNote + "\n";
  const auto& settings = report.settings;
  return table +
         fmt::format(
             "\nbase: weights {}, cache {}, perplexity {:.4f}; {} tokens of {} scored in {} windows of {} through {};\n"
             "token and missed: {} tokens that the base said itself; noise floor of KLD: {}; {}, {} kernels, {} "
             "threads\n",
             report.base.weights, settings.base, report.base.text.ppl, settings.scored_tokens, settings.text,
             settings.chunks, settings.context, settings.path, settings.continuation_tokens,
             report.noise_floor.kld_mean == 0 ? "0" : divergence(report.noise_floor.kld_mean), report.machine.cpu,
             report.machine.simd, report.machine.threads);
}

}  // namespace tq
