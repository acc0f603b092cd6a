// A text cut into windows, as llama-perplexity cuts it.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "turboquant/result.h"
#include "turboquant/tokenizer.h"

namespace tq::eval {

/// Consecutive windows of `context` tokens that do not overlap. What is left over at the end of the text is not used.
struct Windows {
  std::vector<TokenId> tokens;  ///< count() x context
  std::size_t context = 0;

  std::size_t count() const { return tokens.size() / context; }
  std::span<const TokenId> window(std::size_t index) const {
    return std::span(tokens).subspan(index * context, context);
  }
  /// Positions first_scored() … context − 2 of a window predict the token after them. The last one's successor is in
  /// the next window.
  std::size_t first_scored() const { return context / 2; }
  std::size_t end_scored() const { return context - 1; }
  std::size_t scored_per_window() const { return end_scored() - first_scored(); }
};

/// At most `chunks` windows; 0: all. BOS replaces the first token of each where the tokenizer adds one. kUsage when the
/// text is shorter than one window, the window scores no token, or a token is not below `vocab_size`.
Result<Windows> cut_windows(std::string_view text, const Tokenizer& tokenizer, std::size_t vocab_size,
                            std::size_t context, std::size_t chunks);

/// The windows of tokens that were cut elsewhere, with the same rule for BOS: at most `chunks` of them, 0: all.
Result<Windows> windows_of(std::vector<TokenId> tokens, const Tokenizer& tokenizer, std::size_t context,
                           std::size_t chunks);

}  // namespace tq::eval
