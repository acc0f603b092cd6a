// The tokenizer.bin of llama2.c.
#pragma once

#include <cstddef>
#include <span>

#include "text/score_bpe.h"

namespace tq {

/// The file does not say how many tokens it has. It must have at least those that llama2.c takes for granted (unknown,
/// BOS, EOS and 256 bytes), and one as long as its header says; so a file that is cut off is refused unless the cut
/// leaves whole tokens and the longest among them. kBadFile, with `name` in front. Any bytes are safe.
Result<ScoreBpeParts> read_llama2c_vocabulary(std::span<const std::byte> bytes, std::string_view name);

}  // namespace tq
