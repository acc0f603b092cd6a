#include "text/unigram.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "formats/message.h"
#include "text/byte_tokens.h"
#include "text/piece_trie.h"
#include "text/utf8.h"
#include "text/vocabulary_tokenizer.h"

namespace tq {
namespace {

constexpr double kUnknownPenalty = 10;

PieceTrie trie_of(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, TokenId>> pieces;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (token.kind == TokenKind::kNormal) pieces.emplace_back(token.text, static_cast<TokenId>(id));
  }
  return PieceTrie(std::move(pieces));
}

double lowest_score(const UnigramParts& parts) {
  double lowest = std::numeric_limits<double>::max();
  for (std::size_t id = 0; id < parts.scores.size(); ++id) {
    if (parts.vocabulary.tokens[id].kind == TokenKind::kNormal) lowest = std::min(lowest, parts.scores[id]);
  }
  return lowest == std::numeric_limits<double>::max() ? 0 : lowest;
}

class Unigram final : public VocabularyTokenizer {
 public:
  Unigram(UnigramParts parts, ByteTokens bytes)
      : VocabularyTokenizer(
            parts.vocabulary, read_sentencepiece_pieces(parts.vocabulary),
            [&](std::string_view text) { return replace_all(parts.normalizer.apply(text), " ", kSpaceMark); }),
        spaces_(parts.spaces),
        splits_at_spaces_(parts.splits_at_spaces),
        normalizer_(std::move(parts.normalizer)),
        bytes_(bytes),
        trie_(trie_of(parts.vocabulary)),
        unknown_score_(lowest_score(parts) - kUnknownPenalty),
        scores_(std::move(parts.scores)) {}

  std::string kind() const override { return "t5"; }

  std::string decode(std::span<const TokenId> ids) const override {
    std::string text = VocabularyTokenizer::decode(ids);
    if (spaces_.prefix != SpaceRules::Prefix::kNever && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 private:
  /// The best way to spell the text up to a place.
  struct Best {
    double score = 0;
    std::uint32_t size = 0;  ///< of its last piece; 0: none leads here
    TokenId id = -1;         ///< -1: the piece is a character that the vocabulary does not have
  };

  std::optional<std::string> normalized(const Stretch& stretch) const override {
    if (normalizer_.is_empty()) return mark_spaces(stretch, spaces_);
    const std::string text = normalizer_.apply(stretch.text);
    return mark_spaces({text, stretch.before, stretch.behind}, spaces_);
  }

  void encode_text(std::string_view text, std::vector<TokenId>& ids) const override {
    std::vector<Best> best;
    bool was_unknown = false;
    while (!text.empty()) {
      const std::size_t mark = splits_at_spaces_ ? text.find(kSpaceMark, 1) : text.npos;
      encode_word(text.substr(0, mark), best, ids, was_unknown);
      text.remove_prefix(std::min(mark, text.size()));
      if (splits_at_spaces_) was_unknown = false;
    }
  }

  void encode_word(std::string_view word, std::vector<Best>& best, std::vector<TokenId>& ids, bool& was_unknown) const {
    search(word, best);
    std::vector<std::size_t> ends;
    for (std::size_t end = word.size(); end > 0; end -= best[end].size) ends.push_back(end);
    for (std::size_t i = ends.size(); i-- > 0;) {
      const Best& last = best[ends[i]];
      if (last.id >= 0) {
        ids.push_back(last.id);
        was_unknown = false;
      } else {
        bytes_.append(word.substr(ends[i] - last.size, last.size), ids, was_unknown);
      }
    }
  }

  void search(std::string_view word, std::vector<Best>& best) const {
    best.assign(word.size() + 1, {});
    const auto offer = [&](std::size_t begin, std::size_t size, double score, TokenId id) {
      Best& there = best[begin + size];
      const double sum = best[begin].score + score;
      if (there.size == 0 || sum > there.score) there = {sum, static_cast<std::uint32_t>(size), id};
    };
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (i > 0 && best[i].size == 0) continue;  // within a character
      const std::size_t character = first_utf8_character(word.substr(i)).size;
      bool has_character = false;
      trie_.walk(word.substr(i), [&](std::size_t size, TokenId id) {
        has_character = has_character || size == character;
        offer(i, size, scores_[static_cast<std::size_t>(id)], id);
      });
      if (!has_character) offer(i, character, unknown_score_, -1);
    }
  }

  SpaceRules spaces_;
  bool splits_at_spaces_;
  Normalizer normalizer_;
  ByteTokens bytes_;
  PieceTrie trie_;
  double unknown_score_;
  std::vector<double> scores_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_unigram(UnigramParts parts, std::string_view name) {
  assert(parts.scores.size() == parts.vocabulary.tokens.size());
  if (Result<void> checked = check_vocabulary(parts.vocabulary, name); !checked) return fail(std::move(checked));
  for (std::size_t id = 0; id < parts.scores.size(); ++id) {
    if (!std::isfinite(parts.scores[id])) return bad_file(name, "the score of token {} is not a finite number", id);
  }
  const Result<ByteTokens> bytes = ByteTokens::read(parts.vocabulary, name);
  if (!bytes) return std::unexpected(bytes.error());
  return std::make_shared<const Unigram>(std::move(parts), *bytes);
}

}  // namespace tq
