// A context-free grammar over bytes, and where a text stands in it.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "turboquant/output_grammar.h"

namespace tq {

using ByteSet = std::bitset<256>;

/// Rules are numbers; each has alternatives, which are sequences of bytes and rules. Rule 0 is the text.
class Grammar final : public OutputGrammar {
 public:
  struct Symbol {
    enum class Kind : std::uint8_t { kEnd, kBytes, kRule } kind = Kind::kEnd;
    std::uint32_t index = 0;  ///< of a byte set or a rule
  };
  using Sequence = std::vector<Symbol>;

  std::uint32_t add_rule() {
    rules_.emplace_back();
    return static_cast<std::uint32_t>(rules_.size() - 1);
  }
  /// False beyond kMostSymbols.
  bool add_alternative(std::uint32_t rule, const Sequence& sequence);
  Symbol bytes(const ByteSet& set);
  static Symbol rule(std::uint32_t index) { return {Symbol::Kind::kRule, index}; }
  void append(std::string_view text, Sequence& sequence);

  /// Every rule has a finite text, and none begins with itself: the rest of a text can always be written, and following
  /// one ends.
  bool is_sound() const;

  std::span<const std::uint32_t> alternatives(std::uint32_t rule) const { return rules_[rule]; }
  const Symbol& symbol(std::uint32_t at) const { return symbols_[at]; }
  const ByteSet& set(std::uint32_t index) const { return sets_[index]; }

  static constexpr std::size_t kMostSymbols = std::size_t{1} << 20;

 private:
  /// Which rules have a finite text, or an empty one: found by repetition until nothing changes.
  std::vector<bool> derivable(bool only_empty) const;
  bool begins_with_itself(const std::vector<bool>& nullable) const;

  std::vector<std::vector<std::uint32_t>> rules_;  ///< where each alternative begins in symbols_
  std::vector<Symbol> symbols_;                    ///< alternatives, each with kEnd behind it
  std::vector<ByteSet> sets_;
};

}  // namespace tq
