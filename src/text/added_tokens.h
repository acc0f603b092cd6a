// Tokens that are cut out of a text before anything else is done with it.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace tq {

/// A tree of their bytes. Of several that match, the leftmost counts, and of those the longest.
class AddedTokens {
 public:
  AddedTokens() : nodes_(1) {}
  /// `text` is how the token is spelled where it is looked for. Of two with the same text the first counts.
  void add(const Token& token, std::string_view text, TokenId id);
  bool is_empty() const { return nodes_.size() == 1; }

  struct Match {
    std::size_t begin = 0, end = 0;  ///< in the text, with the white space that the token takes along
    TokenId id = 0;
    bool is_user_defined = false;
  };
  /// The next one at or after `from`. `all`: control and unknown tokens too, not only the user-defined.
  std::optional<Match> find(std::string_view text, std::size_t from, bool all) const;

 private:
  struct Node {
    TokenId id = -1;  ///< the token that ends here
    bool is_user_defined = false, strips_left = false, strips_right = false, is_single_word = false;
  };

  const Node* longest(std::string_view text, bool all, std::size_t& length) const;
  std::uint32_t child(std::uint32_t node, char byte) const;

  std::vector<Node> nodes_;
  std::array<std::uint32_t, 256> roots_{};                                 ///< by the first byte; 0 is none
  std::unordered_map<std::uint64_t, std::uint32_t, SeededHash> children_;  ///< by node and byte
};

/// Control, unknown and user-defined tokens of a checked vocabulary that are looked for in the text as it comes.
AddedTokens added_tokens(const Vocabulary& vocabulary);
/// Those that are looked for in the normalized text, normalized themselves.
AddedTokens normalized_tokens(const Vocabulary& vocabulary,
                              const std::function<std::string(std::string_view)>& normalize);

}  // namespace tq
