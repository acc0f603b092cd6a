// The report as a table for a terminal: one line for each row, the figures that decide; the JSON has all of them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "turboquant/eval.h"

namespace tq {
namespace {

std::string or_dash(double value, std::string text) { return std::isfinite(value) ? std::move(text) : "-"; }

/// Four significant digits for what is small, as many decimals as a column of KL divergences can be compared by.
std::string divergence(double value) {
  return or_dash(value, value < 0.001 && value > 0 ? fmt::format("{:.1e}", value) : fmt::format("{:.4f}", value));
}

std::string percent(double share) { return or_dash(share, fmt::format("{:.2f}", 100 * share)); }

std::string speed(double per_second) { return or_dash(per_second, fmt::format("{:.0f}", per_second)); }

/// "16", "4.25", "4.25:2.25".
std::string bits(const EvalRow& row) {
  const auto text = [](double value) { return fmt::format("{:.4g}", value); };
  return row.kv_bits_k == row.kv_bits_v ? text(row.kv_bits_k) : text(row.kv_bits_k) + ":" + text(row.kv_bits_v);
}

std::string kibibytes(std::uint64_t bytes) { return fmt::format("{:.0f}", static_cast<double>(bytes) / 1024); }

struct Column {
  const char* title;
  std::string (*cell)(const EvalRow& row);
};

constexpr Column kColumns[] = {
    {"bits", bits},
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

/// Letters as a terminal counts them: bytes that continue a UTF-8 character take no column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(const std::string& text, std::size_t width, bool to_the_right) {
  const std::string spaces(width - std::min(width, width_of(text)), ' ');
  return to_the_right ? spaces + text : text + spaces;
}

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
  std::vector<std::size_t> widths(lines[0].size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  std::string table;
  const std::size_t first_number = show_weights ? 3 : 1;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) text += padded(line[i], widths[i], i >= first_number) + "  ";
    text.erase(text.find_last_not_of(' ') + 1);
    table += text + "\n";
  }
  const auto& settings = report.settings;
  return table +
         fmt::format(
             "\nbase: weights {}, cache {}, perplexity {:.4f}; {} tokens of {} scored in {} windows of {} through {};\n"
             "token and missed: {} tokens that the base said itself; {}, {} kernels, {} threads\n",
             report.base.weights, settings.base, report.base.text.ppl, settings.scored_tokens, settings.text,
             settings.chunks, settings.context, settings.path, settings.continuation_tokens, report.machine.cpu,
             report.machine.simd, report.machine.threads);
}

}  // namespace tq
