// All pieces of a vocabulary that begin at a place in a text, in one walk.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "turboquant/tokenizer.h"

namespace tq {

/// A tree of the bytes of pieces, breadth first: the children of a node lie side by side, their bytes ascending.
class PieceTrie {
 public:
  /// No piece is empty, none stands twice.
  explicit PieceTrie(std::vector<std::pair<std::string_view, TokenId>> pieces);

  /// Calls `found(size, id)` for each piece that `text` begins with, the shortest first.
  template <class Found>
  void walk(std::string_view text, Found&& found) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (nodes_[node].id >= 0) found(i + 1, nodes_[node].id);
    }
  }

 private:
  struct Node {
    TokenId id = -1;                        ///< the piece that ends here
    std::uint32_t first = 0, children = 0;  ///< where the children lie, and how many there are
    unsigned char byte = 0;
  };

  std::uint32_t child(std::uint32_t node, unsigned char byte) const;

  std::vector<Node> nodes_;
};

}  // namespace tq
