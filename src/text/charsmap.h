// The precompiled character map of SentencePiece: which runs of characters become which.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"

namespace tq {

/// A double-array trie of UTF-8 keys (units as darts-clone packs them) whose values are offsets into replacements that
/// end with a zero byte. Any bytes are safe: a walk that leaves the array finds nothing.
class Charsmap {
 public:
  /// `blob`: the size of the trie in 32 bits, the trie, the replacements. kBadFile, with `name` in front.
  static Result<Charsmap> read(std::string_view blob, std::string_view name);

  /// From the left the longest key at each place is replaced; what has none stays.
  std::string apply(std::string_view text) const;

 private:
  /// Four times the longest key known, which bounds the work per byte.
  static constexpr std::size_t kMaxKeyBytes = 64;
  static constexpr std::size_t kMaxReplacementBytes = 1024;

  struct Match {
    std::size_t size = 0;
    std::string_view replacement;
  };
  std::optional<Match> longest(std::string_view text) const;
  std::optional<std::string_view> replacement(std::uint32_t offset) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace tq
