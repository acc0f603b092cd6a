// A report of tq eval, as tq report reads it: what is read can be written in every form, and read again.
#include "base/bytes.h"
#include "check.h"
#include "turboquant/report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  const auto report = read_report(as_text(std::as_bytes(std::span(data, size))), "input");
  if (!report) {
    fuzz::check_error(report.error(), "input");
    return 0;
  }
  const std::string json = to_json(*report);
  const auto again = read_report(json, "again");
  fuzz::require(again.has_value() && to_json(*again) == json);
  const std::string page = to_html({&*report, 1});
  const std::size_t from = page.find("application/json\">") + 18;
  fuzz::require(page.substr(from, page.find("</script", from) - from).find('<') == std::string::npos);
  fuzz::require(!to_markdown(*report).empty());
  return 0;
}
