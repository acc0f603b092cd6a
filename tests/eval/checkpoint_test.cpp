// Evaluations that stop and go on: the figures of one that never stopped, and no others.
#include "eval/checkpoint.h"

#include <nlohmann/json.hpp>

#include "eval/provenance.h"
#include "support/model_bytes.h"
#include "support/python_text.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

const EvalOptions kOptions{
    .kv = {"tq3", "f16"}, .context = 64, .chunks = 3, .continuations = 2, .continuation_tokens = 4};

Result<EvalReport> measure(const EvalOptions& options, const Progress& progress = {},
                           const std::string& text = test::python_text()) {
  static const auto file = test::must(TensorFile::open(test::short_pycoder_gguf()));
  return evaluate(file, *test::pycoder_tokenizer(), text, "text", options, progress);
}

EvalOptions resuming(const std::filesystem::path& path) {
  EvalOptions options = kOptions;
  options.resume = path.string();
  return options;
}

/// All that a report says, but for the clock and the memory.
std::string figures_of(const EvalReport& report) {
  nlohmann::json json = nlohmann::json::parse(to_json(report));
  json["rows"].push_back(json["base"]);
  for (nlohmann::json& row : json["rows"]) {
    for (const char* field : {"seconds", "prefill_tps", "decode_tps", "peak_rss_bytes"}) row.erase(field);
  }
  json.erase("base");
  return json.dump();
}

TEST(Resume, wherever_it_stopped_or_was_killed_the_figures_are_those_of_one_go) {
  std::uint64_t calls = 0;
  const std::string whole =
      figures_of(test::must(measure(kOptions, [&](std::uint64_t, std::uint64_t) { return ++calls > 0; })));
  for (const std::uint64_t stop : {calls / 4, calls / 2, calls - 1}) {
    const test::TemporaryFolder folder;
    const std::filesystem::path kept = folder.path() / "kept", killed = folder.path() / "killed";
    std::uint64_t seen = 0;
    const auto interrupted = measure(resuming(kept), [&](std::uint64_t, std::uint64_t) {
      // What a kill at this moment would leave.
      if (seen + 1 == stop && std::filesystem::exists(kept)) std::filesystem::copy_file(kept, killed);
      return ++seen < stop;
    });
    EXPECT_TRUE(interrupted.has_value() || interrupted.error().code == ErrorCode::kInterrupted);
    ASSERT_TRUE(std::filesystem::exists(kept)) << stop;
    for (const std::filesystem::path& path : {kept, killed}) {
      std::uint64_t last = 0, end = 0, more = 0;
      const EvalReport resumed = test::must(measure(resuming(path), [&](std::uint64_t done, std::uint64_t total) {
        last = done;
        end = total;
        return ++more > 0;
      }));
      EXPECT_EQ(figures_of(resumed), whole) << stop << " of " << calls << " " << path;
      EXPECT_EQ(last, end) << "the bar counts what is left";
      if (path == kept && stop > calls / 4) EXPECT_LT(more, calls) << "nothing is done twice";
    }
  }
}

TEST(Resume, a_finished_evaluation_runs_nothing_again) {
  const test::TemporaryFolder folder;
  const EvalOptions options = resuming(folder.path() / "kept");
  const std::string whole = figures_of(test::must(measure(options)));
  bool ran = false;
  EXPECT_EQ(figures_of(test::must(measure(options, [&](std::uint64_t, std::uint64_t) { return ran = true; }))), whole);
  EXPECT_FALSE(ran);
}

