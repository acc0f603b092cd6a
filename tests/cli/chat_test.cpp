// Conversations as a script has them: a message a line, plain text back.
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/process.h"

namespace tq::test {
namespace {

using nlohmann::json;

Outcome chat(const std::string& input, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"run", "--chat", "-n", "6", "--temp", "0", "-c", "256"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return tq(arguments, {.input = input});
}

json report_of(const std::string& input, std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--json", "-"});
  const Outcome outcome = chat(input, more);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return json::parse(outcome.out);
}

TEST(Chat, EachLineIsAnsweredAndTheHistoryStaysInTheCache) {
  const json report = report_of("def add\nclass Node\n\nimport os\n", {"--system", "Write code."});
  ASSERT_EQ(report["messages"].size(), 7U);
  EXPECT_EQ(report["messages"][0]["role"], "system");
  EXPECT_EQ(report["messages"][3]["content"], "class Node");
  const json& turns = report["turns"];
  ASSERT_EQ(turns.size(), 3U) << "an empty line is no message";
  EXPECT_EQ(turns[0]["reused_tokens"], 0);
  for (std::size_t i = 1; i < 3; ++i) {
    // At least the whole conversation before the answer is there; at most all of it, the answer too.
    EXPECT_GE(turns[i]["reused_tokens"].get<int>(), turns[i - 1]["prompt_tokens"].get<int>());
    EXPECT_LE(turns[i]["reused_tokens"].get<int>(),
              turns[i - 1]["prompt_tokens"].get<int>() + turns[i - 1]["generated_tokens"].get<int>());
    EXPECT_LT(turns[i]["reused_tokens"], turns[i]["prompt_tokens"]);
  }
}

TEST(Chat, AnAnswerIsWhatTheRenderedTextGives) {
  const json report = report_of("def add\n", {"--kv", "f32"});
  const Outcome plain = tq({"run", "-p", "User: def add\n\nAssistant:", "-n", "6", "--temp", "0", "--kv", "f32"});
  EXPECT_EQ("User: def add\n\nAssistant:" + report["messages"][1]["content"].get<std::string>() + "\n", plain.out);
}

TEST(Chat, TextGoesOutAndEverythingElseToTheErrorStream) {
  const Outcome outcome = chat("def add\n/help\n");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, report_of("def add\n")["messages"][1]["content"].get<std::string>() + "\n");
  for (const char* words : {"has no chat template", "/system TEXT", "1 answer, 6 tokens"})
    EXPECT_NE(outcome.err.find(words), std::string::npos) << words << " in " << outcome.err;
  EXPECT_EQ(outcome.err.find("> "), std::string::npos) << "no prompt without a terminal";
}

TEST(Chat, CommandsChangeTheConversation) {
  const json cleared = report_of("def add\n/clear\n/system Be brief.\nx = 1\n//help\n");
  ASSERT_EQ(cleared["messages"].size(), 5U);
  EXPECT_EQ(cleared["messages"][0]["content"], "Be brief.");
  EXPECT_EQ(cleared["messages"][1]["content"], "x = 1");
  EXPECT_EQ(cleared["messages"][3]["content"], "/help") << "two slashes are one in a message";
  EXPECT_EQ(report_of("/exit\nx = 1\n")["messages"].size(), 0U);
  const Outcome unknown = chat("/claer\n");
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("did you mean '/clear'?"), std::string::npos) << unknown.err;
}

TEST(Chat, ASavedConversationGoesOnAlike) {
  const TemporaryFolder folder;
  const std::string file = (folder / "talk.json").string();
  const json whole = report_of("def add\nclass Node\n");
  EXPECT_EQ(chat("def add\n/save " + file + "\n").exit_code, 0);
  const json loaded = report_of("/load " + file + "\nclass Node\n");
  EXPECT_EQ(loaded["messages"], whole["messages"]);
  for (const char* broken : {"{", "[]", R"({"messages": [{"role": "user"}]})", R"({"messages": 3})"}) {
    const Outcome refused = chat("/load " + folder.write("broken.json", broken) + "\n");
    EXPECT_EQ(refused.exit_code, 3) << broken;
    EXPECT_NE(refused.err.find("broken.json"), std::string::npos);
  }
  const std::string text = folder.write("text", "not JSON");
  EXPECT_EQ(chat("/save " + text + "\n").exit_code, 2) << "a file of another kind is not overwritten";
}

