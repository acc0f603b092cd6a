// Tasks: files in every published layout, tokens at the border, and scores against sessions that are driven by hand.
#include "turboquant/tasks.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/statistics.h"
#include "eval/task_questions.h"
#include "support/python_text.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

using eval::Candidate;
using eval::make_questions;
using eval::Question;
using Texts = std::vector<std::string>;

const Tokenizer& tokenizer() {
  static const std::shared_ptr<const Tokenizer> opened = test::pycoder_tokenizer();
  return *opened;
}

Task task_of(const char* name, const std::string& jsonl) { return test::must(parse_task(name, jsonl, "f.jsonl")); }

TEST(TaskLayouts, every_published_layout_gives_the_prompts_of_the_harness) {
  struct Case {
    const char *task, *line;
    Texts contexts, continuations;
    std::size_t answer;
  };
  const Case cases[] = {
      {"lambada", R"({"text":"He saw the old dog"})", {"He saw the old"}, {" dog"}, 0},
      {"lambada", R"({"context":"He saw the old","continuation":"dog"})", {"He saw the old"}, {" dog"}, 0},
      {"hellaswag",
       R"({"activity_label":"Roof","ctx_a":"A man [title] sits.","ctx_b":"he IS","ctx":"x","endings":["is  up [step] now","b"],"label":"1"})",
       {"Roof: A man. sits. He is"},
       {" is up now", " b"},
       1},
      {"hellaswag",
       R"({"query":"Roof: A man","choices":["sits.","runs."],"gold":0})",
       {"Roof: A man"},
       {" sits.", " runs."},
       0},
      {"piqa",
       R"({"goal":"To cut","sol1":"saw","sol2":"glue","label":0})",
       {"Question: To cut\nAnswer:"},
       {" saw", " glue"},
       0},
      {"piqa",
       R"({"query":"Question: To cut\n","choices":["saw","glue"],"gold":1})",
       {"Question: To cut\nAnswer:"},
       {" saw", " glue"},
       1},
      {"arc-easy",
       R"({"id":"x","question":"Why?","choices":{"text":["a","b","c"],"label":["1","2","3"]},"answerKey":"3"})",
       {"Question: Why?\nAnswer:"},
       {" a", " b", " c"},
       2},
      {"arc-easy",
       R"({"question":{"stem":"Why?","choices":[{"text":"a","label":"A"},{"text":"b","label":"B"}]},"answerKey":"B"})",
       {"Question: Why?\nAnswer:"},
       {" a", " b"},
       1},
      {"winogrande",
       R"({"sentence":"Ann hit Bob as _ was rude.","option1":"Ann","option2":"Bob","answer":"2"})",
       {"Ann hit Bob as Ann", "Ann hit Bob as Bob"},
       {" was rude."},
       1},
      {"winogrande", R"({"context_options":["a","b"],"continuation":"was.","gold":0})", {"a", "b"}, {" was."}, 0},
      {"choices", R"({"context":"1 + 1 =","choices":["2"," 3"],"answer":0})", {"1 + 1 ="}, {"2", " 3"}, 0}};
  for (const Case& expected : cases) {
    const Task task = task_of(expected.task, "\n" + std::string(expected.line) + "\r\n");
    ASSERT_EQ(task.items.size(), 1U) << expected.line;
    const TaskItem& item = task.items[0];
    EXPECT_EQ(item.line, 2U);
    EXPECT_EQ(item.contexts, expected.contexts) << expected.line;
    EXPECT_EQ(item.continuations, expected.continuations) << expected.line;
    EXPECT_EQ(item.answer, expected.answer) << expected.line;
  }
}

