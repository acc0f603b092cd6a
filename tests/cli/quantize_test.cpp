// Compressed files from the command line: what scripts read, what is refused, and what a killed run leaves.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "support/shared_data.h"

namespace tq::test {
namespace {

using nlohmann::json;

const std::string kModel = (pycoder() / "pycoder.f16.gguf").string();

/// A file of tq4 weights, written once.
const std::string& coded_file() {
  static const TemporaryFolder folder;
  static const std::string path = [] {
    const std::string written = (folder / "coded.gguf").string();
    EXPECT_EQ(tq({"quantize", kModel, written, "--type", "tq4"}).exit_code, 0);
    return written;
  }();
  return path;
}

TEST(Quantize, TheJsonHasTheContractsFields) {
  const TemporaryFolder folder;
  const std::string path = (folder / "out.gguf").string();
  const Outcome outcome = tq({"quantize", kModel, path, "--type", "tq2", "--tensor-type", "attn_v=tq5", "--tensor-type",
                              R"(blk\.0\.attn_v=keep)", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  for (const char* field : {"bpw", "bpw_linear", "input_bytes", "output_bytes", "seconds", "tensors"})
    EXPECT_TRUE(report.contains(field)) << field;
  EXPECT_EQ(report["output_bytes"], read_file(path).size());
  EXPECT_EQ(report["input_bytes"], read_file(kModel).size());
  for (const json& tensor : report["tensors"]) {
    for (const char* field : {"name", "type", "bits", "relative_error"}) EXPECT_TRUE(tensor.contains(field)) << field;
    if (tensor["name"] == "blk.0.attn_v.weight") EXPECT_EQ(tensor["type"], "f16");
    if (tensor["name"] == "blk.1.attn_v.weight") EXPECT_EQ(tensor["type"], "tq5");
    if (tensor["name"] == "blk.1.attn_q.weight") EXPECT_EQ(tensor["type"], "tq2");
  }
}

TEST(Quantize, TheOtherCommandsTakeTheFile) {
  const std::vector<std::string> rest = {"-p", "def add(a, b):\n", "-n", "12", "--temp", "0"};
  std::vector<std::string> from_file = {"run", "-m", coded_file()}, on_load = {"run", "--weights", "tq4"};
  from_file.insert(from_file.end(), rest.begin(), rest.end());
  on_load.insert(on_load.end(), rest.begin(), rest.end());
  const Outcome text = tq(from_file);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.out, tq(on_load).out);

  const Outcome info = tq({"info", coded_file(), "--tensors", "--json", "-"});
  ASSERT_EQ(info.exit_code, 0) << info.err;
  const json report = json::parse(info.out);
  EXPECT_LT(report["bpw_linear"].get<double>(), 4.2);
  for (const json& tensor : report["tensors"]) {
    if (tensor["name"] == "blk.0.ffn_up.weight") {
      EXPECT_EQ(tensor["type"], "tq4");
      EXPECT_DOUBLE_EQ(tensor["bits"].get<double>(), 4 + 16.0 / 512) << "a scale of f16 for each row of 512";
    }
  }
  const Outcome verified = tq({"verify", coded_file()});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
}

TEST(Quantize, EvalComparesTheFileWithTheOriginal) {
  const Outcome outcome = tq({"eval", "-m", kModel, "-c", "64", "--chunks", "1", "--weights", coded_file() + ",tq4",
                              "--kv", "f32", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json rows = json::parse(outcome.out)["rows"];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_GT(rows[0]["kld_mean"].get<double>(), 0);
  EXPECT_EQ(rows[0]["kld_mean"], rows[1]["kld_mean"]) << "the file and compressing on load";
}

TEST(Quantize, TensorTypesCountOnLoadToo) {
  const Outcome outcome =
      tq({"eval", "-m", kModel, "-c", "64", "--chunks", "1", "--weights", "file,tq4,tq3", "--kv", "f32",
          "--tensor-type", "token_embd=tq6", "--tensor-type", "ffn_down=tq5", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json rows = json::parse(outcome.out)["rows"];
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["weights"], "f16") << "the file's own weights stay as they are";
  EXPECT_EQ(rows[1]["weights"], "tq4+token_embd=tq6+ffn_down=tq5");
  EXPECT_EQ(rows[2]["weights"], "tq3+token_embd=tq6+ffn_down=tq5");
  EXPECT_LT(rows[1]["weights_bytes"].get<std::size_t>(), 12000000U) << "19.8 million weights, of tq6 and less";
  const std::vector<std::string> by_option = {
      "run", "-p", "import", "-n", "8", "--temp", "0", "--weights", "tq4", "--tensor-type", "token_embd=tq6"};
  const std::vector<std::string> by_name = {
      "run", "-p", "import", "-n", "8", "--temp", "0", "--weights", "tq4+token_embd=tq6"};
  const Outcome option = tq(by_option);
  EXPECT_EQ(option.exit_code, 0) << option.err;
  EXPECT_EQ(option.out, tq(by_name).out);
}

TEST(Quantize, ADryRunWritesNothing) {
  const TemporaryFolder folder;
  const Outcome outcome = tq({"quantize", kModel, (folder / "out.gguf").string(), "--type", "q4_k", "--dry-run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("blk.0.ffn_down.weight"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("nothing was written"), std::string::npos) << outcome.out;
  EXPECT_EQ(folder.count_files(), 0U);
}

TEST(Quantize, ATargetIsMetOrRefused) {
  const std::string text = (pycoder() / "eval_text.py.txt").string();
  const auto report = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"quantize", kModel, "--dry-run", "--json", "-"});
    const Outcome outcome = tq(more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return json::parse(outcome.out);
  };
  EXPECT_NEAR(report({"--target-bpw", "3.2"})["bpw_linear"].get<double>(), 3.2, 0.03);
  EXPECT_NEAR(report({"--target-size", "10MiB"})["output_bytes"].get<double>(), 10 << 20, 100000);
  EXPECT_LE(report({"--target-size", "10MiB"})["output_bytes"].get<std::size_t>(), std::size_t{10} << 20);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--target-bpw", "2"},
                                             {"--target-size", "5MiB"},
                                             {"--target-size", "5 apples"},
                                             {"--target-bpw", "3", "--type", "tt3"},
                                             {"--target-bpw", "3", "--candidates", "tt2.5"},
                                             {"--type", "tt3", "-f", text},
                                             {"--target-bpw", "2", "-f", text}}) {
    std::vector<std::string> all = {"quantize", kModel, "--dry-run"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome outcome = tq(all);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST(Quantize, UsageIsOneSentence) {
  const TemporaryFolder folder;
  const std::string out = (folder / "out.gguf").string(), there = folder.write("there.gguf", "x");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"quantize"},
                                             {"quantize", kModel},
                                             {"quantize", kModel, out},
                                             {"quantize", kModel, out, "--type", "tq44"},
                                             {"quantize", kModel, out, "--type", "tq4", "--tensor-type", "no-equals"},
                                             {"quantize", kModel, out, "--type", "tq4", "--tensor-type", "(=tq4"},
                                             {"quantize", kModel, there, "--type", "tq4"},
                                             {"export", kModel, out, "--type", "tq4"},
                                             {"verify"}}) {
    const Outcome outcome = tq(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(folder.count_files(), 1U);
  EXPECT_EQ(tq({"quantize", kModel, there, "--type", "tq4", "--force"}).exit_code, 0);
}

TEST(Verify, OneFlippedByteOfTheWeights) {
  const TemporaryFolder folder;
  std::string bytes = read_file(coded_file());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  const std::string path = folder.write("flipped.gguf", bytes);
  const Outcome verified = tq({"verify", path});
  EXPECT_EQ(verified.exit_code, 3) << verified.err;
  EXPECT_EQ(std::count(verified.out.begin(), verified.out.end(), '\n'), 1) << verified.out;
  const Outcome run = tq({"run", "-m", path, "-p", "x", "-n", "1"});
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
}

TEST(Verify, AFileThatIsCutOffAnywhere) {
  const TemporaryFolder folder;
  const std::string bytes = read_file(coded_file());
  for (const std::size_t size : {bytes.size() - 65, bytes.size() / 2, bytes.size() / 100}) {
    const Outcome outcome = tq({"verify", folder.write("cut.gguf", bytes.substr(0, size))});
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST(Export, OtherProgramsGetAPlainFile) {
  const TemporaryFolder folder;
  const std::string path = (folder / "plain.gguf").string();
  ASSERT_EQ(tq({"export", coded_file(), path, "--type", "q8_0"}).exit_code, 0);
  const std::string bytes = read_file(path);
  EXPECT_EQ(bytes.find("turboquant."), std::string::npos);
  EXPECT_NE(bytes.find("blk.0.ffn_up.weight"), std::string::npos);
  EXPECT_EQ(tq({"verify", path}).exit_code, 0);
}

// Whenever the signal comes, the name stands for the old bytes or for the whole new file; the first one comes while
// the file is surely being written, the last perhaps after the end.
TEST(Quantize, AKilledRunLeavesTheOldFileOrTheNewOne) {
  const std::string old = "the old file";
  std::size_t killed = 0;
  for (const int wait_ms : {0, 5, 20, 60, 150, 400, 1000, 2500}) {
    const TemporaryFolder folder;
    const std::string path = folder.write("out.gguf", old);
    const Outcome outcome = tq_killed({"quantize", kModel, path, "--type", "tt2", "--force"}, path + ".part", wait_ms);
    killed += outcome.signal == SIGKILL ? 1 : 0;
    const std::string left = read_file(path);
    if (left == old) continue;
    EXPECT_EQ(tq({"verify", path}).exit_code, 0) << "after " << wait_ms << " ms";
  }
  EXPECT_GE(killed, 1U) << "no signal came in time";
}

TEST(Quantize, AKilledRunGoesOnAndGivesTheSameFile) {
  const TemporaryFolder folder;
  const std::string path = (folder / "out.gguf").string(), whole = (folder / "whole.gguf").string();
  EXPECT_EQ(tq_killed({"quantize", kModel, path, "--type", "tt2"}, path + ".part", 300).signal, SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(path));
  const Outcome other = tq({"quantize", kModel, path, "--type", "tt3", "--resume"});
  EXPECT_EQ(other.exit_code, 2) << other.err;
  EXPECT_EQ(tq({"quantize", kModel, path, "--type", "tt2", "--resume"}).exit_code, 0);
  EXPECT_EQ(tq({"quantize", kModel, whole, "--type", "tt2"}).exit_code, 0);
  EXPECT_EQ(read_file(path), read_file(whole));
}

TEST(Quantize, AnImportanceMatrixIsWrittenAndTaken) {
  const TemporaryFolder folder;
  const std::string text = (pycoder() / "eval_text.py.txt").string(), matrix = (folder / "imatrix.gguf").string(),
                    out = (folder / "out.gguf").string();
  const std::vector<std::string> measure = {"imatrix", "-m", kModel, "-f",       text, "-o",
                                            matrix,    "-c", "64",   "--chunks", "2"};
  ASSERT_EQ(tq(measure).exit_code, 0);
  EXPECT_EQ(tq(measure).exit_code, 2) << "it exists";
  EXPECT_EQ(tq({"imatrix", "-m", kModel, "-f", text}).exit_code, 2);
  const Outcome written = tq({"quantize", kModel, out, "--type", "tq2", "--imatrix", matrix});
  EXPECT_EQ(written.exit_code, 0) << written.err;
  EXPECT_EQ(tq({"verify", out}).exit_code, 0);
  EXPECT_EQ(tq({"quantize", kModel, out, "--type", "tq2", "--imatrix", kModel, "--force"}).exit_code, 3)
      << "a model is none";
  EXPECT_EQ(tq({"quantize", kModel, out, "--type", "q4_k", "--imatrix", matrix, "--force"}).exit_code, 2);
  EXPECT_EQ(
      tq({"quantize", kModel, out, "--type", "tq2", "--imatrix", matrix, "--calibrate", text, "--force"}).exit_code, 2);
}

TEST(Quantize, AKilledRunCanBeRepeated) {
  const TemporaryFolder folder;
  const std::string path = (folder / "out.gguf").string();
  EXPECT_EQ(tq_killed({"quantize", kModel, path, "--type", "tt2"}, path + ".part", 0).signal, SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(tq({"quantize", kModel, path, "--type", "tq2"}).exit_code, 0);
  EXPECT_EQ(folder.count_files(), 1U) << "the part of the killed run is gone";
  EXPECT_EQ(tq({"verify", path}).exit_code, 0);
}

}  // namespace
}  // namespace tq::test
