// Tasks in words, as JSON (schema turboquant.tasks/1), as a table, as Markdown and as a page.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "eval/markdown.h"
#include "eval/report_page.h"
#include "eval/report_writer.h"
#include "eval/text_table.h"
#include "turboquant/report.h"
#include "turboquant/tasks.h"

namespace tq {
namespace {

using eval::Json, eval::finite, eval::or_dash, eval::percent;

/// Below it a split of lost and gained items is called a difference. Of a table of ten equal rows, one in ten tables
/// has a row that falls below it.
constexpr double kDifference = 0.01;

std::string level_name(const TaskReport& report, const TaskRow& row) {
  const bool weights = std::ranges::any_of(
      report.rows, [&](const TaskRow& other) { return other.level.weights != report.base_row.level.weights; });
  return weights ? fmt::format("weights {}, cache {}", row.level.weights, row.level.kv) : row.level.kv;
}

std::string p_value(double p) { return or_dash(p, p < 0.001 ? fmt::format("{:.0e}", p) : fmt::format("{:.3f}", p)); }

void describe_base(const TaskReport::TaskFacts& task, const TaskScore& base, std::vector<std::string>& sentences) {
  const std::string chance = task.chance > 0 ? fmt::format("; by chance {}", percent(task.chance)) : "";
  sentences.push_back(fmt::format("{}: the base is right in {} ± {} % of {} items{}.", task.name,
                                  percent(base.acc.share), percent(base.acc.se), task.items, chance));
  if (task.chance > 0 && !(base.acc.share - 2 * base.acc.se > task.chance))
    sentences.push_back(
        "The base is not better than chance here, so that its answers cannot show what is lost; the change of ln p "
        "still "
        "can.");
}

void compare_rows(const TaskReport& report, std::size_t index, std::vector<std::string>& sentences) {
  const std::string& task = report.tasks[index].name;
  std::vector<std::string> same, worse, better;
  for (const TaskRow& row : report.rows) {
    const TaskAccuracy& acc = row.scores[index].acc;
    const std::string name = level_name(report, row);
    if (!(acc.p_value < kDifference)) {
      same.push_back(name);
      continue;
    }
    std::vector<std::string>& group = acc.lost > acc.gained ? worse : better;
    group.push_back(fmt::format("{} ({} lost, {} gained, p = {})", name, acc.lost, acc.gained, p_value(acc.p_value)));
  }
  if (!worse.empty()) sentences.push_back(fmt::format("{}: worse than the base: {}.", task, fmt::join(worse, ", ")));
  if (!better.empty()) sentences.push_back(fmt::format("{}: better than the base: {}.", task, fmt::join(better, ", ")));
  if (!same.empty())
    sentences.push_back(
        fmt::format("{}: no difference seen at this number of items (p ≥ 0.01): {}.", task, fmt::join(same, ", ")));
}

/// Means of fewer items are not normal enough for three standard errors to be rare.
constexpr std::size_t kLeastItems = 30;

/// ln p sees what answers do not yet show.
void compare_likelihoods(const TaskReport& report, std::size_t index, std::vector<std::string>& sentences) {
  if (report.tasks[index].items < kLeastItems) return;
  std::vector<std::string> less, more;
  for (const TaskRow& row : report.rows) {
    const TaskScore& score = row.scores[index];
    if (!(std::abs(score.ll_change) > VerdictRules::kErrors * score.ll_change_se)) continue;
    std::vector<std::string>& group = score.ll_change < 0 ? less : more;
    group.push_back(fmt::format("{} ({:+.2g} ± {:.1g})", level_name(report, row), score.ll_change, score.ll_change_se));
  }
  for (const auto& [group, word] : {std::pair(&less, "less"), std::pair(&more, "more")}) {
    if (group->empty()) continue;
    sentences.push_back(fmt::format("{}: the right answers became {} likely beyond chance (change of ln p): {}.",
                                    report.tasks[index].name, word, fmt::join(*group, ", ")));
  }
}

void add_accuracy(Json& json, const std::string& key, const TaskAccuracy& accuracy) {
  const bool known = !std::isnan(accuracy.share);
  json[key] = finite(accuracy.share);
  json[key + "_se"] = finite(accuracy.se);
  json[key + "_lost"] = known ? Json(accuracy.lost) : Json(nullptr);
  json[key + "_gained"] = known ? Json(accuracy.gained) : Json(nullptr);
  json[key + "_p"] = finite(accuracy.p_value);
}

Json to_json(const TaskReport& report, const TaskRow& row) {
  const EvalRow& level = row.level;
  Json json = eval::row_head(level);
  json.erase("peak_rss_bytes");  // rows run side by side: nobody's own
  json.update({{"weights_bpw", finite(level.weights_bpw)},
               {"prefill_tps", finite(level.prefill_tps)},
               {"seconds", finite(level.seconds)},
               {"scores", Json::array()}});
  for (std::size_t t = 0; t < row.scores.size(); ++t) {
    const TaskScore& score = row.scores[t];
    Json entry = {{"task", report.tasks[t].name}};
    add_accuracy(entry, "acc", score.acc);
    add_accuracy(entry, "acc_norm", score.acc_norm);
    add_accuracy(entry, "acc_bytes", score.acc_bytes);
    entry["perplexity"] = finite(score.perplexity);
    entry["perplexity_se"] = finite(score.perplexity_se);
    entry["ll_change"] = finite(score.ll_change);
    entry["ll_change_se"] = finite(score.ll_change_se);
    json["scores"].push_back(std::move(entry));
  }
  return json;
}

/// The title line and one for the base and each row, of one task.
std::vector<std::vector<std::string>> lines_of(const TaskReport& report, std::size_t index) {
  const std::string& name = report.tasks[index].name;
  const bool lengths = !std::isnan(report.base_row.scores[index].acc_norm.share), last_word = name == "lambada";
  std::vector<std::vector<std::string>> lines = {{name, "bits", "KV KiB", "acc %", "± se", "lost", "gained", "p"}};
  if (lengths) lines[0].insert(lines[0].end(), {"norm %", "lost", "gained", "p", "byte %"});
  if (last_word) lines[0].insert(lines[0].end(), {"ppl", "± se"});
  lines[0].insert(lines[0].end(), {"Δ ln p", "± se"});
  std::vector<const TaskRow*> rows = {&report.base_row};
  for (const TaskRow& row : report.rows) rows.push_back(&row);
  for (const TaskRow* row : rows) {
    const TaskScore& score = row->scores[index];
    std::vector<std::string>& line = lines.emplace_back();
    const auto number = [&](double value, const char* format) {
      line.push_back(or_dash(value, fmt::format(fmt::runtime(format), value)));
    };
    const auto pairs = [&](const TaskAccuracy& accuracy) {
      const bool is_base = row == &report.base_row;
      line.push_back(is_base ? "" : fmt::format("{}", accuracy.lost));
      line.push_back(is_base ? "" : fmt::format("{}", accuracy.gained));
      line.push_back(is_base ? "" : p_value(accuracy.p_value));
    };
    line = {row == &report.base_row ? "base" : level_name(report, *row), eval::cache_bits(row->level),
            eval::kibibytes(row->level.kv_bytes), percent(score.acc.share), percent(score.acc.se)};
    pairs(score.acc);
    if (lengths) {
      line.push_back(percent(score.acc_norm.share));
      pairs(score.acc_norm);
      line.push_back(percent(score.acc_bytes.share));
    }
    if (last_word) {
      number(score.perplexity, "{:.4g}");
      number(score.perplexity_se, "{:.2g}");
    }
    number(score.ll_change, "{:.4f}");
    number(score.ll_change_se, "{:.4f}");
  }
  return lines;
}

std::string origin(const TaskReport& report) {
  std::string text;
  for (const TaskReport::TaskFacts& task : report.tasks)
    text += fmt::format("{}: {} items of {}{}; ", task.name, task.items, task.path,
                        task.shortened > 0 ? fmt::format(", {} with a shortened context", task.shortened) : "");
  return text + fmt::format("base: weights {}, cache {}; {}, {} kernels, {} threads", report.base_row.level.weights,
                            report.base, report.machine.cpu, report.machine.simd, report.machine.threads);
}

}  // namespace

std::vector<std::string> summary_in_words(const TaskReport& report) {
  std::vector<std::string> sentences;
  if (report.partial) sentences.emplace_back("Stopped early: the figures are of the items that were complete.");
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    describe_base(report.tasks[t], report.base_row.scores[t], sentences);
    compare_rows(report, t, sentences);
    compare_likelihoods(report, t, sentences);
  }
  return sentences;
}

