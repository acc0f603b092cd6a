// Text from outside, made safe to show on a terminal: no byte of a file or a model may move the cursor or reorder a
// line.
#pragma once

#include <string>
#include <string_view>

namespace tq::cli {

/// One line: control characters (newlines too), bidirectional overrides and bytes that are not UTF-8 become `\x1b`,
/// `\u202e`, `\xff`.
std::string one_line(std::string_view text);

/// Lines: the same, but \n and \t stay.
std::string printable(std::string_view text);

}  // namespace tq::cli
