// tq report: evaluations of several machines, models or texts in one page.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/files.h"
#include "cli/printable.h"
#include "cli/report_files.h"

namespace tq::cli {
namespace {

Result<std::vector<EvalReport>> read_reports(const std::vector<std::string>& paths) {
  std::vector<EvalReport> reports;
  for (const std::string& path : paths) {
    Result<std::string> json = read_text(path);
    if (!json) return fail(std::move(json));
    Result<EvalReport> report = read_report(*json, path == "-" ? "standard input" : path);
    if (!report) return fail(std::move(report));
    reports.push_back(std::move(*report));
  }
  return reports;
}

/// The names in a report come from wherever the file comes from.
void print_tables(const std::vector<EvalReport>& reports) {
  for (const EvalReport& report : reports) {
    if (&report != reports.data()) fmt::print("\n");
    fmt::print("{}:\n", one_line(report.model.name));
    fmt::print("{}", printable(to_table(report)));
  }
}

}  // namespace

Result<void> report_command(const Arguments& arguments) {
  CommandLine line({.name = "report",
                    .summary = "what 'tq eval --json' wrote for several machines, models or texts, in one page",
                    .usage = "FILE... [options]",
                    .examples = {"laptop.json server.json --html report.html", "out.json --markdown -"}});
  std::vector<std::string> paths;
  ReportFiles files;
  line.add(paths, {.names = "reports", .group = kHidden});
  files.add_to(line, kPlotsPage);
  files.add_markdown_to(line);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (paths.empty()) return fail(ErrorCode::kUsage, "name the reports that 'tq eval --json' wrote");
  if (Result<void> writable = files.check(); !writable) return writable;

  const Result<std::vector<EvalReport>> reports = read_reports(paths);
  if (!reports) return std::unexpected(reports.error());
  if (!files.to_standard_output()) print_tables(*reports);
  return files.write(forms_of(*reports, [&] { return to_json(*reports); }));
}

}  // namespace tq::cli
