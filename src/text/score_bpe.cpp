#include "text/score_bpe.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numeric>

#include "formats/message.h"
#include "text/merge.h"
#include "text/utf8.h"
#include "text/vocabulary_tokenizer.h"

namespace tq {
namespace {

using ByteIds = std::array<TokenId, 256>;

Result<ByteIds> read_bytes(const Vocabulary& vocabulary, std::string_view name) {
  ByteIds bytes;
  bytes.fill(vocabulary.unknown.value_or(-1));
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (token.kind != TokenKind::kByte) continue;
    const auto byte = byte_of_token(token.text);
    if (!byte) return bad_file(name, "the byte token {} is {}, which is not like '<0x0A>'", id, in_quotes(token.text));
    bytes[*byte] = static_cast<TokenId>(id);
  }
  if (std::ranges::count(bytes, -1) > 0) {
    return bad_file(
        name,
        "the vocabulary has neither all 256 byte tokens nor an unknown token, so some text could not be said in it");
  }
  return bytes;
}

std::vector<std::string> read_pieces(const Vocabulary& vocabulary) {
  std::vector<std::string> pieces(vocabulary.tokens.size());
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (token.kind == TokenKind::kNormal) pieces[id] = replace_all(token.text, kSpaceMark, " ");
    if (token.kind == TokenKind::kUserDefined) pieces[id] = token.text;
    if (token.kind == TokenKind::kByte) pieces[id] = std::string(1, static_cast<char>(*byte_of_token(token.text)));
  }
  return pieces;
}

class ScoreBpe final : public VocabularyTokenizer {
 public:
  ScoreBpe(const ScoreBpeParts& parts, const ByteIds& bytes)
      : VocabularyTokenizer(parts.vocabulary, read_pieces(parts.vocabulary)),
        adds_space_prefix_(parts.adds_space_prefix),
        bytes_(bytes),
        ranks_(parts.ranks) {
    for (std::size_t id = 0; id < parts.vocabulary.tokens.size(); ++id) {
      const Token& token = parts.vocabulary.tokens[id];
      if (token.kind == TokenKind::kNormal) by_text_.emplace(token.text, static_cast<TokenId>(id));
    }
  }

  std::string kind() const override { return "llama"; }

  std::string decode(std::span<const TokenId> ids) const override {
    std::string text = VocabularyTokenizer::decode(ids);
    if (adds_space_prefix_ && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }

 private:
  void encode_text(std::string_view text, std::vector<TokenId>& ids) const override {
    Merger merger;
    bool is_first = true;
    while (!text.empty()) {
      const std::string_view part = text.substr(0, cut(text));
      text.remove_prefix(part.size());
      std::string marked = is_first && adds_space_prefix_ ? std::string(kSpaceMark) : std::string();
      marked += replace_all(part, " ", kSpaceMark);
      encode_marked(marked, merger, ids);
      is_first = false;
    }
  }

  /// Where a part ends whose positions fit 32 bits: all of it for any text below 300 MB.
  static std::size_t cut(std::string_view text) {
    constexpr std::size_t kMaxBytes = Merger::kMaxSymbols / kSpaceMark.size() - 1;
    if (text.size() <= kMaxBytes) return text.size();
    std::size_t end = kMaxBytes;
    while (end > kMaxBytes - 3 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return end;
  }

  void encode_marked(std::string_view text, Merger& merger, std::vector<TokenId>& ids) const {
    merger.symbols.clear();
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t size = std::max<std::size_t>(utf8_character(text.substr(i)), 1);
      merger.symbols.push_back(
          {id_of(text.substr(i, size)), static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + size)});
      i += size;
    }
    merger.merge([&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
      const TokenId id = id_of(text.substr(left.begin, right.end - left.begin));
      if (id < 0) return std::nullopt;
      const std::uint32_t rank = ranks_[static_cast<std::size_t>(id)];
      return rank == ScoreBpeParts::kNever ? std::nullopt : std::optional(Merge{rank, id});
    });
    for (const Symbol& symbol : merger.symbols) {
      if (symbol.id >= 0) {
        ids.push_back(symbol.id);
      } else {
        append_bytes(text.substr(symbol.begin, symbol.end - symbol.begin), ids);
      }
    }
  }

  TokenId id_of(std::string_view text) const {
    if (text.size() > kMaxTokenBytes) return -1;
    const auto found = by_text_.find(text);
    return found == by_text_.end() ? -1 : found->second;
  }

  void append_bytes(std::string_view text, std::vector<TokenId>& ids) const {
    for (const char byte : text) ids.push_back(bytes_[static_cast<unsigned char>(byte)]);
  }

  bool adds_space_prefix_;
  ByteIds bytes_;
  std::vector<std::uint32_t> ranks_;
  TextMap<TokenId> by_text_;
};

}  // namespace

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  for (std::size_t next = text.find(from); next != text.npos; next = text.find(from)) {
    result.append(text.substr(0, next)).append(to);
    text.remove_prefix(next + from.size());
  }
  return result.append(text);
}

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
  assert(parts.ranks.size() == parts.vocabulary.tokens.size());
  if (Result<void> checked = check_vocabulary(parts.vocabulary, name); !checked) return fail(std::move(checked));
  const Result<ByteIds> bytes = read_bytes(parts.vocabulary, name);
  if (!bytes) return std::unexpected(bytes.error());
  return std::make_shared<const ScoreBpe>(parts, *bytes);
}

}  // namespace tq
