#include "cli/line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "cli/interrupt.h"

namespace tq::cli {

Result<std::optional<std::string>> LineReader::next() {
  constexpr std::size_t kMost = std::size_t{64} << 20;
  std::size_t searched = 0;
  while (true) {
    if (const std::size_t end = waiting_.find('\n', searched); end != std::string::npos) {
      std::string line = waiting_.substr(0, end);
      waiting_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return line;
    }
    searched = waiting_.size();
    if (ended_) return waiting_.empty() ? std::nullopt : std::optional(std::exchange(waiting_, {}));
    if (waiting_.size() > kMost) return fail(ErrorCode::kUsage, "a line of standard input has more than 64 MiB");
    if (interrupted()) return fail(ErrorCode::kInterrupted, "interrupted");
    std::array<char, 65536> buffer;
    const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return fail(ErrorCode::kFailed, "cannot read standard input: " + std::generic_category().message(errno));
    ended_ = count == 0;
    waiting_.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace tq::cli
