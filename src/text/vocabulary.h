// The tokens of a model, before any algorithm.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/seeded_hash.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Twenty times the largest vocabulary; a hostile file of a few bytes must not ask for more.
constexpr std::size_t kMaxTokens = std::size_t{1} << 22;
/// Eight times the longest token known. It bounds the work per byte of text where a token is looked up by its text.
constexpr std::size_t kMaxTokenBytes = 4096;
/// Of all control and user-defined tokens together: fifty times what the most have. Each byte takes about fifty in
/// AddedTokens.
constexpr std::size_t kMaxAddedBytes = std::size_t{4} << 20;

enum class TokenKind : std::uint8_t {
  kNormal,       ///< made from text by merging
  kUnknown,      ///< stands for what the vocabulary cannot say
  kControl,      ///< found in text only with parse_special; gives no text
  kUserDefined,  ///< found in every text, before merging
  kUnused,       ///< an id without a text
  kByte          ///< `<0x0A>`: one byte
};

/// Whether it is cut out of a text as a whole, before anything else.
constexpr bool is_added(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown || kind == TokenKind::kUserDefined;
}

struct Token {
  std::string text;  ///< as the file spells it
  TokenKind kind = TokenKind::kUnused;
  bool strips_left = false, strips_right = false;  ///< takes the white space beside it along
  bool is_single_word = false;                     ///< only where no letter, mark, digit or `_` is beside it
  bool is_normalized = false;                      ///< user-defined: looked for in the normalized text
};

struct Vocabulary {
  std::vector<Token> tokens;
  std::optional<TokenId> bos, eos, unknown;
  bool adds_bos = false;
};

/// Checks what all vocabularies have in common: at least one token and not too many, none too long, special ids in
/// range, and no text twice (texts of unused tokens and empty ones aside, which are never looked up). A user-defined
/// token that is written like a control token (`<|…|>`) becomes one: files often forget to say so, and text from
/// outside must not reach it. kBadFile, with `name` in front.
Result<void> check_vocabulary(Vocabulary& vocabulary, std::string_view name);

/// Text → id of the tokens that `has` chooses by kind. The keys point into `vocabulary`.
using TokenIndex = std::unordered_map<std::string_view, TokenId, SeededHash>;
template <class Choice>
TokenIndex index_tokens(const Vocabulary& vocabulary, Choice&& has) {
  TokenIndex index;
  index.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (!token.text.empty() && has(token.kind)) index.emplace(token.text, static_cast<TokenId>(id));
  }
  return index;
}

/// The byte that a text like `<0x0A>` means.
std::optional<std::uint8_t> byte_of_token(std::string_view text);

}  // namespace tq