TEST(TaskLayouts, what_is_no_item_is_refused_with_the_number_of_its_line) {
  const std::string sound = R"({"context":"a","choices":["b","c"],"answer":0})";
  struct Case {
    const char *task, *line, *words;
  };
  const Case cases[] = {
      {"choices", "{\"context\":\"a\"", "broken"},
      {"choices", "[1]", "object in braces"},
      {"choices", "{\"context\":\"\xff\"}", "broken"},
      {"choices", R"({"context":"a","answer":0})", "no field 'choices'"},
      {"choices", R"({"choices":["b","c"],"answer":0})", "no field 'context'"},
      {"choices", R"({"context":7,"choices":["b","c"],"answer":0})", "'context' is no text"},
      {"choices", R"({"context":"a","choices":["b",7],"answer":0})", "'choices' is no list of texts"},
      {"choices", R"({"context":"a","choices":["b"],"answer":0})", "fewer than two"},
      {"choices", R"({"context":"a","choices":["b"," "],"answer":0})", "empty"},
      {"choices", R"({"context":"a","choices":["b","c"],"answer":2})", "none of its 2 choices"},
      {"choices", R"({"context":"a","choices":["b","c"],"answer":-1})", "no whole number"},
      {"choices", R"({"context":"a","choices":["b","c"],"answer":"1x"})", "no number"},
      {"hellaswag", R"({"activity_label":"","ctx_a":"","ctx_b":"","endings":["a","b"],"label":""})",
       "with the answers"},
      {"hellaswag", R"({"goal":"a"})", "'endings' or 'query'"},
      {"winogrande", R"({"sentence":"a","option1":"b","option2":"c","answer":"1"})", "no gap"},
      {"winogrande", R"({"sentence":"_ a","option1":"b","option2":"c","answer":"0"})", "names no answer"},
      {"arc-easy", R"({"question":"q","choices":{"text":["a"],"label":[]},"answerKey":"A"})",
       "as many texts as labels"},
      {"arc-easy", R"({"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"C"})",
       "the label of a choice"},
      {"arc-easy", R"({"question":{"stem":"q"},"answerKey":"C"})", "no stem or no choices"},
      {"lambada", R"({"text":"word"})", "no last word"}};
  for (const Case& bad : cases) {
    const bool own = bad.task == std::string("choices");
    const auto task = parse_task(bad.task, own ? sound + "\n" + bad.line : "\n" + std::string(bad.line), "f.jsonl");
    ASSERT_FALSE(task.has_value()) << bad.line;
    EXPECT_EQ(task.error().code, ErrorCode::kBadFile);
    EXPECT_TRUE(task.error().message.starts_with("f.jsonl, line 2: ")) << task.error().message;
    EXPECT_NE(task.error().message.find(bad.words), std::string::npos) << task.error().message;
  }
  EXPECT_EQ(parse_task("choices", " \n\n", "f").error().code, ErrorCode::kBadFile);
  EXPECT_EQ(parse_task("mmlu", sound, "f").error().code, ErrorCode::kUsage);
  EXPECT_EQ(test::must(parse_task("choices", sound + "\n" + sound + "\nbroken", "f", 2)).items.size(), 2U)
      << "what is behind the limit is not read";
}

Candidate first_candidate(const char* context, const char* choice, std::size_t limit = 512) {
  Task task{"choices", "f", "", {}};
  task.items.push_back({1, {context}, {choice, " other"}, 0});
  return test::must(make_questions(task, tokenizer(), {limit, tokenizer().vocab_size()}))[0].candidates[0];
}

TEST(TaskTokens, the_whole_is_tokenized_and_what_reaches_over_the_border_is_scored) {
  const Candidate plain = first_candidate("def add(a, b):", " return");
  EXPECT_EQ(plain.tokens, tokenizer().encode("def add(a, b): return"));
  EXPECT_EQ(tokenizer().decode(plain.answer()), " return");
  EXPECT_EQ(plain.characters, 6U) << "the space is no part of an answer's length";

  const Candidate space = first_candidate("def add(a, b): ", "return");
  EXPECT_EQ(space.tokens, plain.tokens) << "spaces at the end of a context belong to the answer";
  EXPECT_EQ(space.from, plain.from);

  ASSERT_EQ(tokenizer().encode("x = return").size(), 3U);
  const Candidate over = first_candidate("x = ret", "urn");
  EXPECT_EQ(over.tokens, tokenizer().encode("x = return"));
  EXPECT_EQ(tokenizer().decode(over.answer()), " return") << "one token over the border";

  const Candidate alone = first_candidate("", "return");
  EXPECT_EQ(alone.from, 1U);
  EXPECT_EQ(alone.tokens[0], *tokenizer().bos()) << "something must predict the first token";

  const Candidate accents = first_candidate("x", " \xC3\xA9t\xC3\xA9");
  EXPECT_EQ(accents.characters, 3U);
  EXPECT_EQ(accents.bytes, 5U);
}

