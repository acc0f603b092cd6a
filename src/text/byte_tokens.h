// Tokens like `<0x0A>`, in which SentencePiece spells what no piece does.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace tq {

class ByteTokens {
 public:
  /// kBadFile, with `name` in front, when a byte token is not spelled like one, or some text could not be said: the
  /// vocabulary has neither all 256 of them nor an unknown token.
  static Result<ByteTokens> read(const Vocabulary& vocabulary, std::string_view name);

  /// The bytes of `text`, or one unknown token where one of them has no token. That of `text` joins an unknown token
  /// right before it: `was_unknown` says whether there was one, and then whether there is.
  void append(std::string_view text, std::vector<TokenId>& ids, bool& was_unknown) const;

 private:
  std::array<TokenId, 256> ids_{};
  TokenId unknown_ = -1;
};

/// The text of each token: with spaces for marks, a byte for a byte token, and nothing for what is no text.
std::vector<std::string> read_sentencepiece_pieces(const Vocabulary& vocabulary);

}  // namespace tq
