// Where an evaluation's report goes: the options that name files, and the files.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "cli/arguments.h"
#include "turboquant/report.h"

namespace tq::cli {

/// A report in each of its forms, made where somebody asks for it.
struct ReportForms {
  std::function<std::string()> json, html, markdown = {};
};

/// `--json`, `--html` and, where a report has that form, `--markdown`. Empty: not asked for.
struct ReportFiles {
  std::string json, html, markdown;

  /// `page` is the help of --html.
  void add_to(CommandLine& line, const char* page);
  void add_markdown_to(CommandLine& line);
  /// Before long work: can all of them be written, and goes only one to standard output?
  Result<void> check() const;
  Result<void> write(const ReportForms& forms) const;
  bool to_standard_output() const { return json == "-" || html == "-" || markdown == "-"; }
};

/// The help of --html for evaluations, and their forms; `json` is what goes to --json.
inline constexpr const char* kPlotsPage =
    "write a page with plots, one file that needs no\nnetwork; - is standard output";
ReportForms forms_of(std::span<const EvalReport> reports, std::function<std::string()> json);

/// A line for a shell that runs `tq COMMAND` with these arguments again, without the options that only name
/// files to write.
std::string rerun_line(std::string_view command, const Arguments& arguments);

}  // namespace tq::cli
