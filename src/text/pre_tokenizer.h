// How a text falls into words before byte-pair encoding, which never merges across them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"

namespace tq {

/// A row of THE table of pre-tokenizers, in pre_tokenizer_table.cpp.
struct PreTokenizerRow {
  std::vector<std::string_view> names;     ///< what `tokenizer.ggml.pre` calls it; the first is ours
  std::vector<std::string_view> patterns;  ///< as tokenizer.json writes them; each cuts what the ones before left
  bool ignore_merges = false;              ///< a word that is a token is taken whole, where the file does not say
  bool adds_bos = false;                   ///< likewise
};

/// Null when there is none of that name, or with exactly these patterns.
const PreTokenizerRow* find_pre_tokenizer(std::string_view name);
const PreTokenizerRow* find_pre_tokenizer(const std::vector<std::string>& patterns);
/// All names, for messages; and the first of each row.
std::string pre_tokenizer_names();
std::vector<std::string_view> pre_tokenizer_families();
/// A pattern of the table so that PCRE2 understands it and matches in linear time.
std::string_view pattern_for_pcre(std::string_view pattern);

/// The pattern of GPT-2, which tokenizer.json names only by a flag.
extern const std::string_view kGpt2Pattern;
/// Those of Punctuation in tokenizer.json, which has no pattern: runs (`Contiguous`), and each by itself (`Isolated`).
extern const std::string_view kPunctuationRuns, kPunctuationMarks;

/// Immutable; safe to share between threads.
class PreTokenizer {
 public:
  explicit PreTokenizer(const PreTokenizerRow& row);
  ~PreTokenizer();
  PreTokenizer(const PreTokenizer&) = delete;
  PreTokenizer& operator=(const PreTokenizer&) = delete;

  /// Calls `word` for each word of `utf8`, which must be valid; together they are the text. Takes linear time.
  void split(std::string_view utf8, const std::function<void(std::string_view)>& word) const;

 private:
  struct Patterns;
  std::unique_ptr<const Patterns> patterns_;
};

}  // namespace tq
