// Tokenizers of Hugging Face: tokenizer.json, with tokenizer_config.json beside it.
#pragma once

#include <memory>
#include <string_view>

#include "turboquant/tokenizer.h"

namespace tq {

/// `config` may be empty. kBadFile, with `name` in front, for JSON that is damaged or does not fit itself, kUsage for a
/// model or a step that is not built.
Result<std::shared_ptr<const Tokenizer>> read_tokenizer_json(std::string_view json, std::string_view config,
                                                             std::string_view name);

}  // namespace tq
