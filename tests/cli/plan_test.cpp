// Plans from the command line: what is written is what the other commands take.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "support/shared_data.h"

namespace tq::test {
namespace {

using nlohmann::json;

const std::string kModel = (pycoder() / "pycoder.f16.gguf").string();

TEST(Plan, AnAverageIsWrittenAndTaken) {
  const TemporaryFolder folder;
  const std::string path = (folder / "plan.json").string();
  const Outcome planned = tq({"plan", "-m", kModel, "--average", "tt2.5", "-o", path});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const json plan = json::parse(read_file(path));
  EXPECT_EQ(plan["schema"], "turboquant.plan/1");
  EXPECT_EQ(plan["tensors"]["blk.0.attn_v.weight"], "tt3");
  EXPECT_EQ(plan["tensors"]["blk.0.attn_q.weight"], "tt2");
  for (const std::vector<std::string>& way : {std::vector<std::string>{"--plan", path}, {"--type", "tt2.5"}}) {
    std::vector<std::string> arguments = {"quantize", kModel, "--dry-run", "--json", "-"};
    arguments.insert(arguments.end(), way.begin(), way.end());
    const Outcome sized = tq(arguments);
    ASSERT_EQ(sized.exit_code, 0) << sized.err;
    EXPECT_NEAR(json::parse(sized.out)["bpw_linear"].get<double>(), 2.53, 0.03) << way.front();
  }
}

TEST(Plan, TheHelpHasTheContractsOptions) {
  const std::string page = tq({"plan", "--help"}).out;
  for (const char* option : {"--weights-bpw", "--target-size", "--max-kld", "--calibrate", "--from", "--file"})
    EXPECT_NE(page.find(option), std::string::npos) << option;
  const Outcome plan = tq({"plan", "-m", kModel, "--classical", "tq3", "--json", "-"});
  EXPECT_EQ(json::parse(plan.out)["tensors"]["blk.7.attn_q.weight"], "tq4");
}

TEST(Plan, UsageIsOneSentence) {
  const TemporaryFolder folder;
  const std::string text = folder.write("short.txt", "def f():\n");
  const std::string broken = folder.write("broken.json", "{\"schema\":");
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{"plan", "-m", kModel}, 2, "--weights-bpw"},
      {{"plan", "-m", kModel, "--weights-bpw", "3", "--max-kld", "1"}, 2, "give one"},
      {{"plan", "-m", kModel, "--average", "tt5.5"}, 2, "tt5.5"},
      {{"plan", "-m", kModel, "--weights-bpw", "3", "-o", "plan.txt"}, 2, ".json"},
      {{"plan", "-m", kModel, "--target-size", "3 apples", "--from", broken}, 3, "broken.json"},
      {{"eval", "-m", kModel, "--plan", broken}, 3, "broken.json"},
      {{"run", "-m", kModel, "--plan", kModel, "-p", "x"}, 2, ".json"},
      {{"quantize", kModel, "--dry-run", "--plan", broken}, 3, "broken.json"},
      {{"quantize", kModel, "--dry-run", "--type", "tt3", "--calibrate", text}, 2, "short.txt"},
      {{"quantize", kModel, "--dry-run", "--type", "tt3", "--calibrate", "/nowhere/text"}, 1, "/nowhere/text"},
  };
  for (const Case& one : cases) {
    const Outcome outcome = tq(one.arguments);
    EXPECT_EQ(outcome.exit_code, one.exit_code) << one.says << ": " << outcome.err;
    EXPECT_NE(outcome.err.find(one.says), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

}  // namespace
}  // namespace tq::test
