// Byte-level BPE, as GPT-2, Llama 3 and Qwen have it.
#pragma once

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace tq {

struct ByteBpeParts {
  Vocabulary vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  ///< the most urgent first, spelled as the tokens are
  const PreTokenizerRow* pre_tokenizer = nullptr;
  bool ignore_merges = false;   ///< a word that is a token is taken whole
  bool normalizes_nfc = false;  ///< text is brought to normalization form C first
};

/// Bytes that are not UTF-8 form words of their own. Nothing is lost: decode(encode(x)) == x for any bytes, unless the
/// vocabulary lacks a byte (some lack those that UTF-8 never uses), which then reads as U+FFFD, or the text is
/// normalized. Of merges that stand twice the first counts. kBadFile, with `name` in front, when a merge names an
/// unknown piece.
Result<std::shared_ptr<const Tokenizer>> make_byte_bpe(ByteBpeParts parts, std::string_view name);

/// "left right", as GGUF and older tokenizer.json write a merge. A piece may begin with a space. kBadFile without one.
Result<std::pair<std::string, std::string>> split_merge(std::string_view merge, std::string_view name);

}  // namespace tq
