// Facts in texts, and the score against sessions that are driven by hand.
#include "turboquant/needle.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "eval/haystack.h"
#include "support/python_text.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

using eval::Haystack;
using eval::Riddle;

const Tokenizer& tokenizer() {
  static const std::shared_ptr<const Tokenizer> opened = test::pycoder_tokenizer();
  return *opened;
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++n;
  return n;
}

TEST(Haystack, a_prompt_has_its_length_its_facts_and_its_question) {
  const Haystack haystack(tokenizer(), test::python_text(), NeedleStyle::kCode);
  for (const NeedleTask task : {NeedleTask::kPassKey, NeedleTask::kPairs}) {
    for (const std::size_t length : {200UL, 601UL}) {
      const Riddle riddle = test::must(haystack.riddle(task, length, 0.5, length));
      EXPECT_EQ(riddle.tokens.size(), length);
      ASSERT_EQ(riddle.answers.size(), eval::kCandidates);
      const std::string text = tokenizer().decode(riddle.tokens);
      for (std::size_t i = 0; i < riddle.answers.size(); ++i) {
        std::vector<TokenId> whole = riddle.tokens;
        whole.insert(whole.end(), riddle.answers[i].begin(), riddle.answers[i].end());
        const std::string answered = tokenizer().decode(whole);
        const std::string number = answered.substr(answered.size() - 5);
        EXPECT_TRUE(answered.ends_with("== " + number)) << answered.substr(answered.size() - 60);
        const bool stands = i == 0 || (task == NeedleTask::kPairs && i < 8);
        EXPECT_EQ(count(text, "] = " + number) + count(text, "KEY = " + number), stands ? 1U : 0U) << i;
      }
    }
  }
}

TEST(Haystack, the_fact_stands_where_it_was_wanted_at_a_beginning_of_a_line) {
  const Haystack haystack(tokenizer(), test::python_text(), NeedleStyle::kProse);
  for (const double depth : {0.0, 0.25, 0.5, 1.0}) {
    const Riddle riddle = test::must(haystack.riddle(NeedleTask::kPassKey, 1000, depth, 3));
    const std::string text = tokenizer().decode(riddle.tokens);
    const std::size_t fact = text.find("\nThe pass key is");
    const auto before = static_cast<double>(tokenizer().encode(text.substr(0, fact)).size());
    EXPECT_NEAR(before / 1000, depth, 0.07) << "64 tokens at most to the next line, and the question";
    if (fact > 0) EXPECT_EQ(text[fact - 1], '\n');
  }
}

TEST(Haystack, seeds_decide_everything_and_a_short_text_is_repeated) {
  const Haystack haystack(tokenizer(), "x = 1\n", NeedleStyle::kCode);
  const Riddle one = test::must(haystack.riddle(NeedleTask::kPairs, 300, 0.3, 1)),
               same = test::must(haystack.riddle(NeedleTask::kPairs, 300, 0.3, 1)),
               other = test::must(haystack.riddle(NeedleTask::kPairs, 300, 0.3, 2));
  EXPECT_EQ(one.tokens, same.tokens);
  EXPECT_EQ(one.answers, same.answers);
  EXPECT_NE(one.answers, other.answers);
  EXPECT_EQ(one.tokens.size(), 300U);
  EXPECT_GT(count(tokenizer().decode(one.tokens), "x = 1"), 20U);
  EXPECT_TRUE(Haystack(tokenizer(), "", NeedleStyle::kCode).empty());
}

Result<NeedleReport> search(const NeedleOptions& options, const Progress& progress = {}) {
  return find_needles(test::must(TensorFile::open(test::short_pycoder_gguf())), tokenizer(), test::python_text(),
                      "text", options, progress);
}

double log_softmax_at(std::span<const float> logits, TokenId token) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - std::log(sum);
}

TEST(Needle, probability_and_rank_are_those_of_sessions_driven_by_hand) {
  const NeedleOptions options{.kv = {"tq3"},
                              .tasks = {NeedleTask::kPassKey},
                              .style = NeedleStyle::kCode,
                              .lengths = {96},
                              .depths = 1,
                              .trials = 1,
                              .seed = 5,
                              .threads = 2};
  const NeedleReport report = test::must(search(options));
  ASSERT_EQ(report.rows.size(), 1U);
  ASSERT_EQ(report.rows[0].cells.size(), 1U);
  const NeedleCell& cell = report.rows[0].cells[0];
  EXPECT_EQ(cell.length, 96U);
  EXPECT_EQ(cell.depth, 0.5);

  const Haystack haystack(tokenizer(), test::python_text(), NeedleStyle::kCode);
  const Riddle riddle = test::must(haystack.riddle(NeedleTask::kPassKey, 96, 0.5, derived_seed(5, 0)));
  const auto model = test::load(test::short_pycoder_gguf());
  const std::size_t vocab = model->config().vocab_size;
  std::vector<double> logs;
  for (const auto& answer : riddle.answers) {
    // The default of a level is a seed of 5 in its rotations, too.
    CacheSpec cache = test::must(CacheSpec::parse("tq3"));
    cache.k.seed = cache.v.seed = 5;
    const auto session = test::must(Session::create(model, {.cache = cache, .context = 128}));
    std::vector<TokenId> whole = riddle.tokens;
    whole.insert(whole.end(), answer.begin(), answer.end());
    const std::vector<float> logits = test::logits_of(*session, whole);
    double sum = 0;
    for (std::size_t i = riddle.tokens.size(); i < whole.size(); ++i)
      sum += log_softmax_at(std::span(logits).subspan((i - 1) * vocab, vocab), whole[i]);
    logs.push_back(sum);
  }
  double total = 0;
  std::size_t better = 0;
  for (const double log : logs) {
    total += std::exp(log);
    better += log > logs[0] ? 1 : 0;
  }
  EXPECT_NEAR(cell.probability, std::exp(logs[0]) / total, 1e-4) << "batches of other sizes round otherwise";
  EXPECT_EQ(cell.rank, static_cast<double>(better + 1));
  EXPECT_EQ(cell.first, better == 0 ? 1 : 0);
}

