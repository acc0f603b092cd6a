#include "cli/eval_tasks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"

namespace tq::cli {

void TasksChoice::add_to(CommandLine& line) {
  line.add(files, {.names = "--task",
                   .help = "NAME=FILE: the JSONL of lambada, hellaswag, piqa,\narc-easy or winogrande, scored by the "
                           "likelihood of\nits answers; FILE alone has lines of our own layout\n(docs/evaluation.md); "
                           "may be given several times",
                   .value = "TASK",
                   .group = kScoringGroup});
  line.add(limit, {.names = "--limit",
                   .help = "items of each task, from its beginning (default:\nall)",
                   .value = "N",
                   .group = kScoringGroup,
                   .check = whole_number(0, 1 << 30)});
}

Result<void> TasksChoice::check(const CommandLine& line) const {
  if (!asked()) {
    return line.was_given("--limit") ? fail(ErrorCode::kUsage, "--limit counts items of a task; --task names one")
                                     : Result<void>{};
  }
  for (const char* option :
       {"--file", "--chunks", "--decode", "--layers", "--max-kld", "--resume", "--write-kld-base", "--read-kld-base"}) {
    if (line.was_given(option))
      return fail(ErrorCode::kUsage,
                  fmt::format("{} is for the evaluation on a text and does not go with --task", option));
  }
  return {};
}

Result<std::vector<Task>> TasksChoice::read() const {
  const std::vector<std::string> names = task_names();
  std::vector<Task> tasks;
  for (const std::string& item : files) {
    const std::size_t equals = item.find('=');
    const std::string before = item.substr(0, equals);
    const bool named = equals != item.npos && std::ranges::find(names, before) != names.end();
    if (equals == item.npos && std::ranges::find(names, item) != names.end())
      return fail(ErrorCode::kUsage, fmt::format("--task {0}: its file is missing, as in --task {0}=FILE", item));
    if (equals != item.npos && !named && before.find('/') == before.npos && before.find('.') == before.npos)
      return fail(ErrorCode::kUsage,
                  fmt::format("--task {}: there is no task '{}'; there are {}", item, before, fmt::join(names, ", ")));
    const std::string path = named ? item.substr(equals + 1) : item;
    const Result<std::string> text = read_text(path);
    if (!text) return std::unexpected(text.error());
    Result<Task> task = parse_task(named ? before : "choices", *text, path == "-" ? "standard input" : path, limit);
    if (!task) return std::unexpected(task.error());
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

Result<void> evaluate_tasks(const TasksChoice& choice, const ModelChoice& model, TaskOptions options,
                            const ReportFiles& files, const std::string& command) {
  const Result<std::vector<Task>> tasks = choice.read();
  if (!tasks) return std::unexpected(tasks.error());
  const auto file = model.open();
  if (!file) return std::unexpected(file.error());
  const auto tokenizer = model.open_tokenizer(**file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<AutomaticCache> chosen = choose_caches(options.kv, *file);
  if (!chosen) return std::unexpected(chosen.error());
  Result<TaskReport> report = [&] {
    ProgressBar bar("tasks");
    return run_tasks(*file, **tokenizer, *tasks, options, [&](std::uint64_t done, std::uint64_t total) {
      bar.update(done, total);
      return !interrupted();
    });
  }();
  if (!report) return std::unexpected(report.error());
  report->command = command;
  for (TaskRow& row : report->rows) chosen->note_in(row.level);
  if (!files.to_standard_output()) fmt::print("{}", to_table(*report));
  const ReportForms forms = {[&] { return to_json(*report); }, [&] { return to_html(*report); },
                             [&] { return to_markdown(*report); }};
  if (Result<void> written = files.write(forms); !written) return written;
  if (!report->partial) return {};
  return fail(ErrorCode::kInterrupted, "interrupted; the figures are of the items that were complete");
}

}  // namespace tq::cli
