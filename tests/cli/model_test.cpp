// The commands at work on real models: the built-in one, and the smallest of the shared data.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "cli/process.h"
#include "support/shared_data.h"

namespace tq::test {
namespace {

using nlohmann::json;

const std::string kPrompt = "def add(a, b):\n";

std::vector<std::string> greedy(std::vector<std::string> more) {
  std::vector<std::string> arguments = {"run", "-p", kPrompt, "-n", "12", "--temp", "0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Run, TheSameTextEveryTimeAtTemperatureZero) {
  const Outcome first = tq(greedy({"-t", "1"}));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_TRUE(first.out.starts_with(kPrompt));
  EXPECT_GT(first.out.size(), kPrompt.size() + 2);
  EXPECT_EQ(tq(greedy({"-t", "2"})).out, first.out);
  EXPECT_EQ(tq(greedy({"-t", "2", "--seed", "77"})).out, first.out);
}

TEST(Run, ASeedRepeatsADraw) {
  const std::vector<std::string> arguments = {"run", "-p", kPrompt, "-n", "30", "--temp", "1.5", "-s", "5"};
  const Outcome first = tq(arguments);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_EQ(tq(arguments).out, first.out);
  std::vector<std::string> other = arguments;
  other.back() = "6";
  EXPECT_NE(tq(other).out, first.out);
}

TEST(Run, TheBuiltInModelNeedsNoFileAround) {
  const Outcome here = tq(greedy({}));
  const Outcome elsewhere = tq(greedy({}), {.folder = "/"});
  EXPECT_EQ(elsewhere.exit_code, 0) << elsewhere.err;
  EXPECT_EQ(elsewhere.out, here.out);
  EXPECT_NE(elsewhere.err.find("built-in model"), std::string::npos);
}

TEST(Run, TheBuiltInModelIsTheOneInTheRepository) {
  EXPECT_EQ(tq(greedy({"-m", (pycoder() / "pycoder.f16.gguf").string()})).out, tq(greedy({})).out);
}

TEST(Run, GreedyTextIsThatOfTheReference) {
  // reference.json: a float64 forward pass of the same weights.
  const json reference = json::parse(read_file(pycoder() / "reference.json"));
  const std::string prompt = reference["generation"][0]["prompt"], text = reference["generation"][0]["text"];
  const std::size_t count = reference["generation"][0]["ids"].size();
  const Outcome outcome = tq({"run", "-p", prompt, "-n", std::to_string(count), "--temp", "0", "--kv", "f32"});
  EXPECT_EQ(outcome.out, prompt + text + "\n") << outcome.err;
}

TEST(Run, AllWaysOfGivingThePrompt) {
  const TemporaryFolder folder;
  const std::string file = folder.write("prompt.txt", kPrompt);
  const std::string expected = tq(greedy({})).out;
  const std::vector<std::string> rest = {"-n", "12", "--temp", "0"};
  for (const std::vector<std::string>& input :
       std::vector<std::vector<std::string>>{{"-f", file}, {"-f", "-"}, {"-"}}) {
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), input.begin(), input.end());
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    EXPECT_EQ(tq(arguments, {.input = kPrompt}).out, expected) << input.front();
  }
}

TEST(Run, LlamaSpellingsMeanTheSame) {
  EXPECT_EQ(tq(greedy({"-ngl", "99", "-ctk", "tq4", "-ctv", "tq3", "-fa", "on", "-tb", "2"})).out,
            tq(greedy({"--kv", "tq4:tq3"})).out);
  EXPECT_NE(tq(greedy({"-ngl", "99"})).err.find("no GPU"), std::string::npos);
  EXPECT_NE(tq(greedy({"--kv", "turbo3"})).err.find("read as tq3"), std::string::npos);
}

TEST(Run, AutomaticCachesAreNamedWithTheirReason) {
  const Outcome outcome = tq(greedy({"--json", "-", "--kv", "auto"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  const std::string kv = report["kv"], reason = report["kv_reason"];
  EXPECT_TRUE(kv.starts_with("tq") && kv.find("+sink=4") != kv.npos) << kv;
  EXPECT_NE(reason.find("the model is small"), std::string::npos) << reason;
  EXPECT_NE(outcome.err.find("--kv auto takes " + kv + ": " + reason), std::string::npos) << outcome.err;
  EXPECT_EQ(tq(greedy({"--kv", "auto"})).out, tq(greedy({"--kv", kv})).out);

  const Outcome info = tq({"info", "--kv", "f16,auto", "--json", "-"});
  ASSERT_EQ(info.exit_code, 0) << info.err;
  const json facts = json::parse(info.out);
  EXPECT_EQ(facts["auto"]["kv"], kv);
  EXPECT_EQ(facts["auto"]["reason"], reason);
  EXPECT_EQ(facts["memory"][1]["kv"], kv);
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"eval", "-c", "16", "--chunks", "1"},
           {"compare", "-p", kPrompt, "-n", "2"},
           {"bench", "-p", "8", "-n", "0", "-r", "1"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--kv", "q8_0,auto", "--json", "-"});
    const Outcome other = tq(arguments);
    ASSERT_EQ(other.exit_code, 0) << other.err;
    const json all = json::parse(other.out), rows = all.is_array() ? all : all["rows"];
    EXPECT_EQ(rows[1]["kv"], kv) << command[0];
    EXPECT_EQ(rows[1]["kv_reason"], reason) << command[0];
    EXPECT_FALSE(rows[0].contains("kv_reason")) << command[0] << ": that cache was asked for";
  }
  EXPECT_EQ(tq(greedy({"--kv", "auto+sink=4"})).exit_code, 2);
}

TEST(Run, AFullContextIsSaidAndAPromptBeyondItRefused) {
  const Outcome full = tq({"run", "-p", kPrompt, "-n", "-1", "--temp", "0", "-c", "24", "--json", "-"});
  ASSERT_EQ(full.exit_code, 0) << full.err;
  const json report = json::parse(full.out);
  EXPECT_EQ(report["stop"], "context");
  // Every token but the last drawn is in the cache.
  EXPECT_EQ(report["prompt_tokens"].get<int>() + report["generated_tokens"].get<int>(), 24 + 1);
  EXPECT_NE(full.err.find("context of 24 tokens is full"), std::string::npos) << full.err;

  const Outcome refused = tq({"run", "-p", kPrompt, "-c", "5"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("has 6 tokens and the context holds 5"), std::string::npos) << refused.err;
}

TEST(Run, TheJsonStandsAloneOnStandardOutput) {
  const Outcome outcome = tq(greedy({"--json", "-", "--kv", "tq4:tq3"}));
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["prompt"], kPrompt);
  EXPECT_EQ(kPrompt + report["text"].get<std::string>() + "\n", tq(greedy({"--kv", "tq4:tq3"})).out);
  EXPECT_EQ(report["kv"], "tq4:tq3");
  EXPECT_EQ(report["tokens"].size(), 12U);
  EXPECT_GT(report["kv_bits_k"], report["kv_bits_v"]);
}

TEST(Run, ARestoredCacheGivesTheSameText) {
  const TemporaryFolder folder;
  const std::string file = (folder / "cache").string();
  const std::vector<std::string> cache = {"--kv", "tq4+sink=2+recent=8"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), cache.begin(), cache.end());
    return tq(greedy(more));
  };
  const Outcome saved = with({"--save-cache", file});
  ASSERT_EQ(saved.exit_code, 0) << saved.err;
  const Outcome restored = with({"--restore-cache", file, "--json", "-"});
  ASSERT_EQ(restored.exit_code, 0) << restored.err;
  const json report = json::parse(restored.out);
  EXPECT_EQ(kPrompt + report["text"].get<std::string>() + "\n", saved.out);
  EXPECT_EQ(report["restored_tokens"], report["prompt_tokens"].get<std::size_t>() - 1) << "the last is read again";

  const Outcome other = tq(greedy({"--restore-cache", file, "--kv", "tq3"}));
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_NE(other.err.find("'tq4+sink=2+recent=8'"), std::string::npos) << other.err;
  const std::string text = folder.write("text", "not a cache");
  EXPECT_EQ(tq(greedy({"--restore-cache", text})).exit_code, 3);
  const Outcome kept = tq(greedy({"--save-cache", text}));
  EXPECT_EQ(kept.exit_code, 2) << "a file of another kind is not overwritten";
  EXPECT_NE(kept.err.find("not a saved cache"), std::string::npos) << kept.err;
}

TEST(Run, AFullContextForgetsItsOlderHalf) {
  const std::vector<std::string> small = {"-c", "16", "-n", "30", "--json", "-", "--kv", "f32"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), small.begin(), small.end());
    return tq(greedy(more));
  };
  const json stopped = json::parse(with({}).out), shifted = json::parse(with({"--context-shift"}).out);
  EXPECT_EQ(stopped["stop"], "context");
  EXPECT_EQ(shifted["stop"], "length");
  EXPECT_EQ(shifted["tokens"].size(), 30U);
  EXPECT_GE(shifted["context_shifts"], 2U);
  for (std::size_t i = 0; i < stopped["tokens"].size(); ++i) EXPECT_EQ(shifted["tokens"][i], stopped["tokens"][i]);
  const json keeping = json::parse(with({"--context-shift", "--keep", "100"}).out);
  EXPECT_EQ(keeping["tokens"].size(), 30U) << "one token is dropped at least";
}

