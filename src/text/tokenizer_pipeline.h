// The steps around the model of a tokenizer.json: normalizer, pre-tokenizer, post-processor.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "text/pre_tokenizer.h"

namespace tq {

/// Only pipelines that are known as a whole are accepted: one of the table of pre-tokenizers with the byte-level
/// alphabet, or the one of Llama 2, which puts a space mark in front and for each space.
struct TokenizerPipeline {
  const PreTokenizerRow* pre_tokenizer = nullptr;  ///< null: the one of Llama 2
  bool normalizes_nfc = false;
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
