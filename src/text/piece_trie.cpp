#include "text/piece_trie.h"

#include <algorithm>

namespace tq {

PieceTrie::PieceTrie(std::vector<std::pair<std::string_view, TokenId>> pieces) : nodes_(1) {
  std::ranges::sort(pieces);
  struct Range {
    std::uint32_t node = 0;
    std::size_t begin = 0, end = 0;  // of the sorted pieces below the node
  };
  std::vector<Range> level = {{0, 0, pieces.size()}};
  for (std::size_t depth = 0; !level.empty(); ++depth) {
    std::vector<Range> next;
    for (Range range : level) {
      if (range.begin < range.end && pieces[range.begin].first.size() == depth) {
        nodes_[range.node].id = pieces[range.begin++].second;
      }
      nodes_[range.node].first = static_cast<std::uint32_t>(nodes_.size());
      while (range.begin < range.end) {
        const auto byte = static_cast<unsigned char>(pieces[range.begin].first[depth]);
        std::size_t end = range.begin;
        while (end < range.end && static_cast<unsigned char>(pieces[end].first[depth]) == byte) ++end;
        next.push_back({static_cast<std::uint32_t>(nodes_.size()), range.begin, end});
        nodes_.push_back({.byte = byte});
        ++nodes_[range.node].children;
        range.begin = end;
      }
    }
    level = std::move(next);
  }
}

std::uint32_t PieceTrie::child(std::uint32_t node, unsigned char byte) const {
  const auto begin = nodes_.begin() + nodes_[node].first, end = begin + nodes_[node].children;
  const auto found = std::lower_bound(begin, end, byte, [](const Node& a, unsigned char b) { return a.byte < b; });
  return found == end || found->byte != byte ? 0 : static_cast<std::uint32_t>(found - nodes_.begin());
}

}  // namespace tq
