// The page and the Markdown: a name in a report is data, whatever it looks like.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "turboquant/report.h"

namespace tq {
namespace {

constexpr const char* kHostile =
    "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)> | `*_[a](b) ]]>\n# x";

EvalReport report(const std::string& name) {
  EvalReport made;
  made.model.name = made.model.architecture = name;
  made.machine.cpu = made.machine.simd = name;
  made.settings.text = made.settings.text_sha256 = made.settings.base = made.settings.path = name;
  made.settings.command = name;
  made.settings.scored_tokens = 1000;
  EvalRow row;
  row.weights = row.kv = name;
  row.text.ppl = 4;
  row.text.ppl_ratio = 1;
  row.text.top1_agreement = 0.5;
  row.text.kld_mean = 0.125;
  made.base = row;
  made.rows = {row};
  return made;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++found;
  return found;
}

/// What stands in the data element.
std::string data_of(const std::string& page) {
  const std::string open = "<script id=\"reports\" type=\"application/json\">";
  const std::size_t from = page.find(open) + open.size();
  return page.substr(from, page.find("</script>", from) - from);
}

TEST(ReportPage, holds_the_reports_as_json_for_others_to_load) {
  const EvalReport reports[] = {report("a"), report("b")};
  const auto json = nlohmann::json::parse(data_of(to_html(reports)));
  EXPECT_EQ(json.at("schema"), "turboquant.report/1");
  ASSERT_EQ(json.at("reports").size(), 2U);
  EXPECT_EQ(json.at("reports")[1], nlohmann::json::parse(to_json(reports[1])));
  EXPECT_EQ(json, nlohmann::json::parse(to_json(reports)));
}

TEST(ReportPage, no_text_of_a_report_leaves_the_data_element) {
  const EvalReport harmless = report("a"), hostile = report(kHostile);
  const std::string page = to_html({&hostile, 1}), other = to_html({&harmless, 1});
  for (const char* markup : {"<script", "</script", "<!--", "<img", "]]>"}) {
    if (std::string(markup) != "]]>") EXPECT_EQ(count(page, markup), count(other, markup)) << markup;
  }
  EXPECT_EQ(nlohmann::json::parse(data_of(page)).at("reports")[0].at("model").at("name"), kHostile);
}

TEST(ReportPage, loads_nothing_from_anywhere) {
  const EvalReport made = report("a");
  const std::string page = to_html({&made, 1});
  for (const char* loader : {" src=", "<link", "@import", "url(", "import("})
    EXPECT_EQ(count(page, loader), 0U) << loader;
  EXPECT_EQ(count(page, "default-src 'none'"), 1U);
  EXPECT_EQ(count(page, "@TQ_REPORTS@"), 0U);
}

TEST(ReportMarkdown, has_the_summary_and_a_line_for_each_row) {
  const EvalReport made = report("tq4");
  const std::string text = to_markdown(made);
  EXPECT_TRUE(text.starts_with("### tq4: what compression costs\n")) << text;
  EXPECT_NE(text.find("- Visibly worse: tq4."), std::string::npos) << text;
  EXPECT_NE(text.find("| tq4 | 0 | tq4 | 0 | worse | 0 | 4.0000"), std::string::npos) << text;
}

TEST(ReportMarkdown, no_text_of_a_report_is_markup) {
  EvalReport made = report(kHostile);
  made.settings.command.clear();  // it stands in a block of code
  const std::string text = to_markdown(made);
  EXPECT_EQ(count(text, "<"), count(text, "\\<"));
  EXPECT_EQ(count(text, "["), count(text, "\\["));
  EXPECT_EQ(text.find("\n# x"), std::string::npos);
  made = report("a");
  made.settings.command = "```\n# x";
  EXPECT_NE(to_markdown(made).find("````\n```\n# x\n````\n"), std::string::npos);
}

}  // namespace
}  // namespace tq
