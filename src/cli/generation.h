// What `tq run` and its conversations do with a session.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "cli/printable.h"
#include "turboquant/session.h"

namespace tq::cli {

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}
inline double per_second(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

/// Text goes to standard output as it comes, unless the JSON goes there.
class Output {
 public:
  explicit Output(bool silent);

  void put(std::string_view bytes) { show(stream_.put(bytes)); }
  /// Ends the line.
  void finish() { show(stream_.finish() + "\n"); }

 private:
  void show(const std::string& text) const;

  bool silent_;
  PrintableStream stream_;
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
