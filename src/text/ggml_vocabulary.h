// Tokenizers in the metadata of GGUF files, under `tokenizer.ggml.`.
#pragma once

#include "text/byte_bpe.h"
#include "text/score_bpe.h"
#include "text/unigram.h"

namespace tq {

/// kBadFile when a list is missing, or its length or its values do not fit; kUsage for a pre-tokenizer that is not
/// built. Ids of -1 in 32 bits, as ggml writes them, mean that there is none.
Result<ByteBpeParts> read_ggml_byte_bpe(const Metadata& metadata, std::string_view name);
Result<ScoreBpeParts> read_ggml_score_bpe(const Metadata& metadata, std::string_view name);
Result<UnigramParts> read_ggml_unigram(const Metadata& metadata, std::string_view name);

}  // namespace tq
