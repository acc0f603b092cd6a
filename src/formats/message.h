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

/// A text out of a file, in quotes, as part of one line of UTF-8: a long one is cut between characters, and control
/// characters and bytes that are not UTF-8 become `\x0a`.
std::string in_quotes(std::string_view text);

/// Whether `text` can name a tensor or a file: UTF-8, not empty, no control characters.
bool is_name(std::string_view text);

}  // namespace tq