TEST(Resume, what_belongs_to_another_evaluation_is_refused_with_the_difference) {
  const test::TemporaryFolder folder;
  const EvalOptions sound = resuming(folder.path() / "kept");
  std::uint64_t seen = 0;
  ASSERT_FALSE(measure(sound, [&](std::uint64_t, std::uint64_t) { return ++seen < 3; }).has_value());
  const auto refused = [](const Result<EvalReport>& report, const char* words) {
    ASSERT_FALSE(report.has_value()) << words;
    EXPECT_EQ(report.error().code, ErrorCode::kUsage);
    EXPECT_NE(report.error().message.find("another evaluation"), std::string::npos) << report.error().message;
    EXPECT_NE(report.error().message.find(words), std::string::npos) << report.error().message;
  };
  const auto changed = [&](auto change) {
    EvalOptions options = sound;
    change(options);
    return measure(options);
  };
  refused(measure(sound, {}, test::python_text() + "\n"), "text: ");
  refused(changed([](EvalOptions& o) { o.context = 62; }), "context: 64");
  refused(changed([](EvalOptions& o) { o.chunks = 2; }), "windows: 3");
  refused(changed([](EvalOptions& o) { o.decode = true; }), "path: prefill");
  refused(changed([](EvalOptions& o) { o.base_kv = "f16"; }), "base: f32");
  refused(changed([](EvalOptions& o) { o.seed = 2; }), "seed: 1");
  refused(changed([](EvalOptions& o) { o.continuation_tokens = 5; }), "continuations: 2 of 4");
  refused(changed([](EvalOptions& o) { o.kv[1] = "q8_0"; }), "cache f16");
  refused(changed([](EvalOptions& o) { o.weights = {"q8_0"}; }), "row: weights");
  EvalOptions other_threads = sound;
  other_threads.threads = 1;
  EXPECT_TRUE(measure(other_threads).has_value()) << "threads change no figure";
}

constexpr eval::CheckpointLimits kLimits{"a: b\n", 2, 8, 1, 4, 2, 3};

/// Two lanes, the base with its words.
eval::EvalState begun() {
  eval::EvalState state;
  state.words = {{3, 1}};
  state.alone = 1;
  state.lanes.resize(2);
  return state;
}

Result<eval::EvalState> parse(const std::string& bytes) {
  return eval::parse_checkpoint(test::bytes_of(bytes), "kept", kLimits);
}

TEST(Checkpoint, every_damaged_byte_is_seen) {
  eval::EvalState state = begun();
  const std::string sound = eval::checkpoint_bytes(state, kLimits.description);
  EXPECT_EQ(test::must(parse(sound)).words, state.words);
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    EXPECT_FALSE(parse(damaged).has_value()) << i;
    EXPECT_FALSE(parse(sound.substr(0, i)).has_value()) << i;
  }
  EXPECT_FALSE(parse(sound + "x").has_value());
}

TEST(Checkpoint, counts_that_do_not_fit_each_other_are_refused) {
  const auto refused = [](auto change) {
    eval::EvalState state = begun();
    change(state);
    const auto read = parse(eval::checkpoint_bytes(state, kLimits.description));
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code, ErrorCode::kBadFile);
    EXPECT_EQ(read.error().message, "kept: its counts do not fit each other");
  };
  refused([](eval::EvalState& s) { s.lanes.resize(1); });
  refused([](eval::EvalState& s) { s.lanes.resize(3); });
  refused([](eval::EvalState& s) { s.alone = 3; });
  refused([](eval::EvalState& s) { s.alone = 0; });
  refused([](eval::EvalState& s) { s.words.push_back({1}); });
  refused([](eval::EvalState& s) { s.words[0] = {1, 2, 3, 4, 5}; });
  refused([](eval::EvalState& s) { s.words[0] = {8}; });
  refused([](eval::EvalState& s) { s.words[0] = {-1}; });
  refused([](eval::EvalState& s) { s.windows = 1; });
  refused([](eval::EvalState& s) { s.lanes[1].windows = 1; });
  refused([](eval::EvalState& s) { s.lanes[1].kld_at = {1, 2, 3}; });
  refused([](eval::EvalState& s) { s.lanes[0].text.add(Comparison::Position{}); });
  refused([](eval::EvalState& s) { s.floor.windows = 2; });
  // A count far beyond the bytes must not be believed.
  eval::EvalState state = begun();
  std::string bytes = eval::checkpoint_bytes(state, kLimits.description);
  bytes.resize(bytes.size() - 64);
  bytes[8 + 8 + kLimits.description.size() + 6] = 0x7F;
  EXPECT_FALSE(parse(bytes + eval::sha256_hex(bytes)).has_value());
}

}  // namespace
}  // namespace tq
