#include "eval/windows.h"

#include <fmt/format.h>

#include <algorithm>

namespace tq::eval {
namespace {

/// Whole windows alone, and BOS where it belongs.
Windows first_windows(Windows windows, const Tokenizer& tokenizer, std::size_t chunks) {
  const std::size_t count = chunks == 0 ? windows.count() : std::min(chunks, windows.count());
  windows.tokens.resize(count * windows.context);
  if (const auto bos = tokenizer.bos(); tokenizer.adds_bos() && bos) {
    for (std::size_t i = 0; i < count; ++i) windows.tokens[i * windows.context] = *bos;
  }
  return windows;
}

}  // namespace

Result<Windows> cut_windows(std::string_view text, const Tokenizer& tokenizer, std::size_t vocab_size,
                            std::size_t context, std::size_t chunks) {
  if (context < 3) {
    return fail(ErrorCode::kUsage, fmt::format("a window of {} tokens scores none; use at least 3", context));
  }
  Windows windows{tokenizer.encode(text), context};
  const std::size_t available = windows.tokens.size() / context;
  if (available == 0) {
    return fail(
        ErrorCode::kUsage,
        fmt::format("the text has {} tokens, fewer than one window of {}; use a longer text or a shorter window",
                    windows.tokens.size(), context));
  }
  windows = first_windows(std::move(windows), tokenizer, chunks);
  for (const TokenId token : windows.tokens) {
    if (token >= 0 && static_cast<std::size_t>(token) < vocab_size) continue;
    return fail(
        ErrorCode::kUsage,
        fmt::format("the text has the token {}, but the model's vocabulary ends at {}; use the model's own tokenizer",
                    token, vocab_size));
  }
  return windows;
}

Result<Windows> windows_of(std::vector<TokenId> tokens, const Tokenizer& tokenizer, std::size_t context,
                           std::size_t chunks) {
  return first_windows({std::move(tokens), context}, tokenizer, chunks);
}

}  // namespace tq::eval
