// The loop that all byte-pair encodings share: of all neighbours that may become one token, the best first.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "turboquant/tokenizer.h"

namespace tq {

/// A stretch of the text that is one token so far, in a list of them.
struct Symbol {
  TokenId id = -1;  ///< -1: no token; it may still become part of one
  std::uint32_t begin = 0, end = 0;
};

/// What two neighbours become, and how urgently: the lowest rank first.
struct Merge {
  std::uint32_t rank = 0;
  TokenId id = 0;
};

/// Merges the symbols of one word in O(n log n). Keeps its memory between words; not to be shared between threads.
class Merger {
 public:
  /// More symbols are cut into several words, so that positions fit 32 bits.
  static constexpr std::size_t kMaxSymbols = std::size_t{1} << 30;

  std::vector<Symbol> symbols;  ///< in: at most kMaxSymbols; out: what is left of them

  /// `rule(left, right)`: the Merge of two neighbours, or nothing. Of equal ranks the leftmost comes first.
  template <class Rule>
  void merge(const Rule& rule) {
    link();
    for (std::uint32_t i = 0; i + 1 < symbols.size(); ++i) consider(i, rule);
    std::make_heap(heap_.begin(), heap_.end(), is_later);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), is_later);
      const Candidate candidate = heap_.back();
      heap_.pop_back();
      if (is_stale(candidate)) continue;
      join(candidate);
      const std::size_t before = heap_.size();
      if (links_[candidate.left].previous != kNone) consider(links_[candidate.left].previous, rule);
      consider(candidate.left, rule);
      for (std::size_t n = before + 1; n <= heap_.size(); ++n) {
        std::push_heap(heap_.begin(), heap_.begin() + static_cast<std::ptrdiff_t>(n), is_later);
      }
    }
    std::erase_if(symbols, [](const Symbol& symbol) { return symbol.begin == symbol.end; });
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  struct Link {
    std::uint32_t previous = kNone, next = kNone;
  };
  struct Candidate {
    Merge merge;
    std::uint32_t left = 0;             // the index of the left symbol
    std::uint32_t middle = 0, end = 0;  // where the two ended when they were considered
  };

  static bool is_later(const Candidate& a, const Candidate& b) {
    return a.merge.rank != b.merge.rank ? a.merge.rank > b.merge.rank : a.left > b.left;
  }

  void link() {
    heap_.clear();
    links_.resize(symbols.size());
    for (std::uint32_t i = 0; i < links_.size(); ++i) {
      links_[i] = {i == 0 ? kNone : i - 1, i + 1 == links_.size() ? kNone : i + 1};
    }
  }

  template <class Rule>
  void consider(std::uint32_t left, const Rule& rule) {
    const std::uint32_t right = links_[left].next;
    if (right == kNone) return;
    if (const std::optional<Merge> merge = rule(symbols[left], symbols[right])) {
      heap_.push_back({*merge, left, symbols[left].end, symbols[right].end});
    }
  }

  /// One of the two has grown or was swallowed since. A swallowed symbol is empty.
  bool is_stale(const Candidate& candidate) const {
    const Symbol& left = symbols[candidate.left];
    const std::uint32_t right = links_[candidate.left].next;
    return left.begin == left.end || left.end != candidate.middle || right == kNone ||
           symbols[right].end != candidate.end;
  }

  void join(const Candidate& candidate) {
    Symbol& left = symbols[candidate.left];
    const std::uint32_t right = links_[candidate.left].next;
    left.id = candidate.merge.id;
    left.end = symbols[right].end;
    symbols[right].begin = symbols[right].end;
    links_[candidate.left].next = links_[right].next;
    if (links_[right].next != kNone) links_[links_[right].next].previous = candidate.left;
  }

  std::vector<Link> links_;
  std::vector<Candidate> heap_;
};

}  // namespace tq
