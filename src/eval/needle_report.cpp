// Retrieval in words, as JSON (schema turboquant.needle/1), as a table and as a page.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "eval/report_page.h"
#include "eval/report_writer.h"
#include "eval/text_table.h"
#include "turboquant/needle.h"

namespace tq {
namespace {

using eval::Json, eval::finite;

/// The cells of one task, or of one task and length.
std::vector<const NeedleCell*> cells_of(const NeedleRow& row, NeedleTask task, std::size_t length = 0) {
  std::vector<const NeedleCell*> found;
  for (const NeedleCell& cell : row.cells) {
    if (cell.task == task && (length == 0 || cell.length == length)) found.push_back(&cell);
  }
  return found;
}

double mean(const std::vector<const NeedleCell*>& cells, double NeedleCell::*figure) {
  double sum = 0;
  for (const NeedleCell* cell : cells) sum += cell->*figure;
  return sum / static_cast<double>(cells.size());
}

std::string level_name(const NeedleReport& report, const NeedleRow& row) {
  const bool weights = std::ranges::any_of(
      report.rows, [&](const NeedleRow& other) { return other.level.weights != report.base.level.weights; });
  return weights ? fmt::format("weights {}, cache {}", row.level.weights, row.level.kv) : row.level.kv;
}

std::string task_title(NeedleTask task) { return task == NeedleTask::kPassKey ? "Pass key" : "Pairs"; }

std::string whole_percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

void describe_base(const NeedleReport& report, NeedleTask task, std::vector<std::string>& sentences) {
  std::vector<std::string> shares, blind;
  for (const std::size_t length : report.lengths) {
    const double first = mean(cells_of(report.base, task, length), &NeedleCell::first);
    shares.push_back(fmt::format("{} of the trials at {} tokens", whole_percent(first), length));
    if (first < 0.5) blind.push_back(fmt::format("{}", length));
  }
  sentences.push_back(fmt::format(
      "{}: the base gives the right one of {} answers the most probability in {} (by chance in {}).", task_title(task),
      report.candidates, fmt::join(shares, ", "), whole_percent(1 / static_cast<double>(report.candidates))));
  if (!blind.empty())
    sentences.push_back(
        fmt::format("At {} tokens the base itself is right in fewer than half of the trials: there this "
                    "model cannot show what a cache loses.",
                    fmt::join(blind, " and ")));
}

/// By the sign test on the trials in which level and base differ, at two standard errors.
void compare_levels(const NeedleReport& report, std::size_t task_index, std::vector<std::string>& sentences) {
  const std::size_t trials = report.lengths.size() * report.depths * report.trials;
  std::vector<std::string> same, worse;
  for (const NeedleRow& row : report.rows) {
    std::size_t lost = 0, gained = 0;
    for (std::size_t i = task_index * trials; i < (task_index + 1) * trials; ++i) {
      lost += report.base.right[i] && !row.right[i] ? 1 : 0;
      gained += row.right[i] && !report.base.right[i] ? 1 : 0;
    }
    const double difference = static_cast<double>(lost) - static_cast<double>(gained);
    const bool seen = difference > 2 * std::sqrt(static_cast<double>(lost + gained));
    if (seen)
      worse.push_back(fmt::format("{} ({} lost, {} gained)", level_name(report, row), lost, gained));
    else
      same.push_back(level_name(report, row));
  }
  const std::string title = task_title(report.tasks[task_index]);
  if (!same.empty())
    sentences.push_back(fmt::format("{}: no loss seen in {} trials: {}.", title, trials, fmt::join(same, ", ")));
  if (!worse.empty())
    sentences.push_back(
        fmt::format("{}: worse than the base, of {} trials: {}.", title, trials, fmt::join(worse, ", ")));
}

Json to_json(const NeedleRow& row) {
  const EvalRow& level = row.level;
  Json json = eval::row_head(level);
  json["prefill_tps"] = finite(level.prefill_tps);
  json["seconds"] = finite(level.seconds);
  json["cells"] = Json::array();
  for (const NeedleCell& cell : row.cells) {
    json["cells"].push_back({{"task", needle_task_name(cell.task)},
                             {"length", cell.length},
                             {"depth", cell.depth},
                             {"first", finite(cell.first)},
                             {"rank", finite(cell.rank)},
                             {"probability", finite(cell.probability)},
                             {"exact", finite(cell.exact)}});
  }
  return json;
}

}  // namespace

std::vector<std::string> summary_in_words(const NeedleReport& report) {
  std::vector<std::string> sentences;
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    describe_base(report, report.tasks[t], sentences);
    compare_levels(report, t, sentences);
  }
  return sentences;
}

std::string to_json(const NeedleReport& report) {
  Json json = eval::report_head("turboquant.needle/1", report.model, report.machine);
  Json tasks = Json::array();
  for (const NeedleTask task : report.tasks) tasks.push_back(needle_task_name(task));
  json["settings"] = {{"text", report.text},
                      {"style", report.style == NeedleStyle::kCode ? "code" : "prose"},
                      {"tasks", tasks},
                      {"lengths", report.lengths},
                      {"depths", report.depths},
                      {"trials", report.trials},
                      {"candidates", report.candidates},
                      {"seed", report.seed},
                      {"command", report.command}};
  json["summary"] = summary_in_words(report);
  json["base"] = to_json(report.base);
  json["rows"] = Json::array();
  for (const NeedleRow& row : report.rows) json["rows"].push_back(to_json(row));
  return eval::text_of(json);
}

std::string to_table(const NeedleReport& report) {
  std::string text;
  for (const NeedleTask task : report.tasks) {
    std::vector<std::vector<std::string>> lines = {{needle_task_name(task), "bits", "KV KiB"}};
    for (const std::size_t length : report.lengths) lines[0].push_back(fmt::format("{}", length));
    lines[0].insert(lines[0].end(), {"probability", "rank", "exact"});
    std::vector<const NeedleRow*> rows = {&report.base};
    for (const NeedleRow& row : report.rows) rows.push_back(&row);
    for (const NeedleRow* row : rows) {
      lines.push_back({row == &report.base ? "base" : level_name(report, *row), eval::cache_bits(row->level),
                       eval::kibibytes(row->level.kv_bytes)});
      for (const std::size_t length : report.lengths)
        lines.back().push_back(eval::percent(mean(cells_of(*row, task, length), &NeedleCell::first)));
      const auto cells = cells_of(*row, task);
      lines.back().push_back(eval::percent(mean(cells, &NeedleCell::probability)));
      lines.back().push_back(fmt::format("{:.2f}", mean(cells, &NeedleCell::rank)));
      lines.back().push_back(eval::percent(mean(cells, &NeedleCell::exact)));
    }
    text += eval::text_table(lines, 1) + "\n";
  }
  text += fmt::format(
      "by length in tokens: % of {} trials ({} depths) in which the right answer of {} is the most probable (chance "
      "{:.1f});\n"
      "probability % and rank of the right answer; exact: % in which it is also what the model would say\n",
      report.depths * report.trials, report.depths, report.candidates, 100 / static_cast<double>(report.candidates));
  for (const std::string& sentence : summary_in_words(report)) text += "- " + sentence + "\n";
  return text;
}

std::string to_html(const NeedleReport& report) { return eval::page_of("retrievals", to_json(report)); }

}  // namespace tq
