// tq needle: is what stands far back still read through a compressed cache?
#include "turboquant/needle.h"

#include <fmt/format.h>

#include <charconv>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/report_files.h"

namespace tq::cli {
namespace {

constexpr const char* kMapsPage =
    "write a page with a map of lengths and depths, one\nfile that needs no network; - is standard output";

struct NeedleChoice {
  ModelChoice model;
  CacheChoice cache;
  WeightsChoice weights;
  PlanFileChoice plan;
  EngineChoice engine;
  TextChoice text;
  std::string lengths, task, style;
  ReportFiles report;
  NeedleOptions options;
};

void add_options(CommandLine& line, NeedleChoice& choice) {
  choice.model.add_to(line);
  choice.text.add_to(line, "the text to hide facts in");
  line.add(choice.style, {.names = "--style",
                          .help = "how facts are written: prose (default with -f) or\ncode (default without)",
                          .value = "STYLE",
                          .group = kInputGroup});
  line.add(choice.task,
           {.names = "--task",
            .help = "passkey (one fact), pairs (one of eight), or both,\nseparated by a comma (default both)",
            .value = "LIST",
            .group = kScoringGroup});
  line.add(choice.lengths,
           {.names = "-c,--lengths",
            .help = "tokens of whole prompts, separated by commas\n(default 512,1024,… up to what the model was "
                    "trained\nfor)",
            .value = "LIST",
            .group = kScoringGroup});
  line.add(choice.options.depths, {.names = "--depths",
                                   .help = "places of the fact from beginning to end (default 5)",
                                   .value = "N",
                                   .group = kScoringGroup,
                                   .check = whole_number(1, 1000)});
  line.add(choice.options.trials, {.names = "--trials",
                                   .help = "of each length and depth (default 2)",
                                   .value = "N",
                                   .group = kScoringGroup,
                                   .check = whole_number(1, 1000)});
  line.add(choice.options.seed, {.names = "-s,--seed",
                                 .help = "seed of numbers, places and rotations (default 1)",
                                 .value = "N",
                                 .group = kScoringGroup,
                                 .check = whole_number(0, INT64_MAX)});
  choice.weights.add_to(line);
  choice.plan.add_to(line);
  choice.cache.add_to(line, "cache specs, separated by commas\n(default f16,q4_0,tq4,tq3,tq2)");
  line.add(choice.options.base_kv, {.names = "--base",
                                    .help = "cache of the base, whose weights are the file's\n(default f32)",
                                    .value = "SPEC",
                                    .group = kCompressionGroup});
  choice.engine.add_to(line);
  choice.report.add_to(line, kMapsPage);
}

Result<void> read_tasks(NeedleChoice& choice) {
  NeedleOptions& options = choice.options;
  if (choice.style.empty()) choice.style = choice.text.file.empty() ? "code" : "prose";
  if (choice.style != "code" && choice.style != "prose")
    return fail(ErrorCode::kUsage, fmt::format("--style is code or prose, not '{}'", choice.style));
  options.style = choice.style == "code" ? NeedleStyle::kCode : NeedleStyle::kProse;
  if (!choice.task.empty()) {
    options.tasks.clear();
    const Result<std::vector<std::string>> names = split_list(choice.task, "--task");
    if (!names) return std::unexpected(names.error());
    for (const std::string& name : *names) {
      const bool pairs = name == needle_task_name(NeedleTask::kPairs);
      if (!pairs && name != needle_task_name(NeedleTask::kPassKey))
        return fail(ErrorCode::kUsage, fmt::format("--task: there are passkey and pairs, not '{}'", name));
      options.tasks.push_back(pairs ? NeedleTask::kPairs : NeedleTask::kPassKey);
    }
  }
  if (choice.lengths.empty()) return {};
  const Result<std::vector<std::string>> lengths = split_list(choice.lengths, "--lengths");
  if (!lengths) return std::unexpected(lengths.error());
  for (const std::string& item : *lengths) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), length);
    if (error != std::errc() || end != item.data() + item.size() || length == 0 || length > (1U << 30))
      return fail(ErrorCode::kUsage, fmt::format("--lengths: '{}' is no number of tokens", item));
    options.lengths.push_back(length);
  }
  return {};
}

Result<void> complete_options(NeedleChoice& choice) {
  if (Result<void> read = read_tasks(choice); !read) return read;
  Result<std::vector<std::string>> weights = choice.weights.names();
  if (!weights) return std::unexpected(weights.error());
  choice.options.weights = std::move(*weights);
  Result<std::vector<std::string>> kv =
      choice.cache.names(choice.weights.list.empty() ? "f16,q4_0,tq4,tq3,tq2" : "f16");
  if (!kv) return std::unexpected(kv.error());
  choice.options.kv = std::move(*kv);
  Result<void> added = choice.plan.add_levels(choice.weights, choice.options.weights, choice.cache, choice.options.kv);
  if (!added) return added;
  choice.options.threads = choice.engine.thread_count();
  return choice.report.check();
}

Result<NeedleReport> run_search(NeedleChoice& choice) {
  const Result<std::string> text = choice.text.read();
  if (!text) return std::unexpected(text.error());
  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  const auto tokenizer = choice.model.open_tokenizer(**file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<AutomaticCache> chosen = choose_caches(choice.options.kv, *file);
  if (!chosen) return std::unexpected(chosen.error());
  choice.text.explain();
  ProgressBar bar("needle");
  Result<NeedleReport> report = find_needles(*file, **tokenizer, *text, choice.text.name(), choice.options,
                                             [&](std::uint64_t done, std::uint64_t total) {
                                               bar.update(done, total);
                                               return !interrupted();
                                             });
  if (!report) return report;
  for (NeedleRow& row : report->rows) chosen->note_in(row.level);
  return report;
}

}  // namespace

Result<void> needle_command(const Arguments& arguments) {
  CommandLine line({.name = "needle",
                    .summary = "facts hidden in long texts, and whether they are still found",
                    .usage = "[-m MODEL -f TEXT] [options]",
                    .examples = {"--kv f16,q4_0,tq4,tq3,tq2 --html needle.html",
                                 "-m model.gguf -f novel.txt -c 4096,16384 --kv tq4,tq3",
                                 "--task pairs -c 1024 --depths 9 --trials 10 --kv tq2"}});
  NeedleChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  choice.engine.explain();
  if (Result<void> completed = complete_options(choice); !completed) return completed;
  Result<NeedleReport> report = run_search(choice);
  if (!report) return std::unexpected(report.error());
  report->command = rerun_line("needle", arguments);
  if (!choice.report.to_standard_output()) fmt::print("{}", to_table(*report));
  return choice.report.write({[&] { return to_json(*report); }, [&] { return to_html(*report); }});
}

}  // namespace tq::cli
