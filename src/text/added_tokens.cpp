#include "text/added_tokens.h"

#include "text/utf8.h"

namespace tq {
namespace {

/// Where the white space in front of `end` begins, at `from` at the earliest.
std::size_t white_space_before(std::string_view text, std::size_t from, std::size_t end) {
  while (end > from) {
    const Utf8Character last = last_utf8_character(text.substr(from, end - from));
    if (!is_white_space(last.code_point)) break;
    end -= last.size;
  }
  return end;
}

std::size_t white_space_behind(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const Utf8Character first = first_utf8_character(text.substr(begin));
    if (!is_white_space(first.code_point)) break;
    begin += first.size;
  }
  return begin;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const bool left = begin == 0 || !is_word_character(last_utf8_character(text.substr(0, begin)).code_point);
  const bool right = end == text.size() || !is_word_character(first_utf8_character(text.substr(end)).code_point);
  return left && right;
}

/// Whether a token is looked for in the normalized text. Control tokens never are: a normalizer that puts a space mark
/// in front would hide them from who writes them on purpose.
bool is_normalized(const Token& token) { return token.is_normalized && token.kind == TokenKind::kUserDefined; }

std::uint64_t edge(std::uint32_t node, char byte) {
  return std::uint64_t{node} << 8 | static_cast<unsigned char>(byte);
}

}  // namespace

void AddedTokens::add(const Token& token, std::string_view text, TokenId id) {
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint32_t& next = i == 0 ? roots_[static_cast<unsigned char>(text[0])] : children_[edge(node, text[i])];
    if (next == 0) {
      next = static_cast<std::uint32_t>(nodes_.size());  // at most kMaxAddedBytes
      nodes_.emplace_back();
    }
    node = next;
  }
  if (nodes_[node].id >= 0) return;
  nodes_[node] = {id, token.kind == TokenKind::kUserDefined, token.strips_left, token.strips_right,
                  token.is_single_word};
}

std::uint32_t AddedTokens::child(std::uint32_t node, char byte) const {
  const auto found = children_.find(edge(node, byte));
  return found == children_.end() ? 0 : found->second;
}

const AddedTokens::Node* AddedTokens::longest(std::string_view text, bool all, std::size_t& length) const {
  const Node* best = nullptr;
  std::uint32_t node = roots_[static_cast<unsigned char>(text[0])];
  for (std::size_t i = 1; node != 0; ++i) {
    if (nodes_[node].id >= 0 && (all || nodes_[node].is_user_defined)) {
      best = &nodes_[node];
      length = i;
    }
    if (i == text.size()) break;
    node = child(node, text[i]);
  }
  return best;
}

std::optional<AddedTokens::Match> AddedTokens::find(std::string_view text, std::size_t from, bool all) const {
  for (std::size_t i = from; i < text.size(); ++i) {
    std::size_t length = 0;
    const Node* node = longest(text.substr(i), all, length);
    if (node == nullptr) continue;
    if (node->is_single_word && !stands_alone(text, i, i + length)) {
      i += length - 1;
      continue;
    }
    Match match{i, i + length, node->id, node->is_user_defined};
    if (node->strips_left) match.begin = white_space_before(text, from, match.begin);
    if (node->strips_right) match.end = white_space_behind(text, match.end);
    return match;
  }
  return std::nullopt;
}

AddedTokens added_tokens(const Vocabulary& vocabulary) {
  AddedTokens added;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (is_added(token.kind) && !token.text.empty() && !is_normalized(token)) {
      added.add(token, token.text, static_cast<TokenId>(id));
    }
  }
  return added;
}

AddedTokens normalized_tokens(const Vocabulary& vocabulary,
                              const std::function<std::string(std::string_view)>& normalize) {
  AddedTokens added;
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (is_added(token.kind) && !token.text.empty() && is_normalized(token)) {
      const std::string text = normalize(token.text);
      if (!text.empty()) added.add(token, text, static_cast<TokenId>(id));
    }
  }
  return added;
}

}  // namespace tq
