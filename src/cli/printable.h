// Text from outside, made safe to show on a terminal: no byte of a file or a model may move the cursor or reorder a
// line.
#pragma once

#include <string>
#include <string_view>

namespace tq::cli {

/// One line: control characters (newlines too), bidirectional overrides and bytes that are not UTF-8 become `\x1b`,
/// `\u202e`, `\xff`.
std::string one_line(std::string_view text);

/// A stream of UTF-8 that arrives cut anywhere, as the pieces of tokens do.
class PrintableStream {
 public:
  /// `escaping`: escape as one_line() does, but keep \n and \t. Otherwise bytes pass unchanged.
  explicit PrintableStream(bool escaping) : escaping_(escaping) {}

  /// What can be shown now: whole characters. An incomplete one at the end waits for the next call.
  std::string put(std::string_view bytes);
  /// What still waits, at the end of the text.
  std::string finish();

 private:
  bool escaping_;
  std::string waiting_;
};

}  // namespace tq::cli
