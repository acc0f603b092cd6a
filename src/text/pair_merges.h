// The merges of a file: which two tokens become which, the most urgent first.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/merge.h"
#include "text/vocabulary.h"

namespace tq {

using MergeList = std::vector<std::pair<std::string, std::string>>;  ///< spelled as the tokens are

class PairMerges {
 public:
  /// Of merges that stand twice the first counts. kBadFile, with `name` in front, when one names an unknown piece.
  static Result<PairMerges> read(const MergeList& merges, const TokenIndex& index, std::string_view name);

  std::optional<Merge> find(TokenId left, TokenId right) const {
    const auto found = table_.find(key(left, right));
    return found == table_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  static std::uint64_t key(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }

  std::unordered_map<std::uint64_t, Merge, SeededHash> table_;
};

/// "left right", as GGUF and older tokenizer.json write a merge. A piece may begin with a space. kBadFile without one.
Result<std::pair<std::string, std::string>> split_merge(std::string_view merge, std::string_view name);

}  // namespace tq
