#include "cli/report_files.h"

#include <algorithm>
#include <array>

#include "cli/choices.h"
#include "cli/files.h"

namespace tq::cli {
namespace {

/// What a command line has for its files alone, and not for its figures.
constexpr std::array kOptions = {"--json", "--html", "--markdown", "--resume", "--write-kld-base"};

/// In single quotes where the shell would read it as anything but one word.
std::string shell_word(const std::string& word) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=:,./@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

void ReportFiles::add_to(CommandLine& line, const char* page) {
  add_json_option(line, json);
  line.add(html, {.names = "--html", .help = page, .value = "FILE", .group = kOutputGroup});
}

void ReportFiles::add_markdown_to(CommandLine& line) {
  line.add(markdown, {.names = "--markdown",
                      .help = "write Markdown, for pasting into an issue; - is\nstandard output",
                      .value = "FILE",
                      .group = kOutputGroup});
}

Result<void> ReportFiles::check() const {
  if ((json == "-") + (html == "-") + (markdown == "-") > 1)
    return fail(ErrorCode::kUsage, "only one report can be - (standard output)");
  if (Result<void> writable = check_json_path(json); !writable) return writable;
  if (Result<void> writable = check_report_path(html, {"--html", "an HTML file", "<"}); !writable) return writable;
  return check_report_path(markdown, {"--markdown", "a report in Markdown", "#"});
}

Result<void> ReportFiles::write(const ReportForms& forms) const {
  const std::pair<const std::string&, const std::function<std::string()>&> files[] = {
      {json, forms.json}, {html, forms.html}, {markdown, forms.markdown}};
  for (const auto& [path, form] : files) {
    if (path.empty()) continue;
    if (Result<void> written = write_report(form(), path); !written) return written;
  }
  return {};
}

ReportForms forms_of(std::span<const EvalReport> reports, std::function<std::string()> json) {
  const auto markdown = [reports] {
    std::string text;
    for (const EvalReport& report : reports) text += (text.empty() ? "" : "\n") + to_markdown(report);
    return text;
  };
  return {std::move(json), [reports] { return to_html(reports); }, markdown};
}

std::string rerun_line(std::string_view command, const Arguments& arguments) {
  std::string line = "tq " + std::string(command);
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = arguments[i].substr(0, arguments[i].find('='));
    const bool is_output = std::find(kOptions.begin(), kOptions.end(), name) != kOptions.end();
    if (!is_output) line += " " + shell_word(arguments[i]);
    if (is_output && name == arguments[i]) ++i;  // its value is the next argument
  }
  return line;
}

}  // namespace tq::cli
