// Lines from standard input, one at a time.
#pragma once

#include <optional>
#include <string>

#include "turboquant/result.h"

namespace tq::cli {

class LineReader {
 public:
  /// Without its end; nothing at the end of the input. kInterrupted after Ctrl-C, and reading may go on then; kUsage
  /// for a line above 64 MiB.
  Result<std::optional<std::string>> next();

 private:
  std::string waiting_;
  bool ended_ = false;
};

}  // namespace tq::cli
