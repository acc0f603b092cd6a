// Items of a task as tokens, and the rules by which an answer is chosen.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "turboquant/tasks.h"
#include "turboquant/tokenizer.h"

namespace tq::eval {

/// A context and one answer to it: tokens[from], tokens[from + 1], … are scored, each predicted by those before it.
/// There is at least one of either.
struct Candidate {
  std::vector<TokenId> tokens;
  std::size_t from = 0;
  std::size_t characters = 0, bytes = 0;  ///< of the answer's text, without the space before it

  std::span<const TokenId> context() const { return std::span(tokens).first(from); }
  std::span<const TokenId> answer() const { return std::span(tokens).subspan(from); }
};

struct Question {
  std::vector<Candidate> candidates;
  std::size_t answer = 0;
  bool answers_differ = false;  ///< else lengths say nothing
  bool shortened = false;       ///< a context lost its beginning

  /// Positions that its longest candidate needs in a cache; the last token is only predicted.
  std::size_t longest() const;
};

struct QuestionLimits {
  std::size_t context = 0, vocab_size = 0;
};

/// The text is tokenized as a whole, context and answer in one; spaces at the end of the context count to the answer.
/// The answer's tokens are those behind what the whole has in common with the tokens of the context alone, so a token
/// that reaches over the border is scored. BOS comes first where the tokenizer's rule says so, and BOS, or else the end
/// of a text, where nothing else is in front. A candidate that is too long loses its first tokens.
///
/// kUsage, with path and line, when an answer alone is too long or a token is not in the vocabulary.
Result<std::vector<Question>> make_questions(const Task& task, const Tokenizer& tokenizer,
                                             const QuestionLimits& limits);

enum class Rule : std::uint8_t { kLikelihood, kPerCharacter, kPerByte };
inline constexpr std::size_t kRules = 3;

/// Whether each rule chooses the right candidate, given the log-likelihood of each; the first of equals is chosen, and
/// none where one is not a number. A single candidate is right when all its tokens are the most likely ones.
std::array<bool, kRules> right_by_each_rule(const Question& question, std::span<const double> log_likelihoods,
                                            bool all_top);

}  // namespace tq::eval
