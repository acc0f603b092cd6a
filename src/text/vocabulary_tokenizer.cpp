#include "text/vocabulary_tokenizer.h"

#include <utility>

namespace tq {

VocabularyTokenizer::VocabularyTokenizer(const Vocabulary& vocabulary, std::vector<std::string> pieces)
    : added_(vocabulary),
      pieces_(std::move(pieces)),
      bos_(vocabulary.bos),
      eos_(vocabulary.eos),
      adds_bos_(vocabulary.adds_bos && vocabulary.bos) {}

std::vector<TokenId> VocabularyTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  if (options.add_bos && adds_bos_) ids.push_back(*bos_);
  std::size_t done = 0;
  while (done < text.size()) {
    const std::optional<AddedTokens::Match> match = added_.find(text, done, options.parse_special);
    const std::size_t end = match ? match->begin : text.size();
    if (end > done) encode_text(text.substr(done, end - done), ids);
    if (!match) break;
    ids.push_back(match->id);
    done = match->end;
  }
  return ids;
}

std::string VocabularyTokenizer::piece(TokenId id) const {
  return id >= 0 && static_cast<std::size_t>(id) < pieces_.size() ? pieces_[static_cast<std::size_t>(id)] : "";
}

std::string VocabularyTokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) text += piece(id);
  return text;
}

}  // namespace tq
