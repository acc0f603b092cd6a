#include "cli/arguments.h"

#include <gtest/gtest.h>

namespace tq::cli {
namespace {

TEST(Arguments, LlamaSpellingsBecomeLongOptions) {
  EXPECT_EQ(rewrite_long_options({"-ngl", "99", "-ctk", "tq4", "-ctv=tq3", "-fa", "on", "-tb", "2", "-ub", "64"}),
            (Arguments{"--gpu-layers", "99", "--cache-type-k", "tq4", "--cache-type-v=tq3", "--flash-attn", "on",
                       "--threads-batch", "2", "--ubatch-size", "64"}));
}

TEST(Arguments, ShortOptionsAndLongerWordsStay) {
  const Arguments given = {"-n", "5", "-c512", "-t", "2", "--cache-type-k", "q8_0", "-ctkx", "-f", "ngl", "-"};
  EXPECT_EQ(rewrite_long_options(given), given);
}

TEST(Arguments, TextThatLooksLikeAnOptionStaysText) {
  const Arguments given = {"-p", "-fa", "--text", "-ngl", "--prompt", "-p"};
  EXPECT_EQ(rewrite_long_options(given), given);
  EXPECT_EQ(rewrite_long_options({"-p", "-p", "-fa"}), (Arguments{"-p", "-p", "--flash-attn"}));
  EXPECT_EQ(rewrite_long_options({"--", "-fa"}), (Arguments{"--", "-fa"}));
}

TEST(Arguments, ListsAreSplitAtCommasOnly) {
  EXPECT_EQ(*split_list("f16,q4_0+rotate=on,tq4:tq3", "--kv"),
            (std::vector<std::string>{"f16", "q4_0+rotate=on", "tq4:tq3"}));
  for (const char* text : {"", ",", "a,", ",a", "a,,b"}) {
    const auto items = split_list(text, "--kv");
    ASSERT_FALSE(items) << text;
    EXPECT_EQ(items.error().code, ErrorCode::kUsage);
    EXPECT_NE(items.error().message.find("--kv"), std::string::npos);
  }
}

TEST(Arguments, NumbersAreReadWholeOrRefused) {
  EXPECT_EQ(whole_number(-1, 9)("-1"), "");
  EXPECT_EQ(whole_number(-1, 9)("9"), "");
  for (const char* text : {"", "-2", "10", "1x", "x", " 1", "1.0", "99999999999999999999"}) {
    EXPECT_NE(whole_number(-1, 9)(text), "") << text;
  }
  EXPECT_EQ(number(0, 1)("0.5"), "");
  EXPECT_EQ(number(0, 100)("1e2"), "");
  for (const char* text : {"", "nan", "inf", "1.1", "-0.1", "0,5", "1e999"}) EXPECT_NE(number(0, 1)(text), "") << text;
}

TEST(Arguments, SuggestionsAreNearOrAbsent) {
  const std::vector<std::string> commands = {"info", "run", "eval", "tokenize"};
  EXPECT_EQ(close_match("evla", commands), "eval");
  EXPECT_EQ(close_match("tokenise", commands), "tokenize");
  EXPECT_EQ(close_match("frobnicate", commands), "");
  EXPECT_EQ(close_match(std::string(1 << 20, 'x'), commands), "");
}

TEST(Arguments, APromptInBracketsIsNotAList) {
  CommandLine line({.name = "test", .summary = "", .usage = "", .examples = {}});
  std::string prompt;
  line.add(prompt, {.names = "-p,--prompt"});
  for (const char* text : {"[1, 2, 3]", "", "--", "-x", "a=b", "--prompt", "{}", "%%"}) {
    ASSERT_TRUE(line.parse({"-p", text})) << text;
    EXPECT_EQ(prompt, text);
  }
}

TEST(Arguments, TheLastOfARepeatedOptionCounts) {
  CommandLine line({.name = "test", .summary = "", .usage = "", .examples = {}});
  int threads = 0;
  line.add(threads, {.names = "-t,--threads"});
  ASSERT_TRUE(line.parse({"-t", "1", "--threads", "2"}));
  EXPECT_EQ(threads, 2);
}

}  // namespace
}  // namespace tq::cli