TEST(TaskTokens, a_long_context_loses_its_beginning_and_an_answer_never_does) {
  const Candidate whole = first_candidate("def add(a, b):", " return a"),
                  cut = first_candidate("def add(a, b):", " return a", 4);
  ASSERT_EQ(cut.tokens.size(), 5U) << "the last token is predicted and not read";
  EXPECT_TRUE(std::equal(cut.tokens.rbegin(), cut.tokens.rend(), whole.tokens.rbegin()));
  EXPECT_EQ(cut.answer().size(), whole.answer().size());
  Task task{"choices", "f", "", {}};
  task.items.push_back({7, {"a"}, {" one two three four", " b"}, 0});
  const auto refused = make_questions(task, tokenizer(), {2, tokenizer().vocab_size()});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_NE(refused.error().message.find("f, line 7: an answer alone is longer"), std::string::npos);
  EXPECT_FALSE(make_questions(task, tokenizer(), {512, 3}).has_value()) << "a token beyond the vocabulary";
}

TEST(TaskRules, length_decides_by_character_and_by_byte_and_a_nan_chooses_nothing) {
  Question question;
  question.candidates = {{{}, 0, 2, 2}, {{}, 0, 4, 8}, {{}, 0, 1, 1}};
  question.answers_differ = true;
  using Right = std::array<bool, 3>;
  const std::vector<double> logs = {-3, -6, -4};  // by character −1.5 −1.5 −4, by byte −1.5 −0.75 −4
  question.answer = 0;
  EXPECT_EQ(eval::right_by_each_rule(question, logs, false), (Right{true, true, false})) << "the first of equals";
  question.answer = 1;
  EXPECT_EQ(eval::right_by_each_rule(question, logs, false), (Right{false, false, true}));
  EXPECT_EQ(eval::right_by_each_rule(question, std::vector{-3.0, -6.0, std::nan("")}, true), Right{});
  Question last_word;
  last_word.candidates.resize(1);
  EXPECT_EQ(eval::right_by_each_rule(last_word, std::vector{-9.0}, true), (Right{true, false, false}));
  EXPECT_EQ(eval::right_by_each_rule(last_word, std::vector{-9.0}, false), Right{});
}

TEST(TaskRules, discordant_pairs_are_judged_by_the_exact_sign_test) {
  EXPECT_EQ(eval::sign_test(0, 0), 1);
  EXPECT_NEAR(eval::sign_test(5, 0), 2.0 / 32, 1e-12);
  EXPECT_NEAR(eval::sign_test(1, 3), 2 * (1.0 + 4.0) / 16, 1e-12);
  EXPECT_EQ(eval::sign_test(2, 2), 1);
}

constexpr const char* kItems =
    R"({"context":"def add(a, b):\n    \"\"\"Return the sum.\"\"\"\n    return","choices":[" a + b\n"," self._name_of_a_thing"," a"],"answer":0}
{"context":"import os\nimport","choices":[" sys\n\ndef main"," x = 1"],"answer":0}
{"context":"for i in range(10):\n    print","choices":["(i)\n"," class Foo"],"answer":1})";

double log_softmax_at(std::span<const float> logits, TokenId token) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - std::log(sum);
}

/// Log-likelihood of each candidate of an item, in a session of its own; `cut`: context, and answer but for its last
/// token, in one append() each.
std::vector<double> by_hand(const std::string& spec, const Question& question, bool cut) {
  static const std::shared_ptr<const Model> model = test::load(test::short_pycoder_gguf());
  const std::size_t vocab = model->config().vocab_size;
  std::vector<double> logs;
  for (const Candidate& candidate : question.candidates) {
    CacheSpec cache = test::must(CacheSpec::parse(spec));
    cache.k.seed = cache.v.seed = 1;
    const auto session = test::must(Session::create(model, {.cache = cache, .context = 64}));
    std::vector<float> logits;
    if (cut) {
      logits = test::logits_of(*session, candidate.context());
      const std::vector<float> rest =
          test::logits_of(*session, candidate.answer().first(candidate.answer().size() - 1));
      logits.insert(logits.end(), rest.begin(), rest.end());
    } else {
      logits = test::logits_of(*session, candidate.tokens);
    }
    double sum = 0;
    for (std::size_t i = candidate.from; i < candidate.tokens.size(); ++i)
      sum += log_softmax_at(std::span(logits).subspan((i - 1) * vocab, vocab), candidate.tokens[i]);
    logs.push_back(sum);
  }
  return logs;
}

