#include "text/tokenizer_pipeline.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "formats/message.h"
#include "text/base64.h"

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

/// What both kinds of pipeline are read into.
class PipelineReader {
 public:
  PipelineReader(simdjson::dom::object root, std::string_view name) : root_(root), name_(name) {}

  Result<TokenizerPipeline> read() {
    for (const element step : steps_of(root_, "normalizer", "normalizers")) {
      if (Result<void> added = add_normalizer(step); !added) return fail(std::move(added));
    }
    const std::vector<element> steps = steps_of(root_, "pre_tokenizer", "pretokenizers");
    const auto is_byte_level = [](element step) { return type_of(step) == "ByteLevel"; };
    Result<void> done = std::ranges::any_of(steps, is_byte_level) ? read_byte_level(steps) : read_spaces(steps);
    if (!done) return fail(std::move(done));
    return std::move(pipeline_);
  }

 private:
  Result<void> add_normalizer(element step) {
    const std::string_view type = type_of(step);
    Normalizer& steps = pipeline_.normalizer;
    if (type == "NFC") return add(NormalizationForm::kNfc);
    if (type == "NFD") return add(NormalizationForm::kNfd);
    if (type == "NFKC") return add(NormalizationForm::kNfkc);
    if (type == "NFKD") return add(NormalizationForm::kNfkd);
    if (type == "Strip") {
      return add(Normalizer::Strip{is_true(step, "strip_left", true), is_true(step, "strip_right", true)});
    }
    if (type == "Prepend" && is_text(step, "prepend", kSpaceMark)) {
      has_prefix_ = true;
      return {};
    }
    if (type == "Replace") return add_replacement(step);
    if (type == "Precompiled") {
      std::string_view text;
      const auto blob = get_field(step, "precompiled_charsmap", text) ? read_base64(text) : std::nullopt;
      if (!blob) return bad_file(name_, "its precompiled_charsmap is not base64");
      Result<Charsmap> map = Charsmap::read(*blob, name_);
      if (!map) return fail(std::move(map));
      steps.add(std::make_shared<const Charsmap>(std::move(*map)));
      has_charsmap_ = true;
      return {};
    }
    return not_built(name_, "normalizer", type);
  }

  Result<void> add(Normalizer::Step step) {
    pipeline_.normalizer.add(std::move(step));
    return {};
  }

  Result<void> add_replacement(element step) {
    std::string_view from, to;
    element pattern;
    if (!get_field(step, "content", to) || !get_field(step, "pattern", pattern)) {
      return bad_file(name_, "its normalizer Replace has no pattern or no content");
    }
    if (is_text(pattern, "Regex", " {2,}")) return add(Normalizer::ReplaceSpaces{std::string(to)});
    if (!get_field(pattern, "String", from) || from.empty()) return not_built(name_, "normalizer", "Replace");
    has_marks_ = has_marks_ || (from == " " && to == kSpaceMark);
    return add(Normalizer::Replace{std::string(from), std::string(to)});
  }

  Result<void> add_pattern(element step, std::vector<std::string>& patterns) {
    const std::string_view type = type_of(step);
    std::string_view regex;
    element pattern;
    if (type == "Split" && get_field(step, "pattern", pattern) && get_field(pattern, "Regex", regex)) {
      // A pattern that matches everything may be asked to remove the rest.
      const bool is_isolated = is_text(step, "behavior", "Isolated") && !is_true(step, "invert", false);
      const bool is_inverted = is_text(step, "behavior", "Removed") && is_true(step, "invert", false);
      if (is_isolated || (is_inverted && regex.ends_with(R"(|\s+)"))) {
        patterns.emplace_back(regex);
        return {};
      }
    } else if (type == "Digits") {
      patterns.emplace_back(is_true(step, "individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
      return {};
    } else if (type == "Punctuation" && is_text(step, "behavior", "Contiguous")) {
      patterns.emplace_back(kPunctuationRuns);
      return {};
    } else if (type == "Punctuation" && is_text(step, "behavior", "Isolated")) {
      patterns.emplace_back(kPunctuationMarks);
      return {};
    }
    return not_built(name_, "pre-tokenizer", type);
  }

  Result<void> read_byte_level(const std::vector<element>& steps) {
    std::vector<std::string> patterns;
    bool is_done = false;
    for (const element step : steps) {
      if (is_done) return not_built(name_, "pre-tokenizer after ByteLevel", type_of(step));
      if (type_of(step) != "ByteLevel") {
        if (Result<void> added = add_pattern(step, patterns); !added) return added;
        continue;
      }
      is_done = true;
      pipeline_.adds_space_prefix = is_true(step, "add_prefix_space", true);
      if (pipeline_.adds_space_prefix && !patterns.empty()) return not_built(name_, "pre-tokenizer", "ByteLevel");
      if (is_true(step, "use_regex", true)) patterns.emplace_back(kGpt2Pattern);
    }
    if (has_prefix_) return not_built(name_, "normalizer", "Prepend");
    pipeline_.pre_tokenizer = find_pre_tokenizer(patterns);
    if (pipeline_.pre_tokenizer != nullptr) return {};
    return fail(ErrorCode::kUsage,
                fmt::format("{}: its pre-tokenizer cuts text by patterns that are none of those built: {}", name_,
                            pre_tokenizer_names()));
  }

  Result<void> read_metaspace(element step) {
    std::string_view scheme = is_true(step, "add_prefix_space", true) ? "always" : "never";  // as older files say it
    get_field(step, "prepend_scheme", scheme);
    if (!is_text(step, "replacement", kSpaceMark)) return not_built(name_, "pre-tokenizer", "Metaspace");
    using Prefix = SpaceRules::Prefix;
    pipeline_.spaces.prefix = scheme == "always"  ? Prefix::kEachStretch
                              : scheme == "first" ? Prefix::kFirst
                                                  : Prefix::kNever;
    pipeline_.spaces.prefix_unless_space = true;
    pipeline_.splits_at_spaces = is_true(step, "split", true);
    has_marks_ = true;
    return {};
  }

  Result<void> read_spaces(const std::vector<element>& steps) {
    using Prefix = SpaceRules::Prefix;
    pipeline_.spaces.prefix = has_prefix_ ? Prefix::kEachStretch : Prefix::kNever;
    for (const element step : steps) {
      const std::string_view type = type_of(step);
      element pattern;
      if (type == "WhitespaceSplit" && has_charsmap_) {
        pipeline_.spaces.removes_extra = true;  // the map has made spaces of all white space
      } else if (type == "Metaspace" && !has_prefix_) {
        if (Result<void> read = read_metaspace(step); !read) return read;
      } else if (type == "Split" && has_marks_ && is_text(step, "behavior", "MergedWithPrevious") &&
                 get_field(step, "pattern", pattern) && is_text(pattern, "String", " ")) {
        continue;  // Gemma's, which finds no space any more
      } else {
        return not_built(name_, "pre-tokenizer", type);
      }
    }
    if (!has_marks_) return not_built(name_, "pre-tokenizer", "without ByteLevel or marks for spaces");
    return {};
  }

  simdjson::dom::object root_;
  std::string_view name_;
  TokenizerPipeline pipeline_;
  bool has_prefix_ = false, has_marks_ = false, has_charsmap_ = false;
};

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
  Result<TokenizerPipeline> pipeline = PipelineReader(root, name).read();
  if (pipeline) pipeline->first_token = read_first_token(root);
  return pipeline;
}

}  // namespace tq
