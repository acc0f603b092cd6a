#include "eval/task_questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tq::eval {
namespace {

std::unexpected<Error> refuse(const Task& task, const TaskItem& item, std::string_view what) {
  return fail(ErrorCode::kUsage, fmt::format("{}, line {}: {}", task.path, item.line, what));
}

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

Candidate encode(const Tokenizer& tokenizer, std::string context, std::string answer) {
  Candidate candidate;
  const std::string_view named = std::string_view(answer).substr(answer.starts_with(' ') ? 1 : 0);
  candidate.characters = characters_of(named);
  candidate.bytes = named.size();

  const std::size_t end = context.find_last_not_of(" \t\n\r\f\v") + 1;  // npos + 1 is 0
  answer.insert(0, context, end);
  context.resize(end);
  const std::vector<TokenId> head = tokenizer.encode(context);
  candidate.tokens = tokenizer.encode(context + answer);
  candidate.from =
      static_cast<std::size_t>(std::ranges::mismatch(candidate.tokens, head).in1 - candidate.tokens.begin());
  const std::optional<TokenId> front = tokenizer.bos() ? tokenizer.bos() : tokenizer.eos();
  if (candidate.from == 0 && front) {
    candidate.tokens.insert(candidate.tokens.begin(), *front);
    candidate.from = 1;
  }
  return candidate;
}

}  // namespace

std::size_t Question::longest() const {
  std::size_t longest = 0;
  for (const Candidate& candidate : candidates) longest = std::max(longest, candidate.tokens.size() - 1);
  return longest;
}

Result<std::vector<Question>> make_questions(const Task& task, const Tokenizer& tokenizer,
                                             const QuestionLimits& limits) {
  std::vector<Question> questions;
  for (const TaskItem& item : task.items) {
    Question& question = questions.emplace_back();
    question.answer = item.answer;
    question.answers_differ = item.continuations.size() > 1;
    for (std::size_t i = 0; i < item.candidates(); ++i) {
      Candidate candidate = encode(tokenizer, item.contexts[item.contexts.size() > 1 ? i : 0],
                                   item.continuations[item.continuations.size() > 1 ? i : 0]);
      if (candidate.from == 0)
        return refuse(task, item, "nothing stands before an answer, and the tokenizer has no BOS");
      if (candidate.answer().empty()) return refuse(task, item, "an answer has no token of its own");
      for (const TokenId token : candidate.tokens) {
        if (token < 0 || static_cast<std::size_t>(token) >= limits.vocab_size)
          return refuse(task, item,
                        "it has a token that is not in the model's vocabulary; use the model's own tokenizer");
      }
      const std::size_t fed = candidate.tokens.size() - 1, excess = fed - std::min(fed, limits.context);
      if (excess >= candidate.from)
        return refuse(task, item,
                      fmt::format("an answer alone is longer than the context of {} tokens", limits.context));
      question.shortened = question.shortened || excess > 0;
      candidate.tokens.erase(candidate.tokens.begin(), candidate.tokens.begin() + static_cast<std::ptrdiff_t>(excess));
      candidate.from -= excess;
      question.candidates.push_back(std::move(candidate));
    }
  }
  if (questions.empty()) return fail(ErrorCode::kUsage, fmt::format("{}: the task has no items", task.path));
  return questions;
}

std::array<bool, kRules> right_by_each_rule(const Question& question, std::span<const double> log_likelihoods,
                                            bool all_top) {
  std::array<bool, kRules> right = {};
  if (std::ranges::any_of(log_likelihoods, [](double log) { return std::isnan(log); })) return right;
  if (log_likelihoods.size() == 1) return {all_top, false, false};
  for (std::size_t rule = 0; rule < kRules; ++rule) {
    std::vector<double> scores(log_likelihoods.begin(), log_likelihoods.end());
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const Candidate& candidate = question.candidates[i];
      if (rule == static_cast<std::size_t>(Rule::kPerCharacter)) scores[i] /= static_cast<double>(candidate.characters);
      if (rule == static_cast<std::size_t>(Rule::kPerByte)) scores[i] /= static_cast<double>(candidate.bytes);
    }
    right[rule] = static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin()) == question.answer;
  }
  return right;
}

}  // namespace tq::eval
