// How SentencePiece writes white space: as a mark inside the vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/vocabulary_tokenizer.h"

namespace tq {

/// U+2581, which stands for a space inside the vocabulary.
constexpr std::string_view kSpaceMark = "▁";

struct SpaceRules {
  enum class Prefix : std::uint8_t {
    kNever,
    kFirst,         ///< at the beginning of the text (Metaspace `first`)
    kAfterControl,  ///< there and behind control tokens, where SentencePiece would be called anew
    kEachStretch    ///< behind any added token (llama.cpp, Metaspace `always`, Prepend)
  };
  Prefix prefix = Prefix::kEachStretch;
  bool prefix_unless_space = false;  ///< not where there is a space already (Metaspace)
  bool removes_extra = false;        ///< runs of spaces become one, and those at the ends none
};

/// The stretch with marks for spaces, and one in front by the rules. Empty when no text is left.
std::string mark_spaces(const Stretch& stretch, const SpaceRules& rules);

/// `text` with one thing for another.
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace tq
