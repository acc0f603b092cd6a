// The unigram model of SentencePiece (Kudo 2018, https://arxiv.org/abs/1804.10959): of all ways to spell a text in
// pieces, the one with the largest sum of scores.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "text/normalizer.h"
#include "text/spaces.h"
#include "text/vocabulary.h"

namespace tq {

struct UnigramParts {
  Vocabulary vocabulary;       ///< spaces are kSpaceMark
  std::vector<double> scores;  ///< by id: log probabilities; those of normal tokens count
  Normalizer normalizer;       ///< before spaces are marked
  SpaceRules spaces;
  bool splits_at_spaces = false;  ///< each mark begins a word of its own
};

/// Viterbi's algorithm, in time proportional to the text and to the length of the longest piece. Of equal sums the one
/// whose last piece is longest, and so on from the end, as SentencePiece has it. A character that no piece spells costs
/// the lowest score less 10, and becomes byte tokens, or an unknown token for each run of such. Sums are in double: in
/// float, as SentencePiece has them, thousands of characters on they no longer tell neighbours apart.
Result<std::shared_ptr<const Tokenizer>> make_unigram(UnigramParts parts, std::string_view name);

}  // namespace tq
