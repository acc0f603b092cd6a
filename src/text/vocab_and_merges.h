// Byte-level BPE as two files: vocab.json, an object from token to id, and merges.txt, a merge a line.
#pragma once

#include <memory>
#include <string_view>

#include "text/tokenizer_config.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Neither file says how text is cut: that follows from the `tokenizer_class` of the config (GPT2Tokenizer,
/// CodeGenTokenizer, Qwen2Tokenizer), or its `pre_tokenizer`. `name` is that of vocab.json. kBadFile, with it in front,
/// for files that are damaged or do not fit each other; kUsage for another class or none. Any bytes are safe.
Result<std::shared_ptr<const Tokenizer>> read_vocab_and_merges(std::string_view vocab, std::string_view merges,
                                                               const TokenizerConfig& config, std::string_view name);

}  // namespace tq
