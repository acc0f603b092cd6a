// tq run --chat: a conversation.
#pragma once

#include "cli/run_options.h"

namespace tq::cli {

/// Until /exit, the end of the input, or two Ctrl-C at the prompt.
Result<void> chat(const RunChoice& choice);

}  // namespace tq::cli
