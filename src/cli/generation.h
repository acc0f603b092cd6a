// What `tq run` and its conversations do with a session.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/output_grammar.h"
#include "turboquant/session.h"
#include "turboquant/tokenizer.h"

namespace tq::cli {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
inline double per_second(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

/// Text goes to standard output as it comes, unless the JSON goes there. On a terminal it is made printable, so parts
/// must not end within a character.
class Output {
 public:
  explicit Output(bool silent);

  void put(std::string_view text) const;
  /// Ends the line.
  void finish() const { put("\n"); }

 private:
  bool silent_, is_terminal_;
};

/// What --json-schema asks of an answer. Default: nothing.
class AnswerSchema {
 public:
  AnswerSchema() = default;
  /// Of the schema in the file at `path`; nothing where it is empty. `ends` are the tokens that end an answer.
  static Result<AnswerSchema> open(const std::string& path, const Tokenizer& tokenizer, std::size_t vocab_size,
                                   std::vector<TokenId> ends);
  /// Begins an answer.
  void restart();
  /// Leaves the logits of tokens alone that may come next. kFailed when there is none.
  Result<void> mask(std::span<float> logits);
  void accept(TokenId token);
  /// The answer is complete, and nothing may follow.
  bool is_done() const { return constraint_ && constraint_->must_end(); }

 private:
  std::shared_ptr<const OutputGrammar> grammar_;
  std::optional<OutputConstraint> constraint_;
  std::vector<std::string> pieces_;
  std::vector<TokenId> ends_;
};

/// Batch by batch, so that Ctrl-C and the bar are looked after.
/// kInterrupted after Ctrl-C; the tokens read so far stay in the session then.
Result<void> read_through(Session& session, std::span<const TokenId> tokens, std::size_t batch,
                          std::span<float> logits);

/// Makes room in a full context: keeps the first tokens and the younger half of the others, which are read again, since
/// what they are coded from depends on their positions and on what was dropped.
Result<void> shift_context(Session& session, std::size_t keep);

/// How many tokens two sequences begin with alike.
std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b);

/// "4.25 bits", or "4.25 and 3.25 bits" for a cache of two codecs.
std::string bits_text(const CacheFootprint& cache, const std::string& kv);

}  // namespace tq::cli
