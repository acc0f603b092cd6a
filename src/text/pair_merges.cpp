#include "text/pair_merges.h"

#include <array>

#include "formats/message.h"

namespace tq {

Result<PairMerges> PairMerges::read(const MergeList& merges, const TokenIndex& index, std::string_view name) {
  PairMerges result;
  result.table_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::array<std::string, 3> texts = {left, right, left + right};
    std::array<TokenId, 3> ids{};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto found = index.find(texts[i]);
      if (found == index.end()) {
        return bad_file(name, "the merge {} of {} and {} needs the piece {}, which the vocabulary does not have", rank,
                        in_quotes(left), in_quotes(right), in_quotes(texts[i]));
      }
      ids[i] = found->second;
    }
    result.table_.try_emplace(key(ids[0], ids[1]), Merge{static_cast<std::uint32_t>(rank), ids[2]});
  }
  return result;
}

Result<std::pair<std::string, std::string>> split_merge(std::string_view merge, std::string_view name) {
  const std::size_t space = merge.find(' ', 1);
  if (space == merge.npos || space + 1 == merge.size()) {
    return bad_file(name, "the merge {} must be two pieces with a space between them", in_quotes(merge));
  }
  return std::pair(std::string(merge.substr(0, space)), std::string(merge.substr(space + 1)));
}

}  // namespace tq
