// How the readers say what is wrong with a file.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "turboquant/result.h"

namespace tq {

/// `NAME: what is wrong`, as kBadFile.
template <class... Args>
std::unexpected<Error> bad_file(std::string_view name, fmt::format_string<Args...> what, Args&&... args) {
  return fail(ErrorCode::kBadFile, fmt::format("{}: {}", name, fmt::format(what, std::forward<Args>(args)...)));
}

/// A name out of a file, in quotes; a long one is cut, since a message is one line.
inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  return text.size() <= kLongest ? fmt::format("'{}'", text) : fmt::format("'{}…'", text.substr(0, kLongest));
}

}  // namespace tq
