// Score-merged BPE, as SentencePiece made it for Llama 2 and as llama2.c has it.
#pragma once

#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace tq {

/// U+2581, which stands for a space inside the vocabulary.
constexpr std::string_view kSpaceMark = "▁";

struct ScoreBpeParts {
  /// A rank of a token that no merge makes.
  static constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

  Vocabulary vocabulary;             ///< kByte: `<0x0A>`; spaces are kSpaceMark
  std::vector<std::uint32_t> ranks;  ///< by id: neighbours that spell the token of the lowest rank merge first
  bool adds_space_prefix = true;     ///< a space before each stretch of text
};

/// Any two neighbours merge if the vocabulary has what they spell together. What no token spells becomes byte tokens,
/// or unknown tokens where the vocabulary has none; so does each byte that is not UTF-8. kBadFile, with `name` in
/// front, when it has neither.
Result<std::shared_ptr<const Tokenizer>> make_score_bpe(ScoreBpeParts parts, std::string_view name);

/// The highest score has rank 0; equal scores have equal ranks. kBadFile when a score is not a finite number.
Result<std::vector<std::uint32_t>> rank_scores(const std::vector<double>& scores, std::string_view name);

/// `text` with one thing for another.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace tq
