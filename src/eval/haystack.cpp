#include "eval/haystack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/random.h"

namespace tq::eval {
namespace {

constexpr std::array kNames = {"amber", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron"};

/// Five digits each, no two alike.
std::vector<std::string> numbers(std::size_t count, std::uint64_t& state) {
  std::set<std::uint64_t> drawn;
  std::vector<std::string> all;
  while (all.size() < count) {
    const auto number = static_cast<std::uint64_t>(10000 + next_uniform(state) * 90000);
    if (drawn.insert(number).second) all.push_back(fmt::format("{}", number));
  }
  return all;
}

/// A fact up to its number, which is also the question.
std::string beginning(NeedleTask task, NeedleStyle style, std::string_view name, bool asked) {
  if (style == NeedleStyle::kProse)
    return task == NeedleTask::kPassKey ? "\nThe pass key is" : fmt::format("\nThe number of {} is", name);
  const std::string variable = task == NeedleTask::kPassKey ? "PASS_KEY" : fmt::format("NUMBERS[\"{}\"]", name);
  return asked ? fmt::format("\nassert {} ==", variable) : fmt::format("\n{} =", variable);
}

std::string fact(NeedleTask task, NeedleStyle style, std::string_view name, const std::string& number) {
  return beginning(task, style, name, false) + " " + number + (style == NeedleStyle::kProse ? ".\n" : "\n");
}

}  // namespace

Haystack::Haystack(const Tokenizer& tokenizer, std::string_view text, NeedleStyle style)
    : tokenizer_(tokenizer), style_(style), text_(encode(text)) {
  ends_line_.resize(tokenizer.vocab_size());
  for (std::size_t id = 0; id < ends_line_.size(); ++id)
    ends_line_[id] = tokenizer.piece(static_cast<TokenId>(id)).ends_with('\n');
}

std::vector<TokenId> Haystack::encode(std::string_view text) const {
  return tokenizer_.encode(text, {.add_bos = false});
}

/// Behind the next token that ends a line; at the place itself, if none of the next 64 does.
void Haystack::insert(std::vector<TokenId>& tokens, double depth, std::span<const TokenId> fact) const {
  const auto place = static_cast<std::size_t>(depth * static_cast<double>(tokens.size()));
  std::size_t at = place;
  const auto ends = [&](std::size_t i) { return i == 0 || ends_line_[static_cast<std::size_t>(tokens[i - 1])]; };
  while (at < tokens.size() && at < place + 64 && !ends(at)) ++at;
  if (!ends(at)) at = place;
  tokens.insert(tokens.begin() + static_cast<std::ptrdiff_t>(at), fact.begin(), fact.end());
}

Result<Riddle> Haystack::riddle(NeedleTask task, std::size_t length, double depth, std::uint64_t seed) const {
  std::uint64_t state = derived_seed(seed, static_cast<std::uint64_t>(task));
  const std::vector<std::string> answers = numbers(kCandidates, state);
  const std::size_t n_facts = task == NeedleTask::kPairs ? kNames.size() : 1;
  const auto asked = static_cast<std::size_t>(next_uniform(state) * static_cast<double>(n_facts));

  Riddle riddle;
  const std::string question = beginning(task, style_, kNames[asked], true);
  for (const std::string& answer : answers) riddle.answers.push_back(encode(question + " " + answer));
  std::size_t shared = riddle.answers[0].size() - 1;
  for (const auto& answer : riddle.answers) {
    const auto differs = std::ranges::mismatch(riddle.answers[0], answer).in2 - answer.begin();
    if (&answer != riddle.answers.data()) shared = std::min(shared, static_cast<std::size_t>(differs));
    shared = std::min(shared, answer.size() - 1);
  }
  const std::vector<TokenId> tail(riddle.answers[0].begin(),
                                  riddle.answers[0].begin() + static_cast<std::ptrdiff_t>(shared));
  for (auto& answer : riddle.answers)
    answer.erase(answer.begin(), answer.begin() + static_cast<std::ptrdiff_t>(shared));

  std::vector<std::pair<double, std::vector<TokenId>>> facts;
  std::size_t used = tail.size() + (tokenizer_.adds_bos() ? 1 : 0);
  for (std::size_t i = 0; i < n_facts; ++i) {
    const std::size_t number = i == asked ? 0 : i < asked ? i + 1 : i;  // the others' are 1 … 7
    facts.emplace_back(i == asked ? depth : next_uniform(state),
                       encode(fact(task, style_, kNames[i], answers[number])));
    used += facts.back().second.size();
  }
  if (used + 16 > length)
    return fail(ErrorCode::kUsage,
                fmt::format("a length of {} tokens leaves no room for text: facts and question take {}", length, used));
  const auto offset = static_cast<std::size_t>(next_uniform(state) * static_cast<double>(text_.size()));
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; tokens.size() < length - used; ++i) tokens.push_back(text_[(offset + i) % text_.size()]);
  // The asked one last, or the others would move it.
  std::swap(facts[asked], facts.back());
  for (const auto& [at, words] : facts) insert(tokens, at, words);
  if (tokenizer_.adds_bos() && tokenizer_.bos()) riddle.tokens.push_back(*tokenizer_.bos());
  riddle.tokens.insert(riddle.tokens.end(), tokens.begin(), tokens.end());
  riddle.tokens.insert(riddle.tokens.end(), tail.begin(), tail.end());
  return riddle;
}

}  // namespace tq::eval
