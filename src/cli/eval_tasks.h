// tq eval --task: tasks in place of a text.
#pragma once

#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/choices.h"
#include "cli/report_files.h"
#include "turboquant/tasks.h"

namespace tq::cli {

/// `--task` and `--limit`.
struct TasksChoice {
  std::vector<std::string> files;
  std::size_t limit = 0;

  void add_to(CommandLine& line);
  bool asked() const { return !files.empty(); }
  /// kUsage, naming it, where an option was given that only the evaluation on a text knows.
  Result<void> check(const CommandLine& line) const;
  /// Every file, as `NAME=FILE` or FILE.
  Result<std::vector<Task>> read() const;
};

/// Runs the tasks and writes the report.
Result<void> evaluate_tasks(const TasksChoice& choice, const ModelChoice& model, TaskOptions options,
                            const ReportFiles& files, const std::string& command);

}  // namespace tq::cli
