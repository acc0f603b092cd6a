#include "text/score_bpe.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "formats/message.h"
#include "text/byte_tokens.h"
#include "text/utf8.h"
#include "text/vocabulary_tokenizer.h"

namespace tq {
namespace {

class ScoreBpe final : public VocabularyTokenizer {
 public:
  ScoreBpe(ScoreBpeParts parts, ByteTokens bytes, std::optional<PairMerges> merges)
      : VocabularyTokenizer(
            parts.vocabulary, read_sentencepiece_pieces(parts.vocabulary),
            [&](std::string_view text) { return replace_all(parts.normalizer.apply(text), " ", kSpaceMark); }),
        spaces_(parts.spaces),
        normalizer_(std::move(parts.normalizer)),
        bytes_(bytes),
        merges_(std::move(merges)),
        ranks_(std::move(parts.ranks)) {
    for (std::size_t id = 0; id < parts.vocabulary.tokens.size(); ++id) {
      const Token& token = parts.vocabulary.tokens[id];
      if (token.kind == TokenKind::kNormal) by_text_.emplace(token.text, static_cast<TokenId>(id));
    }
  }

  std::string kind() const override { return "llama"; }

  std::string decode(std::span<const TokenId> ids) const override {
    std::string text = VocabularyTokenizer::decode(ids);
    if (spaces_.prefix != SpaceRules::Prefix::kNever && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 private:
  std::optional<std::string> normalized(const Stretch& stretch) const override {
    if (normalizer_.is_empty()) return mark_spaces(stretch, spaces_);
    const std::string text = normalizer_.apply(stretch.text);
    return mark_spaces({text, stretch.before, stretch.behind}, spaces_);
  }

  void encode_text(std::string_view text, std::vector<TokenId>& ids) const override {
    Merger merger;
    while (!text.empty()) {
      const std::string_view part = text.substr(0, cut(text));
      text.remove_prefix(part.size());
      encode_part(part, merger, ids);
    }
  }

  /// Where a part ends whose positions fit 32 bits: all of it for any text below 1 GB.
  static std::size_t cut(std::string_view text) {
    constexpr std::size_t kMaxBytes = Merger::kMaxSymbols;
    if (text.size() <= kMaxBytes) return text.size();
    std::size_t end = kMaxBytes;
    while (end > kMaxBytes - 3 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return end;
  }

  void encode_part(std::string_view text, Merger& merger, std::vector<TokenId>& ids) const {
    merger.symbols.clear();
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t size = std::max<std::size_t>(utf8_character(text.substr(i)), 1);
      merger.symbols.push_back(
          {id_of(text.substr(i, size)), static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + size)});
      i += size;
    }
    if (merges_) {
      merger.merge([&](const Symbol& left, const Symbol& right) { return merges_->find(left.id, right.id); });
    } else {
      merger.merge([&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
        const TokenId id = id_of(text.substr(left.begin, right.end - left.begin));
        return id < 0 ? std::nullopt : std::optional(Merge{ranks_[static_cast<std::size_t>(id)], id});
      });
    }
    bool was_unknown = false;
    for (const Symbol& symbol : merger.symbols) {
      if (symbol.id >= 0) {
        ids.push_back(symbol.id);
        was_unknown = false;
      } else {
        bytes_.append(text.substr(symbol.begin, symbol.end - symbol.begin), ids, was_unknown);
      }
    }
  }

  TokenId id_of(std::string_view text) const {
    if (text.size() > kMaxTokenBytes) return -1;
    const auto found = by_text_.find(text);
    return found == by_text_.end() ? -1 : found->second;
  }

  SpaceRules spaces_;
  Normalizer normalizer_;
  ByteTokens bytes_;
  std::optional<PairMerges> merges_;
  std::vector<std::uint32_t> ranks_;
  TextMap<TokenId> by_text_;
};

/// The listed merges; nothing when ranks decide.
Result<std::optional<PairMerges>> read_merges(const ScoreBpeParts& parts, std::string_view name) {
  if (!parts.merges) return std::nullopt;
  // A user-defined token may have merges too, for words that only nearly spell it; no text may become a control token.
  const TokenIndex pieces = index_tokens(parts.vocabulary, [](TokenKind kind) { return kind != TokenKind::kUnused; });
  const TokenIndex forbidden = index_tokens(
      parts.vocabulary, [](TokenKind kind) { return kind == TokenKind::kControl || kind == TokenKind::kUnknown; });
  MergeList merges = *parts.merges;
  std::erase_if(merges, [&](const auto& merge) { return forbidden.contains(merge.first + merge.second); });
  Result<PairMerges> read = PairMerges::read(merges, pieces, name);
  if (!read) return fail(std::move(read));
  return std::move(*read);
}

}  // namespace

Result<std::vector<std::uint32_t>> rank_scores(const std::vector<double>& scores, std::string_view name) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (const std::size_t id : order) {
    if (!std::isfinite(scores[id])) return bad_file(name, "the score of token {} is not a finite number", id);
  }
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  std::vector<std::uint32_t> ranks(scores.size());
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && scores[order[i]] < scores[order[i - 1]]) ++rank;
    ranks[order[i]] = rank;
  }
  return ranks;
}

Result<std::shared_ptr<const Tokenizer>> make_score_bpe(ScoreBpeParts parts, std::string_view name) {
  assert(parts.merges || parts.ranks.size() == parts.vocabulary.tokens.size());
  if (Result<void> checked = check_vocabulary(parts.vocabulary, name); !checked) return fail(std::move(checked));
  const Result<ByteTokens> bytes = ByteTokens::read(parts.vocabulary, name);
  if (!bytes) return std::unexpected(bytes.error());
  Result<std::optional<PairMerges>> merges = read_merges(parts, name);
  if (!merges) return fail(std::move(merges));
  return std::make_shared<const ScoreBpe>(std::move(parts), *bytes, std::move(*merges));
}

}  // namespace tq
