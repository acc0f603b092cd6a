// What tokenizer_config.json says beside a vocabulary file that does not say it itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace tq {

struct TokenizerConfig {
  struct Added {
    Token token;  ///< control or user-defined
    TokenId id = 0;
  };
  std::string bos, eos;  ///< their texts; empty where it does not say
  /// A name of the table of pre-tokenizers, for files that do not say how text is cut: a key of our own.
  std::string pre_tokenizer;
  std::string tokenizer_class;
  bool adds_space_prefix = false;  ///< in front of a text
  std::optional<bool> adds_bos;
  std::vector<Added> added;

  /// `json` may be empty. kBadFile, with `name` in front.
  static Result<TokenizerConfig> read(std::string_view json, std::string_view name);

  /// Puts its tokens into the vocabulary, BOS and EOS among them. An id may follow the last one, or leave a gap of at
  /// most kMaxGap ids. kBadFile, with `name` in front, when an id has another text already.
  Result<void> add_to(Vocabulary& vocabulary, std::string_view name) const;

  static constexpr std::size_t kMaxGap = 4096;
};

}  // namespace tq
