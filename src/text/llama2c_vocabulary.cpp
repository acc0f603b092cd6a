#include "text/llama2c_vocabulary.h"

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "formats/message.h"

namespace tq {
namespace {

constexpr std::size_t kUnknown = 0, kBos = 1, kEos = 2, kFirstByte = 3, kFirstNormal = kFirstByte + 256;

Result<void> classify(std::vector<Token>& tokens, std::string_view name) {
  if (tokens.size() < kFirstNormal) {
    return bad_file(
        name,
        "it ends after {} tokens, and the first {} are always there; it is cut off, or not a tokenizer of llama2.c",
        tokens.size(), kFirstNormal);
  }
  for (std::size_t id = kFirstByte; id < kFirstNormal; ++id) {
    if (byte_of_token(tokens[id].text) != static_cast<std::uint8_t>(id - kFirstByte)) {
      return bad_file(name, "the token {} is not '<0x{:02X}>', so this is not a tokenizer of llama2.c", id,
                      id - kFirstByte);
    }
    tokens[id].kind = TokenKind::kByte;
  }
  tokens[kUnknown].kind = TokenKind::kUnknown;
  // llama2.c writes line breaks around these two.
  tokens[kBos] = {.text = "<s>", .kind = TokenKind::kControl};
  tokens[kEos] = {.text = "</s>", .kind = TokenKind::kControl};
  return {};
}

}  // namespace

Result<ScoreBpeParts> read_llama2c_vocabulary(std::span<const std::byte> bytes, std::string_view name) {
  ByteReader reader(bytes);
  std::uint32_t longest = 0, longest_seen = 0;
  if (!reader.read(longest)) return bad_file(name, "it is cut off at byte {}", bytes.size());
  ScoreBpeParts parts;
  std::vector<double> scores;
  while (reader.remaining() > 0) {
    const std::size_t start = reader.position();
    float score = 0;
    std::uint32_t length = 0;
    std::string_view text;
    if (!reader.read(score) || !reader.read(length) || !reader.take(length, text)) {
      return bad_file(
          name, "the token {} at byte {} reaches beyond its {} bytes; it is cut off, or not a tokenizer of llama2.c",
          scores.size(), start, bytes.size());
    }
    if (scores.size() == kMaxTokens) return bad_file(name, "no model has more than {} tokens", kMaxTokens);
    longest_seen = std::max(longest_seen, length);
    scores.push_back(static_cast<double>(score));
    parts.vocabulary.tokens.push_back({.text = replace_all(text, " ", kSpaceMark), .kind = TokenKind::kNormal});
  }
  if (longest != longest_seen) {
    return bad_file(
        name, "its longest token has {} bytes, and the header says {}; it is cut off, or not a tokenizer of llama2.c",
        longest_seen, longest);
  }
  if (Result<void> classified = classify(parts.vocabulary.tokens, name); !classified)
    return fail(std::move(classified));
  Result<std::vector<std::uint32_t>> ranks = rank_scores(scores, name);
  if (!ranks) return fail(std::move(ranks));
  parts.ranks = std::move(*ranks);
  parts.vocabulary.bos = static_cast<TokenId>(kBos);
  parts.vocabulary.eos = static_cast<TokenId>(kEos);
  parts.vocabulary.unknown = static_cast<TokenId>(kUnknown);
  parts.vocabulary.adds_bos = true;
  return parts;
}

}  // namespace tq
