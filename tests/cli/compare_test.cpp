// tq compare and tq needle as a user runs them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "cli/python_check.h"

namespace tq::cli {
namespace {

using nlohmann::json;
using test::Outcome;
using test::read_file;
using test::TemporaryFolder;
using test::tq;

TEST(Compare, TextsTableJsonAndPageOfOneRunAgree) {
  const TemporaryFolder folder;
  const std::string path = (folder / "compare.json").string(), page = (folder / "page.html").string();
  const Outcome outcome =
      tq({"compare", "-p", "def add(a, b):\n", "-n", "8", "--kv", "f32,tq1", "--json", path, "--html", page});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(read_file(path));
  EXPECT_EQ(report["rows"][0]["first_divergence"], nullptr);
  EXPECT_EQ(report["rows"][0]["text"], report["base"]["text"]);
  EXPECT_EQ(report["settings"]["command"], "tq compare -p 'def add(a, b):\n' -n 8 --kv f32,tq1");
  EXPECT_NE(outcome.out.find("== base\n" + report["base"]["text"].get<std::string>()), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("cache f32: the same text"), std::string::npos) << outcome.out;
  EXPECT_NE(read_file(page).find("turboquant.compare/1"), std::string::npos);
  EXPECT_TRUE(read_file(page).starts_with("<!doctype html>"));
}

TEST(Compare, TheBuiltInTaskFitsTheContextAndEndsWhereABodyBegins) {
  const Outcome outcome = tq({"compare", "-n", "4", "-c", "300", "--kv", "tq4", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_LE(report["settings"]["prompt_tokens"].get<int>(), 296);
  EXPECT_TRUE(report["prompt"].get<std::string>().ends_with("\"\"\"\n"));
  EXPECT_EQ(tq({"compare", "-n", "4", "-c", "20"}).exit_code, 2) << "no function fits in 16 tokens";
  EXPECT_EQ(tq({"compare", "-p", "a", "-f", "b"}).exit_code, 2);
  EXPECT_EQ(tq({"compare", "-p", "a", "--json", "-", "--html", "-"}).exit_code, 2);
}

TEST(Needle, TableJsonAndPageOfOneRunAgree) {
  const TemporaryFolder folder;
  const std::string path = (folder / "needle.json").string(), page = (folder / "page.html").string();
  const Outcome outcome = tq({"needle", "-c", "64", "--depths", "1", "--trials", "1", "--task", "passkey", "--kv",
                              "tq4", "--json", path, "--html", page});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(read_file(path));
  EXPECT_EQ(report["settings"]["style"], "code") << "as the built-in text is";
  EXPECT_EQ(report["settings"]["command"], "tq needle -c 64 --depths 1 --trials 1 --task passkey --kv tq4");
  EXPECT_EQ(report["rows"][0]["cells"].size(), 1U);
  for (const json& sentence : report["summary"])
    EXPECT_NE(outcome.out.find("- " + sentence.get<std::string>() + "\n"), std::string::npos) << outcome.out;
  EXPECT_NE(read_file(page).find("turboquant.needle/1"), std::string::npos);
}

TEST(Needle, WhatIsMistypedIsNamed) {
  const std::pair<std::vector<std::string>, const char*> commands[] = {
      {{"needle", "--style", "verse"}, "verse"},
      {{"needle", "--task", "passkey,hay"}, "hay"},
      {{"needle", "-c", "512,x"}, "'x'"},
      {{"needle", "-c", "99999999999999999999"}, "9999"}};
  for (const auto& [arguments, word] : commands) {
    const Outcome outcome = tq(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(word), std::string::npos) << outcome.err;
  }
}

bool has_python() { return std::system("command -v python3 >/dev/null 2>&1") == 0; }

TEST(PythonCheck, AFunctionIsJudgedUpToItsEndAndNothingIsRun) {
  if (!has_python()) GTEST_SKIP() << "there is no python3 here to judge Python with";
  const TemporaryFolder folder;
  const std::string trap = (folder / "made").string();
  const std::vector<std::string> texts = {"    return a\n",
                                          "    return (a\n",
                                          "    return a\n\ndef broken(:\n",  // begins after the function has ended
                                          "    return a\n    b = [1,",       // cut in its last line
                                          "return a\n",
                                          "",
                                          "    open('" + trap + "', 'w')\n",
                                          std::string(100000, '(')};
  const auto parses = python_parses("import os\nx = 1\ndef f(a):\n", texts);
  ASSERT_TRUE(parses.has_value()) << parses.error().message;
  EXPECT_EQ(*parses, (std::vector<bool>{true, false, true, true, false, false, true, false}));
  EXPECT_EQ(folder.count_files(), 0U);
}

TEST(PythonCheck, WithoutPythonItSaysSo) {
  const Outcome outcome =
      tq({"compare", "-p", "a", "-n", "1", "--kv", "f32", "--check-python"}, {.environment = {"PATH=/nonexistent"}});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("python3"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace tq::cli
