#include "cli/generation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/interrupt.h"
#include "cli/progress_bar.h"

namespace tq::cli {

Output::Output(bool silent) : silent_(silent), stream_(isatty(STDOUT_FILENO) == 1) {}

void Output::show(const std::string& text) const {
  if (silent_ || text.empty()) return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Result<void> read_through(Session& session, std::span<const TokenId> tokens, std::size_t batch,
                          std::span<float> logits) {
  ProgressBar bar("prompt");
  for (std::size_t begin = 0; begin < tokens.size(); begin += batch) {
    if (interrupted()) return fail(ErrorCode::kInterrupted, "interrupted");
    bar.update(begin, tokens.size());
    const auto part = tokens.subspan(begin, std::min(batch, tokens.size() - begin));
    const bool last = begin + part.size() == tokens.size();
    Result<void> done = session.append(part, last ? 1 : 0, last ? logits : std::span<float>{});
    if (!done) return done;
  }
  return {};
}

Result<void> shift_context(Session& session, std::size_t keep) {
  const std::vector<TokenId> tokens(session.tokens().begin(), session.tokens().end());
  const std::size_t kept = std::min(keep, tokens.size() - 1), dropped = (tokens.size() - kept + 1) / 2;
  session.truncate(kept);
  return session.append(std::span(tokens).subspan(kept + dropped), 0, {});
}

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

std::string bits_text(const CacheFootprint& cache, const std::string& kv) {
  return kv.find(':') == std::string::npos ? fmt::format("{:.2f} bits", cache.bits_k)
                                           : fmt::format("{:.2f} and {:.2f} bits", cache.bits_k, cache.bits_v);
}

}  // namespace tq::cli
