#include "cli/generation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/progress_bar.h"

namespace tq::cli {

Output::Output(bool silent) : silent_(silent), is_terminal_(isatty(STDOUT_FILENO) == 1) {}

void Output::put(std::string_view text) const {
  if (silent_ || text.empty()) return;
  const std::string safe = is_terminal_ ? printable(text) : std::string();
  if (is_terminal_) text = safe;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Result<AnswerSchema> AnswerSchema::open(const std::string& path, const Tokenizer& tokenizer, std::size_t vocab_size,
                                        std::vector<TokenId> ends) {
  AnswerSchema schema;
  if (path.empty()) return schema;
  const Result<std::string> text = read_text(path);
  if (!text) return std::unexpected(text.error());
  Result<std::shared_ptr<const OutputGrammar>> grammar = OutputGrammar::from_json_schema(*text, path);
  if (!grammar) return std::unexpected(grammar.error());
  schema.grammar_ = std::move(*grammar);
  schema.ends_ = std::move(ends);
  schema.pieces_.resize(vocab_size);
  for (std::size_t id = 0; id < vocab_size; ++id) schema.pieces_[id] = tokenizer.piece(static_cast<TokenId>(id));
  return schema;
}

void AnswerSchema::restart() {
  if (grammar_ != nullptr) constraint_.emplace(grammar_);
}

Result<void> AnswerSchema::mask(std::span<float> logits) {
  if (!constraint_ || constraint_->mask(pieces_, ends_, logits)) return {};
  return fail(ErrorCode::kFailed, "no token of the model goes on with a text that the JSON schema allows");
}

void AnswerSchema::accept(TokenId token) {
  if (constraint_) constraint_->accept(pieces_[static_cast<std::size_t>(token)]);
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
