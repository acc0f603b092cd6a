// The report as Markdown, for pasting into an issue. Names come from files: everything that Markdown or HTML would take
// for markup is escaped.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "eval/layer_report.h"
#include "eval/markdown.h"
#include "eval/row_pairs.h"
#include "turboquant/report.h"

namespace tq {
namespace eval {

std::string escaped_markdown(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool markup = std::string_view("\\`*_{}[]<>()#!|~&@").find(c) != std::string_view::npos;
    if (markup) result += '\\';
    result += (c >= 0 && c < 0x20) || c == 0x7F ? ' ' : c;
  }
  return result;
}

std::string markdown_code(std::string_view text) {
  std::size_t longest = 2, run = 0;
  for (const char c : text) longest = std::max(longest, run = c == '`' ? run + 1 : 0);
  const std::string fence(longest + 1, '`');
  return fmt::format("{}\n{}\n{}\n", fence, text, fence);
}

}  // namespace eval

namespace {

constexpr auto escaped = eval::escaped_markdown;

std::string number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "–";
}

std::string with_error(double value, double error, const char* format) {
  return std::isfinite(error) ? number(value, format) + " ± " + number(error, "{:.2g}") : number(value, format);
}

std::string bits(const EvalRow& row) {
  const std::string k = number(row.kv_bits_k, "{:.4g}");
  return row.kv_bits_k == row.kv_bits_v ? k : k + ":" + number(row.kv_bits_v, "{:.4g}");
}

std::string line_of(const EvalReport& report, const EvalRow& row) {
  const std::optional<Verdict> verdict = judge(row, report.settings.scored_tokens);
  return fmt::format(
      "| {} | {} | {} | {} | {} | {:.0f} | {} | {} | {} | {} | {} | {} |\n", escaped(row.weights),
      number(row.weights_bpw_linear, "{:.3g}"), escaped(row.kv), bits(row), verdict ? verdict_name(*verdict) : "–",
      static_cast<double>(compared_bytes(report, row)) / 1024, with_error(row.text.ppl, row.text.ppl_se, "{:.4f}"),
      with_error(row.text.ppl_ratio, row.text.ppl_ratio_se, "{:.4f}"),
      with_error(row.text.kld_mean, row.text.kld_mean_se, "{:.3g}"), number(row.text.kld_p999, "{:.3g}"),
      number(100 * row.text.top1_agreement, "{:.2f}"), number(100 * row.continuation.token_accuracy, "{:.2f}"));
}

/// A table of lines, the titles first, and a note below; nothing of no lines.
std::string table_of(const std::vector<std::vector<std::string>>& lines, std::string_view note) {
  std::string text;
  for (const std::vector<std::string>& line : lines) {
    const bool titles = text.empty();
    text += titles ? "\n|" : "|";
    for (const std::string& cell : line) text += " " + escaped(cell) + " |";
    text += "\n";
    if (!titles) continue;
    text += "|---|";
    for (std::size_t i = 1; i < line.size(); ++i) text += "--:|";
    text += "\n";
  }
  return text.empty() ? text : fmt::format("{}\n{}.\n", text, note);
}

}  // namespace

std::string to_markdown(const EvalReport& report) {
  std::string text = fmt::format("### {}: what compression costs\n\n", escaped(report.model.name));
  for (const std::string& sentence : summary_in_words(report)) text += "- " + escaped(sentence) + "\n";
  text +=
      "\n| weights | bpw | cache | bits | verdict | KiB | ppl | ratio to base | KLD mean | KLD 99.9 % | top-1 % | "
      "token % |\n|---|--:|---|--:|---|--:|--:|--:|--:|--:|--:|--:|\n";
  for (const EvalRow& row : report.rows) text += line_of(report, row);
  text += table_of(eval::ranking_lines(report), eval::kRankingNote);
  text += table_of(eval::layer_lines(report), fmt::format("Layers: {}", eval::kLayerNote));
  const auto& settings = report.settings;
  text += fmt::format(
      "\nBase: weights {}, cache {}, perplexity {}. {} tokens scored in {} windows of {} through {}; text: {} (SHA-256 "
      "{}). {}, {} kernels, {} threads.\n",
      escaped(report.base.weights), escaped(settings.base), number(report.base.text.ppl, "{:.4f}"),
      settings.scored_tokens, settings.chunks, settings.context, escaped(settings.path), escaped(settings.text),
      escaped(settings.text_sha256), escaped(report.machine.cpu), escaped(report.machine.simd), report.machine.threads);
  if (!settings.command.empty()) text += "\n" + eval::markdown_code(settings.command);
  return text;
}

}  // namespace tq