TEST(Run, ATerminalIsSafeFromTheText) {
  const Outcome outcome = tq({"run", "-p", "\x1b[2Jprint", "-n", "1", "--temp", "0"}, {.terminal = Stream::kOut});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
  EXPECT_TRUE(outcome.out.starts_with("\\x1b[2Jprint")) << outcome.out;
}

TEST(Run, ALlamaModelWithItsTokenizerBeside) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  const std::string folder = shared_data("models/stories260K").string();
  std::vector<std::string> models, tokenizers;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path().string(), name = entry.path().filename().string();
    if (name.starts_with("tok") && name.ends_with(".bin")) {
      tokenizers.push_back(path);
    } else if (name.ends_with(".bin") || name.ends_with(".gguf")) {
      models.push_back(path);
    }
  }
  ASSERT_EQ(tokenizers.size(), 1U);
  ASSERT_GE(models.size(), 2U);
  std::string text;
  for (const std::string& model : models) {
    const Outcome outcome = tq({"run", "-m", model, "--tokenizer", tokenizers[0], "-p", "Once upon a time", "-n", "20",
                                "--temp", "0", "--kv", "f32"});
    ASSERT_EQ(outcome.exit_code, 0) << model << outcome.err;
    if (text.empty()) text = outcome.out;
    EXPECT_EQ(outcome.out, text) << model << ": the same weights in another file format";
  }
}

