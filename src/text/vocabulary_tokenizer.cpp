#include "text/vocabulary_tokenizer.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tq {
namespace {

/// Parts as one text, and the added tokens that may be cut out of it. Each search begins where the last one ended, so
/// that all of them together read the text twice.
class JoinedParts {
 public:
  JoinedParts(std::span<const TextPart> parts, const AddedTokens& added) : parts_(parts), added_(added) {
    for (const TextPart& part : parts) text_ += part.text;
  }

  std::string_view text() const { return text_; }

  /// The next one at or after `from`, which never goes back: user-defined ones anywhere, others in the parts that allow
  /// them. The leftmost counts, and of two that begin together the longer.
  std::optional<AddedTokens::Match> next(std::size_t from) {
    if (!has_searched_ || (anywhere_ && anywhere_->begin < from)) anywhere_ = added_.find(text_, from, false);
    has_searched_ = true;
    if (!special_ || special_->begin < from) find_special(from);
    if (!anywhere_ || !special_) return special_ ? special_ : anywhere_;
    if (anywhere_->begin != special_->begin) return anywhere_->begin < special_->begin ? anywhere_ : special_;
    return anywhere_->end > special_->end ? anywhere_ : special_;
  }

 private:
  void find_special(std::size_t from) {
    special_.reset();
    for (; part_ < parts_.size(); begin_ += parts_[part_++].text.size()) {
      const std::size_t end = begin_ + parts_[part_].text.size();
      if (!parts_[part_].parse_special || end <= from) continue;
      special_ = added_.find(std::string_view(text_).substr(0, end), std::max(begin_, from), true);
      if (special_) return;
    }
  }

  std::span<const TextPart> parts_;
  const AddedTokens& added_;
  std::string text_;
  std::optional<AddedTokens::Match> anywhere_, special_;
  bool has_searched_ = false;
  std::size_t part_ = 0, begin_ = 0;  ///< the part that is searched, and where it begins
};

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
    if (end > done)
      encode_stretch({text.substr(done, end - done), before, kind_of(match)}, options.parse_special, ids);
    if (!match) break;
    ids.push_back(match->id);
    done = match->end;
    before = kind_of(match);
  }
  return ids;
}

void VocabularyTokenizer::encode_stretch(const Stretch& stretch, bool all, std::vector<TokenId>& ids) const {
  const std::optional<std::string> changed = normalized(stretch);
  const std::string_view text = changed ? *changed : stretch.text;
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

std::vector<TokenId> VocabularyTokenizer::encode_parts(std::span<const TextPart> parts, bool add_bos) const {
  JoinedParts joined(parts, added_);
  const std::string_view text = joined.text();
  std::vector<TokenId> ids;
  if (add_bos && adds_bos_) ids.push_back(*bos_);
  Neighbour before = Neighbour::kNothing;
  for (std::size_t done = 0; done < text.size();) {
    const std::optional<AddedTokens::Match> match = joined.next(done);
    const std::size_t end = match ? match->begin : text.size();
    if (end > done) encode_stretch({text.substr(done, end - done), before, kind_of(match)}, false, ids);
    if (!match) break;
    ids.push_back(match->id);
    done = match->end;
    before = kind_of(match);
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
