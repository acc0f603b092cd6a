// What the program answers to a wrong or a curious command line.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/process.h"
#include "support/shared_data.h"
#include "turboquant/codec.h"

namespace tq::test {
namespace {

testing::AssertionResult is_one_sentence(const std::string& err) {
  if (err.starts_with("tq: ") && std::count(err.begin(), err.end(), '\n') == 1 && err.ends_with('\n'))
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not one sentence: " << err;
}

struct Mistake {
  std::vector<std::string> arguments;
  int exit_code;
  std::string part;  ///< of the sentence
};

void PrintTo(const Mistake& mistake, std::ostream* out) {
  for (const std::string& argument : mistake.arguments) *out << argument << ' ';
}

class Mistakes : public testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, OneSentenceThatHelps) {
  const Outcome outcome = tq(GetParam().arguments);
  EXPECT_EQ(outcome.exit_code, GetParam().exit_code);
  EXPECT_TRUE(is_one_sentence(outcome.err));
  EXPECT_NE(outcome.err.find(GetParam().part), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, Mistakes,
    testing::Values(
        Mistake{{"evla"}, 2, "did you mean 'eval'"}, Mistake{{"frobnicate"}, 2, "there are info, run"},
        Mistake{{"-m", "x.gguf"}, 2, "a command comes before '-m'"},
        Mistake{{"run", "--tmep", "0", "-p", "x"}, 2, "did you mean '--temp'"},
        Mistake{{"run", "-p"}, 2, "-p/--prompt needs a value"}, Mistake{{"run"}, 2, "there is no prompt"},
        Mistake{{"run", "text"}, 2, "needs -p before it"}, Mistake{{"run", "-p", "x", "-f", "y"}, 2, "once"},
        Mistake{{"run", "-p", "x", "-n", "many"}, 2, "'many' is not a whole number"},
        Mistake{{"run", "-p", "x", "--temp", "nan"}, 2, "'nan' is not a number"},
        Mistake{{"run", "-p", "x", "--kv", "tq4,tq3"}, 2, "tq eval compares several"},
        Mistake{{"run", "-p", "x", "--kv", "tq4", "-ctk", "tq3"}, 2, "exclude each other"},
        Mistake{{"run", "-p", "x", "--kv", "tq10"}, 2, "did you mean 'tq1'"},
        Mistake{{"run", "-p", "x", "--weights", "q4"}, 2, "did you mean"},
        Mistake{{"run", "-p", "x", "--tensor-type", "a=tq4"}, 2, "of --weights"},
        Mistake{{"eval", "--tensor-type", "a=tq4"}, 2, "of --weights"},
        Mistake{{"run", "-p", "x", "--weights", "tq4", "--tensor-type", "a"}, 2, "REGEX=SPEC"},
        Mistake{{"run", "-p", "x", "--weights", "tq4", "--tensor-type", "a=tq44"}, 2, "did you mean"},
        Mistake{{"compare", "-p", "x", "--weights", "tq4", "--tensor-type", "(=tq4"}, 2, "regular expression"},
        Mistake{{"bench", "--synthetic", "smollm2-135m", "--weights", "tq2", "--tensor-type", "ffn=tq4"},
                2,
                "token_embd.weight"},
        Mistake{{"eval", "--kv", "f16,tq0"}, 2, "did you mean"},
        Mistake{{"eval", "--weights", "file,"}, 2, "empty item"}, Mistake{{"eval", "--base", "f33"}, 2, "--base"},
        Mistake{{"eval", "--max-kld", "-1"}, 2, "'-1' is not a number"},
        Mistake{{"tokenize", "--text", "x"}, 2, "name a model"},
        Mistake{{"tokenize", "m.gguf"}, 2, "give the text once"},
        Mistake{{"info", "/nonexistent/model.gguf"}, 1, "/nonexistent/model.gguf"},
        Mistake{{"eval", "-f", "/nonexistent/text"}, 1, "/nonexistent/text"},
        Mistake{{"info", "a", "b"}, 2, "no use for 'b'"}, Mistake{{"info", "a\nb\x1b[2J"}, 1, "a\\x0ab\\x1b[2J"}));

TEST(Usage, HelpNamesEveryCommandAndEachExplainsItself) {
  const Outcome help = tq({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.err, "");
  EXPECT_EQ(tq({}).out, help.out);
  for (const std::string name : {"info", "run", "eval", "report", "bench", "tokenize", "vectors", "codecs"}) {
    EXPECT_NE(help.out.find("\n  " + name + " "), std::string::npos) << name;
    const Outcome page = tq({name, "--help"});
    EXPECT_EQ(page.exit_code, 0);
    EXPECT_NE(page.out.find("usage: tq " + name), std::string::npos);
    EXPECT_NE(page.out.find("--json FILE"), std::string::npos);
    EXPECT_EQ(tq({"help", name}).out, page.out);
  }
}

TEST(Usage, NoLineOfTheHelpIsWiderThanATerminal) {
  for (const std::string name : {"info", "run", "eval", "report", "bench", "tokenize", "vectors", "codecs"}) {
    const std::string page = tq({name, "--help"}).out;
    for (std::size_t begin = 0; begin < page.size();) {
      const std::size_t end = page.find('\n', begin);
      ASSERT_NE(end, std::string::npos);
      EXPECT_LE(end - begin, 100U) << page.substr(begin, end - begin);
      begin = end + 1;
    }
  }
}

TEST(Usage, CodecsListsEveryCodecWithItsTrueBits) {
  const Outcome page = tq({"codecs", "--dim", "256", "--json", "-"});
  ASSERT_EQ(page.exit_code, 0) << page.err;
  const auto report = nlohmann::json::parse(page.out);
  EXPECT_EQ(report["codecs"].size(), codec_names().size());
  for (const auto& row : report["codecs"]) {
    const std::string name = row["codec"];
    EXPECT_EQ(row["bits"], make_codec(CodecSpec::parse(name).value(), 256).value()->bits_per_value()) << name;
  }
  EXPECT_NE(tq({"codecs"}).out.find("tq1 to tq9"), std::string::npos);
  EXPECT_EQ(tq({"codecs", "--dim", "0"}).exit_code, 2);
}

TEST(Usage, TheVersionSaysWhichKernelsRun) {
  const Outcome scalar = tq({"--version"}, {.environment = {"TQ_SIMD=scalar"}});
  EXPECT_EQ(scalar.exit_code, 0);
  EXPECT_NE(scalar.out.find("kernels: scalar"), std::string::npos) << scalar.out;
}

TEST(Usage, AnUnknownCpuTargetIsNotIgnored) {
  const Outcome outcome = tq({"run", "-p", "x", "-n", "1"}, {.environment = {"TQ_SIMD=nonsense"}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_TRUE(is_one_sentence(outcome.err));
  EXPECT_NE(outcome.err.find("nonsense"), std::string::npos);
}

TEST(Usage, AFullDiskIsReported) {
  const Outcome outcome = tq({"--help"}, {.out_device = "/dev/full"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_TRUE(is_one_sentence(outcome.err));
}

TEST(Usage, AReaderThatLeavesEndsTheProgramQuietly) {
  std::signal(SIGPIPE, SIG_IGN);  // inherited, as from some parents
  const Outcome outcome = tq({"--help"}, {.out_is_closed_pipe = true});
  std::signal(SIGPIPE, SIG_DFL);
  EXPECT_EQ(outcome.signal, SIGPIPE);
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace tq::test