std::string to_json(const TaskReport& report) {
  Json json;
  json["schema"] = "turboquant.tasks/1";
  json["model"] = {{"name", report.model.name},
                   {"architecture", report.model.architecture},
                   {"parameters", report.model.parameters},
                   {"file_bytes", report.model.file_bytes}};
  json["machine"] = {{"cpu", report.machine.cpu}, {"simd", report.machine.simd}, {"threads", report.machine.threads}};
  Json tasks = Json::array();
  for (const TaskReport::TaskFacts& task : report.tasks)
    tasks.push_back({{"name", task.name},
                     {"file", task.path},
                     {"sha256", task.sha256},
                     {"items", task.items},
                     {"answer_tokens", task.tokens},
                     {"shortened", task.shortened},
                     {"chance", task.chance}});
  json["settings"] = {{"tasks", tasks},
                      {"base", report.base},
                      {"context", report.context},
                      {"seed", report.seed},
                      {"command", report.command}};
  json["partial"] = report.partial;
  json["summary"] = summary_in_words(report);
  json["base"] = to_json(report, report.base_row);
  json["rows"] = Json::array();
  for (const TaskRow& row : report.rows) json["rows"].push_back(to_json(report, row));
  return eval::text_of(json);
}

std::string to_table(const TaskReport& report) {
  std::string text;
  for (std::size_t t = 0; t < report.tasks.size(); ++t) text += eval::text_table(lines_of(report, t), 1) + "\n";
  text += origin(report) + "\n";
  for (const std::string& sentence : summary_in_words(report)) text += "- " + sentence + "\n";
  return text;
}

std::string to_markdown(const TaskReport& report) {
  using eval::escaped_markdown;
  std::string text = fmt::format("### {}: tasks\n\n", escaped_markdown(report.model.name));
  for (const std::string& sentence : summary_in_words(report)) text += "- " + escaped_markdown(sentence) + "\n";
  for (std::size_t t = 0; t < report.tasks.size(); ++t) {
    const auto lines = lines_of(report, t);
    text += "\n";
    for (const auto& line : lines) {
      for (const std::string& cell : line) text += "| " + escaped_markdown(cell) + " ";
      text += "|\n";
      if (&line != &lines.front()) continue;
      for (const std::string& title : line) text += &title == &line.front() ? "|---" : "|--:";
      text += "|\n";
    }
  }
  text += "\n" + escaped_markdown(origin(report)) + "\n";
  if (!report.command.empty()) text += "\n" + eval::markdown_code(report.command);
  return text;
}

std::string to_html(const TaskReport& report) { return eval::page_of("tasks", to_json(report)); }

}  // namespace tq
