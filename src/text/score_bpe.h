// Byte-pair encoding over characters with marks for spaces: merged by score, as SentencePiece made it for Llama 2 and
// as llama2.c has it, or by a list of merges, as tokenizer.json has it for the same models.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "text/normalizer.h"
#include "text/pair_merges.h"
#include "text/spaces.h"
#include "text/vocabulary.h"

namespace tq {

struct ScoreBpeParts {
  Vocabulary vocabulary;             ///< kByte: `<0x0A>`; spaces are kSpaceMark
  std::vector<std::uint32_t> ranks;  ///< by id: neighbours that spell the token of the lowest rank merge first
  std::optional<MergeList> merges;   ///< instead of the ranks: only these merge
  Normalizer normalizer;             ///< before spaces are marked
  SpaceRules spaces;
};

/// By ranks, any two neighbours merge if the vocabulary has what they spell together. What no token spells becomes byte
/// tokens, or an unknown token for each run of it where the vocabulary has none; so does each byte that is not UTF-8.
/// kBadFile, with `name` in front, when it has neither.
Result<std::shared_ptr<const Tokenizer>> make_score_bpe(ScoreBpeParts parts, std::string_view name);

/// The highest score has rank 0; equal scores have equal ranks. kBadFile when a score is not a finite number.
Result<std::vector<std::uint32_t>> rank_scores(const std::vector<double>& scores, std::string_view name);

}  // namespace tq
