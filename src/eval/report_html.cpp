// The report page. web/ is its source; the built page is part of the program, and the figures are put into it.
#include <fmt/format.h>

#include <cassert>
#include <string>

#include "eval/report_page.h"
#include "turboquant/report.h"

// The assembler reads the file itself.
// clang-format off
asm(".pushsection .rodata\n"
    ".global tq_report_page, tq_report_page_end\n"
    ".hidden tq_report_page, tq_report_page_end\n"
    "tq_report_page:\n"
    ".incbin \"" TQ_REPORT_PAGE "\"\n"
    "tq_report_page_end:\n"
    ".byte 0\n"
    ".popsection\n");
// clang-format on
extern "C" const char tq_report_page[], tq_report_page_end[];

namespace tq {
namespace {

/// Where the page has its data element, which the browser does not run.
constexpr std::string_view kPlace = "@TQ_REPORTS@";

/// Within a data element only `<` could end it or open a comment; JSON has it in strings alone.
void append_escaped(std::string& page, std::string_view json) {
  for (const char c : json) {
    if (c == '<') {
      page += "\\u003c";
    } else {
      page += c;
    }
  }
}

}  // namespace

std::string eval::page_of(std::string_view json) {
  const std::string_view built(tq_report_page, static_cast<std::size_t>(tq_report_page_end - tq_report_page));
  const std::size_t place = built.find(kPlace);
  assert(place != built.npos);
  std::string page(built.substr(0, place));
  append_escaped(page, json);
  page += built.substr(place + kPlace.size());
  return page;
}

std::string eval::page_of(std::string_view list, std::string_view report) {
  return page_of(fmt::format(R"({{"schema": "turboquant.report/1", "reports": [], "{}": [
{}
]}})",
                             list, report));
}

std::string to_html(std::span<const EvalReport> reports) { return eval::page_of(to_json(reports)); }

}  // namespace tq
