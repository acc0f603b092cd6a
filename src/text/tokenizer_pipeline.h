// The steps around the model of a tokenizer.json: normalizer, pre-tokenizer, post-processor.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/spaces.h"

namespace tq {

/// Two kinds are accepted: words by one of the table of pre-tokenizers in the byte-level alphabet, or marks for spaces,
/// as SentencePiece has them.
struct TokenizerPipeline {
  Normalizer normalizer;
  const PreTokenizerRow* pre_tokenizer = nullptr;  ///< null: marks for spaces
  bool adds_space_prefix = false;                  ///< of the byte-level kind
  SpaceRules spaces;                               ///< of the other
  bool splits_at_spaces = false;
  std::string first_token;  ///< put in front of each text; empty when there is none
};

/// `root` is the whole tokenizer.json. kUsage, with `name` in front, for a step that is not built.
Result<TokenizerPipeline> read_tokenizer_pipeline(simdjson::dom::object root, std::string_view name);

/// A field of an object, or of any element; false when it is absent or of another type. Leaves `value` alone then.
template <class Json, class T>
bool get_field(const Json& json, std::string_view key, T& value) {
  return json[key].get(value) == simdjson::SUCCESS;
}

}  // namespace tq
