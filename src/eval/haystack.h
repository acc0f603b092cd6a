// Prompts in which a fact is hidden.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/needle.h"
#include "turboquant/tokenizer.h"

namespace tq::eval {

/// The right answer, seven that stand in the text for NeedleTask::kPairs, and seven that stand nowhere.
inline constexpr std::size_t kCandidates = 15;

/// `tokens` ends where the answers begin to differ; answers[0] is the right one. None is empty.
struct Riddle {
  std::vector<TokenId> tokens;
  std::vector<std::vector<TokenId>> answers;
};

class Haystack {
 public:
  Haystack(const Tokenizer& tokenizer, std::string_view text, NeedleStyle style);

  bool empty() const { return text_.empty(); }
  /// A prompt of `length` tokens whose fact stands as near to `depth` (0 … 1) as the next beginning of a line allows.
  /// The same for the same arguments. kUsage when facts and question leave no room for text.
  Result<Riddle> riddle(NeedleTask task, std::size_t length, double depth, std::uint64_t seed) const;

 private:
  std::vector<TokenId> encode(std::string_view text) const;
  void insert(std::vector<TokenId>& tokens, double depth, std::span<const TokenId> fact) const;

  const Tokenizer& tokenizer_;
  NeedleStyle style_;
  std::vector<TokenId> text_;
  std::vector<bool> ends_line_;  // by token id of the vocabulary
};

}  // namespace tq::eval
