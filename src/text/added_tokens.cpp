#include "text/added_tokens.h"

namespace tq {
namespace {

bool is_white(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::uint64_t edge(std::uint32_t node, char byte) {
  return std::uint64_t{node} << 8 | static_cast<unsigned char>(byte);
}

}  // namespace

AddedTokens::AddedTokens(const Vocabulary& vocabulary) : nodes_(1) {
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (is_added(token.kind) && !token.text.empty()) add(token, static_cast<TokenId>(id));
  }
}

void AddedTokens::add(const Token& token, TokenId id) {
  std::uint32_t node = 0;
  for (std::size_t i = 0; i < token.text.size(); ++i) {
    std::uint32_t& next =
        i == 0 ? roots_[static_cast<unsigned char>(token.text[0])] : children_[edge(node, token.text[i])];
    if (next == 0) {
      next = static_cast<std::uint32_t>(nodes_.size());  // at most kMaxAddedBytes
      nodes_.emplace_back();
    }
    node = next;
  }
  nodes_[node] = {id, token.kind == TokenKind::kUserDefined, token.strips_left, token.strips_right};
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
    Match match{i, i + length, node->id};
    while (node->strips_left && match.begin > from && is_white(text[match.begin - 1])) --match.begin;
    while (node->strips_right && match.end < text.size() && is_white(text[match.end])) ++match.end;
    return match;
  }
  return std::nullopt;
}

}  // namespace tq
