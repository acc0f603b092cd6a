#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/units.h"

namespace tq::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

bool can_move_the_cursor() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

std::string progress_line(const std::string& label, std::uint64_t done, std::uint64_t total, double seconds,
                          std::size_t columns, Counted counted) {
  constexpr std::size_t kBarWidth = 24;
  const double share = total == 0 ? 0.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(share * kBarWidth);
  const bool predictable = share > 0.0 && seconds > 1.0;  // before that the estimate jumps about
  const std::string left = predictable ? duration_text(seconds * (1.0 - share) / share) + " left" : "";
  const bool bytes = counted == Counted::kBytes;
  const std::string amount = bytes ? bytes_text(done) + " of " + bytes_text(total) : fmt::format("{}/{}", done, total);
  std::string line = fmt::format("{}  [{:#<{}}{:-<{}}] {:3.0f} %  {}  {}", label, "", filled, "", kBarWidth - filled,
                                 100.0 * share, amount, left);
  line.resize(std::min(line.size(), columns));
  return line;
}

ProgressBar::ProgressBar(std::string label, Counted counted)
    : label_(std::move(label)), counted_(counted), visible_(can_move_the_cursor()), started_(Clock::now()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

void ProgressBar::update(std::uint64_t done, std::uint64_t total) {
  if (!visible_) return;
  const Clock::time_point now = Clock::now();
  constexpr double kLeastPause = 0.1;
  if (seconds_between(drawn_ ? last_drawn_ : started_, now) < kLeastPause) return;
  drawn_ = true;
  last_drawn_ = now;
  // One column stays free: a full last column makes some terminals wrap.
  fmt::print(stderr, "\r{}\x1b[K",
             progress_line(label_, done, total, seconds_between(started_, now), terminal_columns() - 1, counted_));
  std::fflush(stderr);
}

}  // namespace tq::cli
