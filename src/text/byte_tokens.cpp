#include "text/byte_tokens.h"

#include <algorithm>

#include "formats/message.h"
#include "text/spaces.h"

namespace tq {

Result<ByteTokens> ByteTokens::read(const Vocabulary& vocabulary, std::string_view name) {
  ByteTokens bytes;
  bytes.ids_.fill(-1);
  bytes.unknown_ = vocabulary.unknown.value_or(-1);
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (token.kind != TokenKind::kByte) continue;
    const auto byte = byte_of_token(token.text);
    if (!byte) return bad_file(name, "the byte token {} is {}, which is not like '<0x0A>'", id, in_quotes(token.text));
    bytes.ids_[*byte] = static_cast<TokenId>(id);
  }
  if (bytes.unknown_ < 0 && std::ranges::count(bytes.ids_, -1) > 0) {
    return bad_file(
        name,
        "the vocabulary has neither all 256 byte tokens nor an unknown token, so some text could not be said in it");
  }
  return bytes;
}

void ByteTokens::append(std::string_view text, std::vector<TokenId>& ids, bool& was_unknown) const {
  const auto has_token = [&](char byte) { return ids_[static_cast<unsigned char>(byte)] >= 0; };
  if (std::ranges::all_of(text, has_token)) {
    for (const char byte : text) ids.push_back(ids_[static_cast<unsigned char>(byte)]);
    was_unknown = false;
    return;
  }
  if (!was_unknown) ids.push_back(unknown_);
  was_unknown = true;
}

std::vector<std::string> read_sentencepiece_pieces(const Vocabulary& vocabulary) {
  std::vector<std::string> pieces(vocabulary.tokens.size());
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (token.kind == TokenKind::kNormal || token.kind == TokenKind::kUserDefined) {
      pieces[id] = replace_all(token.text, kSpaceMark, " ");
    }
    if (token.kind == TokenKind::kByte) pieces[id] = std::string(1, static_cast<char>(*byte_of_token(token.text)));
  }
  return pieces;
}

}  // namespace tq
