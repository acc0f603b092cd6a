// tq eval on tasks, with base files, and in several sittings.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/process.h"

namespace tq::cli {
namespace {

using nlohmann::json;
using test::Outcome;
using test::read_file;
using test::TemporaryFolder;
using test::tq;

constexpr const char* kItem = R"({"goal":"add a and b","sol1":"return a + b","sol2":"import os","label":0})";

TEST(EvalTasks, RowsAnswerSideBySideInEveryForm) {
  const TemporaryFolder folder;
  const std::string file = folder.write("piqa.jsonl", std::string(kItem) + "\n" + kItem + "\n");
  const std::string path = (folder / "tasks.json").string();
  const Outcome outcome = tq({"eval", "--task", "piqa=" + file, "--task",
                              folder.write("own.jsonl", R"({"context":"x =","choices":[" 1"," def"],"answer":0})"),
                              "--kv", "f16,tq2", "--limit", "1", "--json", path, "--markdown",
                              (folder / "t.md").string(), "--html", (folder / "t.html").string()});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(read_file(path));
  EXPECT_EQ(report["schema"], "turboquant.tasks/1");
  ASSERT_EQ(report["rows"].size(), 2U);
  ASSERT_EQ(report["rows"][1]["scores"].size(), 2U);
  EXPECT_EQ(report["rows"][1]["kv"], "tq2");
  EXPECT_EQ(report["rows"][1]["scores"][1]["task"], "choices");
  EXPECT_EQ(report["settings"]["tasks"][0]["items"], 1) << "--limit";
  EXPECT_NE(outcome.out.find("norm %"), std::string::npos) << outcome.out;
  EXPECT_TRUE(read_file(folder / "t.md").starts_with("### "));
  EXPECT_NE(read_file(folder / "t.html").find("turboquant.tasks/1"), std::string::npos);
}

TEST(EvalTasks, WhatCannotBeAskedForIsOneSentence) {
  const TemporaryFolder folder;
  const std::string file = folder.write("piqa.jsonl", std::string(kItem) + "\n{\"goal\":1}\n");
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    const char* words;
  };
  const Case cases[] = {{{"--task", "piqa=" + file}, 3, "piqa.jsonl, line 2: its field 'goal' is no text"},
                        {{"--task", "piqa"}, 2, "--task piqa=FILE"},
                        {{"--task", "mmlu=" + file}, 2, "there is no task 'mmlu'"},
                        {{"--task", "piqa=/nonexistent"}, 1, "/nonexistent"},
                        {{"--task", "piqa=" + file, "-f", file}, 2, "--file"},
                        {{"--task", "piqa=" + file, "--decode"}, 2, "--decode"},
                        {{"--task", "piqa=" + file, "--layers"}, 2, "--layers"},
                        {{"--limit", "3"}, 2, "--limit"},
                        {{"--resume", file}, 2, "--resume would overwrite"},
                        {{"--write-kld-base", file}, 2, "--write-kld-base would overwrite"},
                        {{"--read-kld-base", file}, 3, "does not begin as a base file"},
                        {{"--read-kld-base", "x", "-c", "64"}, 2, "--ctx-size"},
                        {{"--resume", "x", "--write-kld-base", "y"}, 2, "in one go"}};
  for (const Case& wrong : cases) {
    std::vector<std::string> arguments = {"eval"};
    arguments.insert(arguments.end(), wrong.arguments.begin(), wrong.arguments.end());
    const Outcome outcome = tq(arguments);
    EXPECT_EQ(outcome.exit_code, wrong.exit_code) << outcome.err;
    EXPECT_NE(outcome.err.find(wrong.words), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(EvalResume, TheSameCommandGoesOnAfterCtrlC) {
  const TemporaryFolder folder;
  const std::string kept = (folder / "kept").string(), path = (folder / "report.json").string();
  const std::vector<std::string> arguments = {"eval", "-c", "32",       "--chunks", "2",      "--kv", "tq4",
                                              "-t",   "1",  "--resume", kept,       "--json", path};
  // The first report of work done is that of the base's first continuation, and there are seven more.
  const Outcome stopped = test::tq_interrupted(arguments, "built-in text", SIGINT);
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_NE(stopped.err.find("--resume"), std::string::npos) << "it says how to go on: " << stopped.err;
  ASSERT_TRUE(std::filesystem::exists(kept));
  const Outcome resumed = tq(arguments);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const json report = json::parse(read_file(path));
  EXPECT_FALSE(report["partial"].get<bool>());
  EXPECT_EQ(report["settings"]["chunks"], 2);
  EXPECT_EQ(report["settings"]["command"], "tq eval -c 32 --chunks 2 --kv tq4 -t 1") << "files are no figures";
  EXPECT_EQ(tq({"eval", "-c", "32", "--chunks", "2", "--kv", "tq3", "--resume", kept}).exit_code, 2);
}

}  // namespace
}  // namespace tq::cli