TEST(Needle, every_cell_is_there_and_the_json_has_them) {
  const NeedleReport report =
      test::must(search({.kv = {"f16", "tq2"}, .lengths = {240, 160}, .depths = 2, .trials = 1, .threads = 2}));
  EXPECT_EQ(report.lengths, (std::vector<std::size_t>{160, 240}));
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("schema"), "turboquant.needle/1");
  ASSERT_EQ(json.at("rows").size(), 2U);
  const auto& cells = json.at("rows")[1].at("cells");
  ASSERT_EQ(cells.size(), 8U);
  std::size_t i = 0;
  for (const char* task : {"passkey", "pairs"}) {
    for (const int length : {160, 240}) {
      for (const double depth : {0.0, 1.0}) {
        EXPECT_EQ(cells[i].at("task"), task);
        EXPECT_EQ(cells[i].at("length"), length);
        EXPECT_EQ(cells[i].at("depth"), depth);
        EXPECT_GE(cells[i].at("rank").get<double>(), 1);
        EXPECT_LE(cells[i].at("rank").get<double>(), 15);
        ++i;
      }
    }
  }
  EXPECT_NE(to_table(report).find("tq2"), std::string::npos);
  EXPECT_NE(to_html(report).find("turboquant.needle/1"), std::string::npos);
}

/// A report of one task, one length and `trials` trials.
NeedleReport report_of(std::vector<bool> base, std::vector<bool> level) {
  NeedleReport report;
  report.tasks = {NeedleTask::kPassKey};
  report.lengths = {512};
  report.depths = 1;
  report.trials = base.size();
  report.candidates = 15;
  const auto row = [](const std::vector<bool>& right) {
    NeedleCell cell{NeedleTask::kPassKey, 512, 0.5, 0, 0, 0, 0};
    for (const bool one : right) cell.first += (one ? 1.0 : 0.0) / static_cast<double>(right.size());
    return NeedleRow{{}, {cell}, right};
  };
  report.base = row(base);
  report.rows = {row(level)};
  report.rows[0].level.kv = "tq2";
  return report;
}

TEST(NeedleSummary, a_loss_is_named_only_where_the_sign_test_sees_one) {
  const auto says = [](const NeedleReport& report, const char* words) {
    for (const std::string& sentence : summary_in_words(report)) {
      EXPECT_TRUE(sentence.ends_with('.')) << sentence;
      if (sentence.find(words) != sentence.npos) return true;
    }
    return false;
  };
  const std::vector<bool> all(8, true);
  std::vector<bool> four = all, five = all;
  std::fill_n(four.begin(), 4, false);
  std::fill_n(five.begin(), 5, false);
  EXPECT_TRUE(says(report_of(all, four), "no loss seen")) << "4 of 4: two standard errors";
  EXPECT_TRUE(says(report_of(all, five), "worse than the base, of 8 trials: tq2 (5 lost, 0 gained)"));
  EXPECT_TRUE(says(report_of(five, five), "cannot show")) << "the base is right in 3 of 8";
  EXPECT_FALSE(says(report_of(all, five), "cannot show"));
}

TEST(Needle, what_cannot_be_asked_for_is_refused_before_anything_runs) {
  const auto refuse = [](const NeedleOptions& options, const char* why) {
    bool ran = false;
    const auto report = search(options, [&](std::uint64_t, std::uint64_t) { return ran = true; });
    ASSERT_FALSE(report.has_value()) << why;
    EXPECT_EQ(report.error().code, ErrorCode::kUsage);
    EXPECT_NE(report.error().message.find(why), std::string::npos) << report.error().message;
    EXPECT_FALSE(ran);
  };
  refuse({.lengths = {30}}, "no room");
  refuse({.lengths = {5000}}, "trained for");
  refuse({.kv = {"tq10"}, .lengths = {200}}, "tq10");
  refuse({.lengths = {200}, .trials = 0}, "one trial");
}

TEST(Needle, stops_when_it_is_told_to) {
  const auto report = search({.kv = {"tq2"}, .lengths = {200}, .depths = 1, .trials = 1},
                             [](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace tq