TEST(Chat, CtrlCEndsTheAnswerAndNotTheProgram) {
  const Outcome outcome = tq_interrupted({"run", "--chat", "-n", "100000", "--temp", "0", "--json", "-"},
                                         "Ctrl-C ends an answer", SIGINT, {.input = "/help\ndef add\n/system Now.\n"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("tq: stopped"), std::string::npos) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)["messages"][0]["content"], "Now.") << "the line after it was read";
}

TEST(Chat, AFullContextForgetsTheOldestExchange) {
  std::string input;
  for (int i = 0; i < 12; ++i) input += "x = " + std::to_string(i) + "\n";
  const Outcome outcome = chat(input, {"-c", "96", "--system", "Numbers.", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("the oldest exchange is forgotten"), std::string::npos) << outcome.err;
  const json messages = json::parse(outcome.out)["messages"];
  EXPECT_EQ(messages[0]["content"], "Numbers.");
  EXPECT_NE(messages[1]["content"], "x = 0");
  EXPECT_EQ(messages[1]["role"], "user");
  EXPECT_EQ(messages[messages.size() - 2]["content"], "x = 11");

  const Outcome refused = chat(std::string(2000, 'x') + "\n", {"-c", "96"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("the context holds 96"), std::string::npos) << refused.err;
}

TEST(Chat, TemplatesFromFilesAndNames) {
  const TemporaryFolder folder;
  const std::string mine = folder.write("mine.jinja", "{{ messages[-1].content }}{{ mark }}");
  const json report = report_of(
      "def add\n", {"--chat-template", mine, "--chat-template-kwargs", R"({"mark": "(a, b):"})", "--kv", "f32"});
  EXPECT_EQ("def add(a, b):" + report["messages"][1]["content"].get<std::string>() + "\n",
            tq({"run", "-p", "def add(a, b):", "-n", "6", "--temp", "0", "--kv", "f32"}).out);
  EXPECT_EQ(report_of("x\n", {"--chat-template", "chatml"})["chat_template"], "the built-in template chatml");

  const Outcome unknown = chat("x\n", {"--chat-template", "chatmm"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("plain, chatml"), std::string::npos) << unknown.err;
  const Outcome broken = chat("x\n", {"--chat-template", folder.write("broken.jinja", "a\n{% if %}")});
  EXPECT_EQ(broken.exit_code, 3);
  EXPECT_NE(broken.err.find("broken.jinja: line 2: "), std::string::npos) << broken.err;
  const Outcome refuses = chat("x\n", {"--chat-template", folder.write("no.jinja", "{{ raise_exception('No.') }}")});
  EXPECT_EQ(refuses.exit_code, 2);
  EXPECT_NE(refuses.err.find("no.jinja: line 1: it refuses the conversation: No."), std::string::npos) << refuses.err;
}

TEST(Chat, OptionsThatDoNotGoTogetherAreNamed) {
  EXPECT_NE(tq({"run", "-p", "x", "--system", "y"}).err.find("--system needs --chat"), std::string::npos);
  EXPECT_EQ(tq({"run", "-p", "x", "--chat-template", "chatml"}).exit_code, 2);
  EXPECT_EQ(chat("", {"--context-shift"}).exit_code, 2);
}

TEST(StopOption, EndsTheTextBeforeTheFirstOfItsStrings) {
  const std::vector<std::string> arguments = {"run", "-p", "def add(a, b):\n", "-n", "24", "--temp", "0"};
  const std::string whole = tq(arguments).out;
  const std::string text = whole.substr(15);
  ASSERT_GT(text.size(), 12U);
  std::vector<std::string> stopping = arguments;
  stopping.insert(stopping.end(), {"-r", "never there", "--stop", text.substr(6, 5), "--json", "-"});
  const json report = json::parse(tq(stopping).out);
  EXPECT_EQ(report["text"], text.substr(0, text.find(text.substr(6, 5))));
  EXPECT_EQ(report["stop"], "stop");
}

TEST(PenaltyOptions, ReachTheSampler) {
  const std::string plain = tq({"run", "-p", "x = 1\nx = 1\nx = 1\n", "-n", "6", "--temp", "0"}).out;
  const auto with = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "-p", "x = 1\nx = 1\nx = 1\n", "-n", "6", "--temp", "0"});
    return tq(more).out;
  };
  for (const char* option : {"--repeat-penalty", "--presence-penalty", "--frequency-penalty"})
    EXPECT_NE(with({option, "20"}), plain) << option;
  EXPECT_EQ(with({"--repeat-penalty", "20", "--repeat-last-n", "0"}), plain) << "it looks at no token";
}

}  // namespace
}  // namespace tq::test
