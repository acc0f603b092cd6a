#include "text/tokenizer_pipeline.h"

#include <optional>
#include <vector>

#include "formats/message.h"
#include "text/score_bpe.h"

namespace tq {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

/// A step; nothing when it is absent or null.
std::optional<element> find_step(simdjson::dom::object root, const char* key) {
  element step;
  if (root[key].get(step) != simdjson::SUCCESS || step.is_null()) return std::nullopt;
  return step;
}

std::string_view type_of(element step) {
  std::string_view type = "?";
  get_field(step, "type", type);
  return type;
}

bool is_true(element step, const char* key, bool otherwise) {
  bool value = otherwise;
  get_field(step, key, value);
  return value;
}

std::unexpected<Error> not_built(std::string_view name, const char* step, std::string_view type) {
  return fail(ErrorCode::kUsage,
              fmt::format("{}: its {} {} is not built, or not with these settings", name, step, in_quotes(type)));
}

/// The steps of a Sequence, and those of Sequences in it, in order; otherwise the step itself.
void flatten(element step, const char* list_key, std::vector<element>& steps) {
  array list;
  if (type_of(step) != "Sequence" || !get_field(step, list_key, list)) return steps.push_back(step);
  for (const element inner : list) flatten(inner, list_key, steps);  // JSON is at most 1024 deep
}

std::vector<element> steps_of(simdjson::dom::object root, const char* key, const char* list_key) {
  std::vector<element> steps;
  if (const std::optional<element> step = find_step(root, key)) flatten(*step, list_key, steps);
  return steps;
}

bool is_text(element step, const char* key, std::string_view text) {
  std::string_view value;
  return get_field(step, key, value) && value == text;
}

/// [Prepend ▁, Replace " " by ▁], and nothing else.
bool is_llama2_normalizer(const std::vector<element>& steps) {
  element pattern;
  return steps.size() == 2 && type_of(steps[0]) == "Prepend" && is_text(steps[0], "prepend", kSpaceMark) &&
         type_of(steps[1]) == "Replace" && is_text(steps[1], "content", kSpaceMark) &&
         get_field(steps[1], "pattern", pattern) && is_text(pattern, "String", " ");
}

Result<void> add_patterns(element step, std::vector<std::string>& patterns, bool& is_byte_level,
                          std::string_view name) {
  const std::string_view type = type_of(step);
  std::string_view regex;
  element pattern;
  if (is_byte_level) return not_built(name, "pre-tokenizer after ByteLevel", type);
  if (type == "ByteLevel" && !is_true(step, "add_prefix_space", true)) {
    is_byte_level = true;
    if (is_true(step, "use_regex", true)) patterns.emplace_back(kGpt2Pattern);
  } else if (type == "Split" && is_text(step, "behavior", "Isolated") && !is_true(step, "invert", false) &&
             get_field(step, "pattern", pattern) && get_field(pattern, "Regex", regex)) {
    patterns.emplace_back(regex);
  } else if (type == "Digits" && is_true(step, "individual_digits", false)) {
    patterns.emplace_back(R"(\p{N})");
  } else {
    return not_built(name, "pre-tokenizer", type);
  }
  return {};
}

Result<void> read_byte_level(simdjson::dom::object root, TokenizerPipeline& pipeline, std::string_view name) {
  for (const element step : steps_of(root, "normalizer", "normalizers")) {
    if (type_of(step) != "NFC") return not_built(name, "normalizer", type_of(step));
    pipeline.normalizes_nfc = true;
  }
  std::vector<std::string> patterns;
  bool is_byte_level = false;
  for (const element step : steps_of(root, "pre_tokenizer", "pretokenizers")) {
    if (Result<void> added = add_patterns(step, patterns, is_byte_level, name); !added) return added;
  }
  if (!is_byte_level) return not_built(name, "pre-tokenizer", "without ByteLevel");
  pipeline.pre_tokenizer = find_pre_tokenizer(patterns);
  if (pipeline.pre_tokenizer != nullptr) return {};
  return fail(ErrorCode::kUsage,
              fmt::format("{}: its pre-tokenizer cuts text by patterns that are none of those built: {}", name,
                          pre_tokenizer_names()));
}

/// The token that a TemplateProcessing puts in front of a single text.
std::string read_first_token(simdjson::dom::object root) {
  for (const element step : steps_of(root, "post_processor", "processors")) {
    array single;
    if (type_of(step) != "TemplateProcessing" || !get_field(step, "single", single)) continue;
    element special;
    std::string_view id;
    if (single.size() > 0 && get_field(single.at(0).value(), "SpecialToken", special) && get_field(special, "id", id)) {
      return std::string(id);
    }
  }
  return {};
}

}  // namespace

Result<TokenizerPipeline> read_tokenizer_pipeline(simdjson::dom::object root, std::string_view name) {
  TokenizerPipeline pipeline;
  pipeline.first_token = read_first_token(root);
  const bool has_pre_tokenizer = find_step(root, "pre_tokenizer").has_value();
  if (!has_pre_tokenizer && is_llama2_normalizer(steps_of(root, "normalizer", "normalizers"))) return pipeline;
  if (Result<void> read = read_byte_level(root, pipeline, name); !read) return fail(std::move(read));
  return pipeline;
}

}  // namespace tq