TaskReport run(const std::vector<Task>& tasks, const Texts& kv, const Progress& progress = {}) {
  return test::must(run_tasks(test::must(TensorFile::open(test::short_pycoder_gguf())), tokenizer(), tasks,
                              {.kv = kv, .threads = 2}, progress));
}

TEST(Tasks, scores_are_those_of_a_session_for_each_answer_whatever_the_cache_keeps) {
  const Task all = task_of("choices", kItems);
  std::vector<Task> singles;  // the perplexity of one item tells its log-likelihood
  for (const TaskItem& item : all.items) {
    singles.push_back(all);
    singles.back().items = {item};
  }
  const Texts kv = {"f32", "tq3", "tq4+sink=2+recent=3", "tq3+center=mean"};
  const TaskReport report = run(singles, kv);
  const auto questions = test::must(make_questions(all, tokenizer(), {64, tokenizer().vocab_size()}));
  for (std::size_t r = 0; r < kv.size(); ++r) {
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const TaskScore& score = report.rows[r].scores[i];
      const std::vector<double> logs = by_hand(kv[r], questions[i], true);
      EXPECT_NEAR(std::log(score.perplexity), -logs[questions[i].answer], 1e-9)
          << kv[r] << " " << i << "; the same bits";
      const std::size_t best = static_cast<std::size_t>(std::ranges::max_element(logs) - logs.begin());
      EXPECT_EQ(score.acc.share, best == questions[i].answer ? 1 : 0) << kv[r] << " " << i;
      if (r > 0) continue;
      const std::vector<double> whole = by_hand(kv[r], questions[i], false);
      EXPECT_NEAR(std::log(score.perplexity), -whole[questions[i].answer], 1e-4)
          << "one pass over context and answer rounds otherwise";
    }
  }
}

TEST(Tasks, a_row_equal_to_the_base_loses_and_gains_nothing) {
  const TaskReport report = run({task_of("choices", kItems)}, {"f32", "tq1"});
  ASSERT_EQ(report.tasks.size(), 1U);
  EXPECT_EQ(report.tasks[0].items, 3U);
  EXPECT_NEAR(report.tasks[0].chance, (1.0 / 3 + 0.5 + 0.5) / 3, 1e-12);
  const TaskScore &base = report.base_row.scores[0], &same = report.rows[0].scores[0],
                  &damaged = report.rows[1].scores[0];
  EXPECT_EQ(same.acc.share, base.acc.share);
  EXPECT_EQ(same.acc.lost + same.acc.gained, 0U);
  EXPECT_EQ(same.acc.p_value, 1);
  EXPECT_EQ(same.ll_change, 0);
  EXPECT_EQ(same.ll_change_se, 0);
  EXPECT_NE(damaged.ll_change, 0);
  EXPECT_NEAR(base.acc.se, std::sqrt(base.acc.share * (1 - base.acc.share) / 2), 1e-12);
}

TEST(Tasks, a_last_word_is_right_when_the_model_would_say_it) {
  const std::vector<TokenId> prompt = tokenizer().encode("def add(a, b):\n    return a");
  const auto session = test::open_session(test::load(test::short_pycoder_gguf()));
  std::vector<float> logits(session->model().config().vocab_size);
  test::must(session->append(prompt, 1, logits));
  const auto top = static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin());
  Task task{"lambada", "f", "", {}};
  task.items.push_back({1, {"def add(a, b):\n    return a"}, {tokenizer().piece(top)}, 0});
  task.items.push_back({2, {"def add(a, b):\n    return a"}, {" zebra"}, 0});
  const TaskReport report = run({task}, {"f32"});
  EXPECT_EQ(report.base_row.scores[0].acc.share, 0.5);
  EXPECT_TRUE(std::isnan(report.base_row.scores[0].acc_norm.share));
  EXPECT_EQ(report.tasks[0].chance, 0);
}

