// A comparison as JSON, schema turboquant.compare/1, as a table and as a page.
#include <fmt/format.h>

#include <algorithm>

#include "eval/report_page.h"
#include "eval/report_writer.h"
#include "eval/text_table.h"
#include "turboquant/compare.h"

namespace tq {
namespace {

using eval::Json, eval::finite;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const CompareRow& row) {
  const EvalRow& level = row.level;
  Json json = eval::row_head(level);
  json.update({{"text", row.text},
               {"tokens", row.tokens},
               {"first_divergence", or_null(row.first_divergence)},
               {"token_accuracy", finite(level.continuation.token_accuracy)},
               {"missed_divergence", finite(level.continuation.missed_divergence)},
               {"base_token_ppl", finite(level.continuation.base_token_ppl)},
               {"parses", or_null(row.parses)},
               {"prefill_tps", finite(level.prefill_tps)},
               {"decode_tps", finite(level.decode_tps)},
               {"seconds", finite(level.seconds)}});
  return json;
}

std::string same_for(const CompareReport& report, const CompareRow& row) {
  if (row.first_divergence) return fmt::format("{}", *row.first_divergence);
  return &row == &report.base ? "" : "all";
}

}  // namespace

std::string to_json(const CompareReport& report) {
  Json json = eval::report_head("turboquant.compare/1", report.model, report.machine);
  json["settings"] = {{"prompt_tokens", report.prompt_tokens},
                      {"wanted_tokens", report.wanted_tokens},
                      {"seed", report.seed},
                      {"command", report.command}};
  json["prompt"] = report.prompt;
  json["base"] = to_json(report.base);
  json["rows"] = Json::array();
  for (const CompareRow& row : report.rows) json["rows"].push_back(to_json(row));
  return eval::text_of(json);
}

std::string to_table(const CompareReport& report) {
  std::vector<const CompareRow*> rows = {&report.base};
  for (const CompareRow& row : report.rows) rows.push_back(&row);
  const bool looked_at = std::ranges::any_of(rows, [](const CompareRow* row) { return row->parses.has_value(); });
  std::vector<std::vector<std::string>> lines = {
      {"weights", "cache", "bpw", "bits", "KV KiB", "same for", "token %", "missed", "t/s"}};
  if (looked_at) lines[0].emplace_back("parses");
  for (const CompareRow* row : rows) {
    const EvalRow& level = row->level;
    const double missed = level.continuation.missed_divergence;
    lines.push_back({level.weights, level.kv, fmt::format("{:.3g}", level.weights_bpw_linear), eval::cache_bits(level),
                     eval::kibibytes(level.kv_bytes), same_for(report, *row),
                     eval::percent(level.continuation.token_accuracy),
                     eval::or_dash(missed, fmt::format("{:.3f}", missed)), eval::speed(level.decode_tps)});
    if (looked_at) lines.back().emplace_back(!row->parses ? "-" : *row->parses ? "yes" : "no");
  }
  return eval::text_table(lines, 2) +
         fmt::format(
             "\nfirst line: the base, which wrote {} tokens after {} of the prompt; same for: its tokens before the "
             "first other one;\ntoken and missed: on the base's own tokens; {}, {} kernels, {} threads\n",
             report.base.tokens.size(), report.prompt_tokens, report.machine.cpu, report.machine.simd,
             report.machine.threads);
}

std::string to_html(const CompareReport& report) { return eval::page_of("comparisons", to_json(report)); }

}  // namespace tq
