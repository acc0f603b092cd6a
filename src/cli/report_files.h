// Where an evaluation's report goes: the options that name files, and the files.
#pragma once

#include <span>
#include <string>

#include "cli/arguments.h"
#include "turboquant/report.h"

namespace tq::cli {

/// `--json`, `--html` and `--markdown`. Empty: not asked for.
struct ReportFiles {
  std::string json, html, markdown;

  void add_to(CommandLine& line);
  /// Before long work: can all of them be written, and goes only one to standard output?
  Result<void> check() const;
  /// `json_text` is what goes to --json.
  Result<void> write(std::span<const EvalReport> reports, const std::string& json_text) const;
  bool to_standard_output() const { return json == "-" || html == "-" || markdown == "-"; }
};

/// A line for a shell that runs `tq COMMAND` with these arguments again, without the options that only name
/// files to write.
std::string rerun_line(std::string_view command, const Arguments& arguments);

}  // namespace tq::cli
