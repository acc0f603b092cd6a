// Whether a text is Python, as the python3 of this machine says. It parses the text and never runs it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"

namespace tq::cli {

/// For each of `texts`, which continue `prompt`: does the code from the prompt's last unindented `def` or `class` (from
/// its beginning, if there is none) up to the first written line that stands at the left edge again parse? Where no
/// line does, a last line without its end is left out. kFailed when there is no python3, or it does not answer within
/// 20 seconds.
Result<std::vector<bool>> python_parses(std::string_view prompt, std::span<const std::string> texts);

}  // namespace tq::cli
