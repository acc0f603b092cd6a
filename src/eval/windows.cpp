#include "eval/windows.h"

#include <fmt/format.h>

#include <algorithm>

namespace tq::eval {

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
  const std::size_t count = chunks == 0 ? available : std::min(chunks, available);
  windows.tokens.resize(count * context);
  if (const auto bos = tokenizer.bos(); tokenizer.adds_bos() && bos) {
    for (std::size_t i = 0; i < count; ++i) windows.tokens[i * context] = *bos;
  }
  for (const TokenId token : windows.tokens) {
    if (token >= 0 && static_cast<std::size_t>(token) < vocab_size) continue;
    return fail(
        ErrorCode::kUsage,
        fmt::format("the text has the token {}, but the model's vocabulary ends at {}; use the model's own tokenizer",
                    token, vocab_size));
  }
  return windows;
}

}  // namespace tq::eval