TEST(Info, TheJsonHasTheContractsFieldsAndAddsUp) {
  const Outcome outcome = tq({"info", "-c", "1000", "--kv", "f16,tq4", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  const json config = json::parse(read_file(pycoder() / "config.json"));
  for (const char* field : {"architecture", "parameters", "tensors", "bpw", "bpw_linear", "context_length", "memory"}) {
    EXPECT_TRUE(report.contains(field)) << field;
  }
  EXPECT_EQ(report["architecture"], "llama");
  EXPECT_EQ(report["context_length"], config["max_position_embeddings"]);
  std::uint64_t bytes = 0;
  for (const json& tensor : report["tensors"]) bytes += tensor["bytes"].get<std::uint64_t>();
  EXPECT_DOUBLE_EQ(report["bpw"].get<double>(), 8.0 * static_cast<double>(bytes) / report["parameters"].get<double>());
  EXPECT_DOUBLE_EQ(report["bpw_linear"].get<double>(), 16.0);

  // f16: two bytes for each of keys and values, in every layer, head and position.
  const int per_token = 2 * 2 * config["num_hidden_layers"].get<int>() * config["num_key_value_heads"].get<int>() *
                        config["head_dim"].get<int>();
  EXPECT_EQ(report["memory"][0]["kv_bytes"], 1000 * per_token);
  const auto scratch = report["memory"][0]["scratch_bytes"].get<std::uint64_t>();
  EXPECT_GT(scratch, 0U);
  EXPECT_EQ(report["memory"][0]["total_bytes"], 1000 * per_token + bytes + scratch);
  EXPECT_LT(report["memory"][1]["kv_bytes"], report["memory"][0]["kv_bytes"]);
}

TEST(Info, TheScreenShowsTypesOrEveryTensor) {
  const Outcome brief = tq({"info"}), full = tq({"info", (pycoder() / "pycoder.f16.gguf").string(), "--tensors"});
  ASSERT_EQ(brief.exit_code, 0) << brief.err;
  EXPECT_EQ(brief.out.find("token_embd.weight"), std::string::npos);
  EXPECT_NE(full.out.find("token_embd.weight"), std::string::npos);
  for (const char* spec : {"\nf16 ", "\nq8_0 ", "\nq4_0 ", "\ntq4 ", "\ntq3 ", "\ntq2 "}) {
    EXPECT_NE(brief.out.find(spec), std::string::npos) << spec;
  }
}

TEST(Eval, TheJsonHasTheContractsFields) {
  const Outcome outcome =
      tq({"eval", "-c", "64", "--chunks", "2", "--kv", "f16,tq3", "--weights", "file,tq4", "--json", "-"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err.find('\r'), std::string::npos) << "no bar where there is no terminal";
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["schema"], "turboquant.eval/1");
  for (const char* field : {"name", "architecture", "parameters", "file_bytes"})
    EXPECT_TRUE(report["model"].contains(field)) << field;
  for (const char* field : {"cpu", "simd", "threads"}) EXPECT_TRUE(report["machine"].contains(field)) << field;
  for (const char* field : {"text", "text_sha256", "context", "chunks", "scored_tokens", "base", "path", "seed"}) {
    EXPECT_TRUE(report["settings"].contains(field)) << field;
  }
  ASSERT_EQ(report["rows"].size(), 4U);
  for (const json& row : report["rows"]) {
    for (const char* field : {"weights",
                              "kv",
                              "weights_bpw",
                              "kv_bits_k",
                              "kv_bits_v",
                              "weights_bytes",
                              "kv_bytes",
                              "peak_rss_bytes",
                              "ppl",
                              "ppl_se",
                              "ppl_ratio",
                              "kld_mean",
                              "kld_mean_se",
                              "kld_median",
                              "kld_p99",
                              "kld_p999",
                              "kld_max",
                              "top1_agreement",
                              "token_accuracy",
                              "missed_divergence",
                              "base_token_ppl",
                              "mae_logits",
                              "rms_delta_p",
                              "prefill_tps",
                              "decode_tps",
                              "seconds"}) {
      EXPECT_TRUE(row.contains(field)) << field;
    }
  }
}

TEST(Eval, AQualityGateNamesTheRowsThatFail) {
  const TemporaryFolder folder;
  const std::string path = (folder / "report.json").string();
  const Outcome outcome =
      tq({"eval", "-c", "64", "--chunks", "1", "--kv", "f32,tq2", "--max-kld", "0", "--json", path});
  EXPECT_EQ(outcome.exit_code, 5) << outcome.err;
  EXPECT_NE(outcome.err.find("tq2 ("), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("f32 ("), std::string::npos) << "the base compared with itself: " << outcome.err;
  EXPECT_NE(outcome.out.find("tq2"), std::string::npos) << "the table comes before the verdict";
  EXPECT_EQ(json::parse(read_file(path))["rows"].size(), 2U);
  EXPECT_EQ(tq({"eval", "-c", "64", "--chunks", "1", "--kv", "tq2", "--max-kld", "1000"}).exit_code, 0);
}

TEST(Eval, CtrlCLeavesNothingHalfWritten) {
  const TemporaryFolder folder;
  const std::string text = folder.write("long.txt", std::string(400000, 'x') + "\n");
  const Outcome outcome = tq_interrupted({"eval", "-f", text, "--decode", "--kv", "f16,tq8,tq7,tq6,tq5,tq4,tq3,tq2",
                                          "--json", (folder / "report.json").string()},
                                         "built-in model", SIGINT);
  EXPECT_EQ(outcome.exit_code, 130) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(folder.count_files(), 1U);
}

TEST(Tokenize, IdsAreThoseOfTheReference) {
  const json reference = json::parse(read_file(pycoder() / "reference.json"));
  for (const char* model : {"pycoder.f16.gguf", "tokenizer.json", ""}) {
    for (const json& sample : reference["tokenizer"]) {
      const Outcome outcome = tq({"tokenize", (pycoder() / model).string(), "--text", sample["text"], "--json", "-"});
      ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
      const json report = json::parse(outcome.out);
      EXPECT_EQ(report["ids"], sample["ids"]) << model;
      EXPECT_EQ(report["pieces"].size(), sample["ids"].size());
    }
  }
}

TEST(Tokenize, IdsStandOnOneLine) {
  const std::string model = (pycoder() / "pycoder.f16.gguf").string();
  const Outcome given = tq({"tokenize", model, "--text", kPrompt, "--no-bos"});
  EXPECT_EQ(given.exit_code, 0) << given.err;
  EXPECT_EQ(std::count(given.out.begin(), given.out.end(), '\n'), 1);
  EXPECT_EQ(tq({"tokenize", model, "-"}, {.input = kPrompt}).out, given.out);
  EXPECT_EQ(tq({"tokenize", "-m", model, "-f", "-"}, {.input = kPrompt}).out, given.out);
}

}  // namespace
}  // namespace tq::test
