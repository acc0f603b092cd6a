#include "turboquant/stop_strings.h"

#include <algorithm>
#include <utility>

namespace tq {
namespace {

/// How much of the end of `text` is the beginning of `stop`.
std::size_t begun(std::string_view text, std::string_view stop) {
  for (std::size_t size = std::min(text.size(), stop.size() - 1); size > 0; --size) {
    if (text.ends_with(stop.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  std::erase_if(strings_, [](const std::string& text) { return text.empty(); });
}

std::string StopStrings::put(std::string_view piece) {
  if (stopped()) return {};
  std::string text = std::exchange(waiting_, {});
  text += piece;
  std::size_t first = std::string::npos, held = 0;
  for (const std::string& stop : strings_) {
    const std::size_t at = text.find(stop);
    if (at < first || (at == first && at != std::string::npos && stop.size() > found_.size())) {
      first = at;
      found_ = stop;
    }
    held = std::max(held, begun(text, stop));
  }
  const std::size_t ready = stopped() ? first : text.size() - held;
  if (!stopped()) waiting_ = text.substr(ready);
  text.resize(ready);
  return text;
}

std::string StopStrings::finish() { return std::exchange(waiting_, {}); }

}  // namespace tq
