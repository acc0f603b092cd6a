#include "text/vocabulary_tokenizer.h"

#include <utility>

namespace tq {
namespace {

Neighbour kind_of(const std::optional<AddedTokens::Match>& match) {
  if (!match) return Neighbour::kNothing;
  return match->is_user_defined ? Neighbour::kUserDefined : Neighbour::kControl;
}

}  // namespace

VocabularyTokenizer::VocabularyTokenizer(const Vocabulary& vocabulary, std::vector<std::string> pieces,
                                         const std::function<std::string(std::string_view)>& normalize)
    : added_(added_tokens(vocabulary)),
      normalized_added_(normalized_tokens(vocabulary, normalize)),
      pieces_(std::move(pieces)),
      bos_(vocabulary.bos),
      eos_(vocabulary.eos),
      adds_bos_(vocabulary.adds_bos && vocabulary.bos) {}

std::vector<TokenId> VocabularyTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<TokenId> ids;
  if (options.add_bos && adds_bos_) ids.push_back(*bos_);
  std::size_t done = 0;
  Neighbour before = Neighbour::kNothing;
  while (done < text.size()) {
    const std::optional<AddedTokens::Match> match = added_.find(text, done, options.parse_special);
    const std::size_t end = match ? match->begin : text.size();
    if (end > done) {
      const Stretch stretch{text.substr(done, end - done), before, kind_of(match)};
      const std::optional<std::string> changed = normalized(stretch);
      encode_normalized(changed ? *changed : stretch.text, options.parse_special, ids);
    }
    if (!match) break;
    ids.push_back(match->id);
    done = match->end;
    before = kind_of(match);
  }
  return ids;
}

void VocabularyTokenizer::encode_normalized(std::string_view text, bool all, std::vector<TokenId>& ids) const {
  std::size_t done = 0;
  while (done < text.size()) {
    const std::optional<AddedTokens::Match> match =
        normalized_added_.is_empty() ? std::nullopt : normalized_added_.find(text, done, all);
    const std::size_t end = match ? match->begin : text.size();
    if (end > done) encode_text(text.substr(done, end - done), ids);
    if (!match) break;
    ids.push_back(match->id);
    done = match->end;
  }
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
