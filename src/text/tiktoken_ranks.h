// Rank files of tiktoken: a token a line, in base64, and its rank.
#pragma once

#include <memory>
#include <string_view>

#include "text/tokenizer_config.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Whether the first line is one of such a file.
bool is_tiktoken_ranks(std::string_view bytes);

/// The file has the ranks and nothing else, so how a text is cut and which control tokens follow is known from the
/// encoding, and that from the number of ranks (see kEncodings), unless the config names a pre-tokenizer. kBadFile,
/// with `name` in front, for lines that are damaged or do not fit each other; kUsage for an encoding that is not known.
/// Any bytes are safe.
Result<std::shared_ptr<const Tokenizer>> read_tiktoken_ranks(std::string_view bytes, const TokenizerConfig& config,
                                                             std::string_view name);

}  // namespace tq
