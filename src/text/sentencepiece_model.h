// The tokenizer.model of SentencePiece.
#pragma once

#include <memory>
#include <string_view>

#include "text/tokenizer_config.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// Whether a file begins as one does: with a message in which a piece begins. No other tokenizer does.
bool is_sentencepiece_model(std::string_view bytes);

/// Models of the types BPE and unigram, with their normalizer. kBadFile, with `name` in front, for bytes that are
/// damaged or do not fit each other; kUsage for a type or a setting that is not built. Any bytes are safe.
Result<std::shared_ptr<const Tokenizer>> read_sentencepiece_model(std::string_view bytes, const TokenizerConfig& config,
                                                                  std::string_view name);

}  // namespace tq
