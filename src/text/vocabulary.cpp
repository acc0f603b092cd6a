#include "text/vocabulary.h"

#include <charconv>

#include "formats/message.h"

namespace tq {
namespace {

bool is_written_like_control(std::string_view text) {
  const bool ascii = text.size() > 4 && text.starts_with("<|") && text.ends_with("|>");
  const bool full_width = text.size() > 8 && text.starts_with("<｜") && text.ends_with("｜>");
  return ascii || full_width;
}

Result<void> check_id(const char* what, std::optional<TokenId> id, std::size_t count, std::string_view name) {
  if (!id || (*id >= 0 && static_cast<std::size_t>(*id) < count)) return {};
  return bad_file(name, "the {} token has the id {}, and the vocabulary ends at {}", what, *id, count - 1);
}

}  // namespace

Result<void> check_vocabulary(Vocabulary& vocabulary, std::string_view name) {
  const std::size_t count = vocabulary.tokens.size();
  if (count == 0) return bad_file(name, "the vocabulary has no tokens");
  if (count > kMaxTokens)
    return bad_file(name, "the vocabulary has {} tokens; no model has more than {}", count, kMaxTokens);
  if (auto ok = check_id("BOS", vocabulary.bos, count, name); !ok) return ok;
  if (auto ok = check_id("EOS", vocabulary.eos, count, name); !ok) return ok;
  if (auto ok = check_id("unknown", vocabulary.unknown, count, name); !ok) return ok;
  TokenIndex seen;
  seen.reserve(count);
  std::size_t added_bytes = 0;
  for (std::size_t id = 0; id < count; ++id) {
    Token& token = vocabulary.tokens[id];
    if (token.text.size() > kMaxTokenBytes) {
      return bad_file(name, "the token {} has {} bytes; no model has one of more than {}", id, token.text.size(),
                      kMaxTokenBytes);
    }
    if (token.kind == TokenKind::kUserDefined && is_written_like_control(token.text)) token.kind = TokenKind::kControl;
    if (token.text.empty()) token.kind = TokenKind::kUnused;
    if (token.kind == TokenKind::kUnused) continue;
    if (is_added(token.kind)) added_bytes += token.text.size();
    const auto [first, is_new] = seen.emplace(token.text, static_cast<TokenId>(id));
    if (!is_new) return bad_file(name, "the tokens {} and {} are both {}", first->second, id, in_quotes(token.text));
  }
  if (added_bytes > kMaxAddedBytes) {
    return bad_file(name, "its control and user-defined tokens have {} bytes together; no model has more than {}",
                    added_bytes, kMaxAddedBytes);
  }
  return {};
}

std::optional<std::uint8_t> byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  std::uint8_t byte = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, byte, 16);
  if (error != std::errc() || end != text.data() + 5) return std::nullopt;
  return byte;
}

}  // namespace tq