TEST(Tasks, stopped_early_every_row_has_the_same_items) {
  const std::vector<Task> tasks = {task_of("choices", kItems)};
  std::uint64_t calls = 0, last = 0, end = 0;
  run(tasks, {"tq4", "tq4+recent=4"}, [&](std::uint64_t done, std::uint64_t total) {
    ++calls;
    last = done;
    end = total;
    return true;
  });
  EXPECT_EQ(last, end) << "the bar ends at 100 %";
  std::uint64_t seen = 0;
  const TaskReport partial =
      run(tasks, {"tq4", "tq4+recent=4"}, [&](std::uint64_t, std::uint64_t) { return ++seen < calls; });
  EXPECT_TRUE(partial.partial);
  EXPECT_EQ(partial.tasks[0].items, 2U);
  const auto none = run_tasks(test::must(TensorFile::open(test::short_pycoder_gguf())), tokenizer(), tasks, {},
                              [](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::kInterrupted);
}

TaskReport report_of(std::size_t lost, std::size_t gained, double base_share) {
  TaskReport report;
  report.model.name = "<b>|model";
  report.tasks = {{"piqa", "a|b.jsonl", "00", 1000, 9000, 0, 0.5}};
  report.base_row.scores.resize(1);
  report.base_row.scores[0].acc.share = base_share;
  report.base_row.scores[0].acc.se = 0.01;
  report.rows.resize(1);
  report.rows[0].level.kv = "tq2";
  report.rows[0].scores.resize(1);
  TaskAccuracy& acc = report.rows[0].scores[0].acc;
  acc = {0.6, 0.01, lost, gained, eval::sign_test(lost, gained)};
  return report;
}

TEST(TaskReports, words_claim_no_more_than_the_pairs_show) {
  const auto says = [](const TaskReport& report, const char* words) {
    for (const std::string& sentence : summary_in_words(report)) {
      EXPECT_TRUE(sentence.ends_with('.')) << sentence;
      if (sentence.find(words) != sentence.npos) return true;
    }
    return false;
  };
  EXPECT_TRUE(says(report_of(30, 8, 0.7), "worse than the base: tq2 (30 lost, 8 gained"));
  EXPECT_TRUE(says(report_of(8, 30, 0.7), "better than the base: tq2"));
  EXPECT_TRUE(says(report_of(30, 18, 0.7), "no difference seen"));
  EXPECT_TRUE(says(report_of(0, 0, 0.515), "not better than chance")) << "two standard errors";
  EXPECT_FALSE(says(report_of(0, 0, 0.525), "not better than chance"));
  TaskReport likelihoods = report_of(0, 0, 0.7);
  likelihoods.rows[0].scores[0].ll_change = -0.31;
  likelihoods.rows[0].scores[0].ll_change_se = 0.1;
  EXPECT_TRUE(says(likelihoods, "became less likely beyond chance (change of ln p): tq2 (-0.31 ± 0.1)"));
  likelihoods.tasks[0].items = 29;
  EXPECT_FALSE(says(likelihoods, "likely beyond chance")) << "too few items for a normal error";
  likelihoods.tasks[0].items = 1000;
  likelihoods.rows[0].scores[0].ll_change = -0.29;
  EXPECT_FALSE(says(likelihoods, "likely beyond chance")) << "within three errors";
}

TEST(TaskReports, the_forms_agree_and_what_is_unknown_is_null) {
  const TaskReport report = report_of(30, 8, 0.7);
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json.at("schema"), "turboquant.tasks/1");
  const auto& score = json.at("rows")[0].at("scores")[0];
  EXPECT_EQ(score.at("task"), "piqa");
  EXPECT_EQ(score.at("acc"), 0.6);
  EXPECT_EQ(score.at("acc_lost"), 30);
  EXPECT_TRUE(score.at("acc_norm").is_null() && score.at("acc_norm_lost").is_null());
  EXPECT_EQ(json.at("settings").at("tasks")[0].at("items"), 1000);
  EXPECT_NE(to_table(report).find("60.00"), std::string::npos);
  const std::string markdown = to_markdown(report);
  EXPECT_NE(markdown.find("\\<b\\>\\|model"), std::string::npos) << "a name is text";
  EXPECT_NE(markdown.find("| tq2 |"), std::string::npos) << markdown;
}

}  // namespace
}  // namespace tq
