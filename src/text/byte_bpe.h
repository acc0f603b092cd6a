// Byte-level BPE, as GPT-2, Llama 3 and Qwen have it.
#pragma once

#include <memory>
#include <string_view>

#include "text/normalizer.h"
#include "text/pair_merges.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace tq {

struct ByteBpeParts {
  Vocabulary vocabulary;
  MergeList merges;
  const PreTokenizerRow* pre_tokenizer = nullptr;
  bool merges_by_spelling = false;  ///< no list: neighbours that spell a token merge, that of the lowest id first
  bool ignore_merges = false;       ///< a word that is a token is taken whole
  bool adds_space_prefix = false;   ///< a space in front of each stretch that has none there
  Normalizer normalizer;
};

/// Bytes that are not UTF-8 form words of their own. Nothing is lost: decode(encode(x)) == x for any bytes, unless the
/// vocabulary lacks a byte (some lack those that UTF-8 never uses), which then reads as U+FFFD, or the text is
/// normalized. kBadFile, with `name` in front, when a merge names an unknown piece.
Result<std::shared_ptr<const Tokenizer>> make_byte_bpe(ByteBpeParts parts, std::string_view name);

}  // namespace tq
