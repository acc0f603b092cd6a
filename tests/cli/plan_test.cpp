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
  for (const char* option : {"--weights-bpw", "--target-size", "--max-kld", "--calibrate", "--from", "--file",
                             "--kv-bits", "--kv-size", "--kv-classical"})
    EXPECT_NE(page.find(option), std::string::npos) << option;
  const Outcome plan = tq({"plan", "-m", kModel, "--classical", "tq3", "--json", "-"});
  EXPECT_EQ(json::parse(plan.out)["tensors"]["blk.7.attn_q.weight"], "tq4");
}

// Bits of heads of 64 are those of the codes and 0.25 for the scale.
TEST(Plan, ACacheIsMeasuredSolvedAgainAndTaken) {
  const TemporaryFolder folder;
  const std::string path = (folder / "plan.json").string(), small = (folder / "small.json").string();
  const std::string text = (pycoder() / "eval_text.py.txt").string();
  const Outcome planned = tq({"plan", "-m", kModel, "-f", text, "--kv-bits", "2.75", "--kv-candidates", "tq2,tq3",
                              "--window", "32", "--chunks", "1", "--average", "tq3.5", "-o", path});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const json plan = json::parse(read_file(path));
  EXPECT_EQ(plan["cache"].size(), 8U);
  EXPECT_NEAR(plan["cache_bits"].get<double>(), 2.75, 0.07) << "a side of a layer is a 16th";
  EXPECT_LE(plan["cache_bits"].get<double>(), 2.75);
  EXPECT_FALSE(plan["tensors"].empty());

  // 4096 tokens of 8 layers of 2 x 2 heads of 64 at 2.5 bits.
  const std::uint64_t size = 4096ULL * 8 * 256 * 5 / 16;
  const Outcome solved = tq({"plan", "-m", kModel, "--from", path, "--kv-size", std::to_string(size), "-o", small});
  ASSERT_EQ(solved.exit_code, 0) << solved.err;
  const Outcome told = tq({"info", kModel, "--kv", small + "+sink=4," + small, "--json", "-"});
  ASSERT_EQ(told.exit_code, 0) << told.err;
  const json memory = json::parse(told.out)["memory"];
  EXPECT_LE(memory[1]["kv_bytes"].get<std::uint64_t>(), size);
  EXPECT_GT(memory[1]["kv_bytes"].get<std::uint64_t>(), size * 31 / 32 - size / 32);
  EXPECT_GT(memory[0]["kv_bytes"], memory[1]["kv_bytes"]);

  const Outcome judged =
      tq({"eval", "-m", kModel, "-f", text, "-c", "32", "--chunks", "1", "--plan", path, "--json", "-"});
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  const json row = json::parse(judged.out)["rows"][0];
  EXPECT_EQ(json::parse(judged.out)["rows"].size(), 1U);
  EXPECT_EQ(row["kv"], path);
  EXPECT_EQ(row["weights"], path);
  EXPECT_NEAR((row["kv_bits_k"].get<double>() + row["kv_bits_v"].get<double>()) / 2, plan["cache_bits"].get<double>(),
              1e-9);
  const Outcome run = tq({"run", "-m", kModel, "--plan", path, "-p", "def f", "-n", "1", "--json", "-"});
  EXPECT_EQ(json::parse(run.out)["kv"], path) << run.err;
  const Outcome asked =
      tq({"run", "-m", kModel, "--plan", path, "--kv", "tq2.5", "-p", "def f", "-n", "1", "--json", "-"});
  EXPECT_EQ(json::parse(asked.out)["kv"], "tq3:tq2") << asked.err;
}

TEST(Plan, UsageIsOneSentence) {
  const TemporaryFolder folder;
  const std::string text = folder.write("short.txt", "def f():\n");
  const std::string broken = folder.write("broken.json", "{\"schema\":");
  const std::string rule = folder.write("rule.json", R"({"schema":"turboquant.plan/1","model":"m","method":"rule",)"
                                                     R"("tensors":{},"cache":["tq3","tq2"]})");
  const std::string empty =
      folder.write("empty.json", R"({"schema":"turboquant.plan/1","model":"m","method":"","tensors":{}})");
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
      {{"plan", "-m", kModel, "--kv-bits", "3", "--kv-size", "1MiB"}, 2, "give one of --kv-bits"},
      {{"plan", "-m", kModel, "--kv-size", "3 apples"}, 2, "--kv-size"},
      {{"plan", "-m", kModel, "--kv-bits", "3", "--kv-candidates", "tq99"}, 2, "tq99"},
      {{"plan", "-m", kModel, "--from", rule, "--kv-bits", "3"}, 2, "no measurement of the cache"},
      {{"plan", "-m", kModel, "--kv-classical", "tq9"}, 2, "tq10"},
      {{"eval", "-m", kModel, "-f", text, "--plan", rule}, 2, "2 layers"},
      {{"bench", "-m", kModel, "--plan", rule}, 2, "2 layers"},
      {{"needle", "-m", kModel, "--kv", broken}, 3, "broken.json"},
      {{"compare", "-m", kModel, "--kv", empty + "+sink=4"}, 2, "says nothing about the cache"},
      {{"run", "-m", kModel, "--plan", kModel, "-p", "x"}, 2, ".json"},
      {{"quantize", kModel, "--dry-run", "--plan", broken}, 3, "broken.json"},
      {{"quantize", kModel, "--dry-run", "--plan", rule}, 2, "nothing about weights"},
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
