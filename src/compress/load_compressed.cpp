#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/file.h"
#include "compress/tensor_rules.h"
#include "engine/gguf_tensors.h"
#include "turboquant/model.h"
#include "turboquant/plan.h"

namespace tq {

bool names_a_plan(std::string_view weights) { return weights.ends_with(".json"); }

Result<Plan> read_plan(const std::string& path) {
  constexpr std::uint64_t kLongest = std::uint64_t{64} << 20;
  const Result<std::string> text = read_file(path, kLongest);
  if (!text) return std::unexpected(text.error());
  return parse_plan(*text, path);
}

Result<void> check_plan(const Plan& plan, const TensorFile& file) {
  const Result<std::vector<GgufTensorView>> tensors = gguf_tensors(file);
  if (!tensors) return std::unexpected(tensors.error());
  for (const auto& [name, type] : plan.tensors) {
    const bool found = std::ranges::any_of(
        *tensors, [&](const GgufTensorView& tensor) { return tensor.name == name && tensor.layer_matrix; });
    if (!found)
      return fail(ErrorCode::kUsage,
                  fmt::format("{}: the plan names the tensor {}, which is no matrix of a layer there; "
                              "it is of another model",
                              file.path(), name));
  }
  return {};
}

namespace {

constexpr std::string_view kSpecCharacters = "abcdefghijklmnopqrstuvwxyz0123456789_.-";

/// The rules that `text` consists of, joined by +; nothing where it is anything else. A pattern may hold + and =.
std::optional<std::vector<TensorTypeRule>> parse_rules(std::string_view text) {
  std::vector<TensorTypeRule> rules;
  while (true) {
    std::size_t equals = 0, end = 0;
    do {
      equals = text.find('=', equals + 1);
      if (equals == text.npos) return std::nullopt;
      end = std::min(text.size(), text.find_first_not_of(kSpecCharacters, equals + 1));
    } while (end == equals + 1 || (end < text.size() && text[end] != '+'));
    rules.push_back({std::string(text.substr(0, equals)), std::string(text.substr(equals + 1, end - equals - 1))});
    if (end == text.size()) return rules;
    text.remove_prefix(end + 1);
    if (text.empty()) return std::nullopt;
  }
}

Result<void> add_rules(const std::vector<TensorTypeRule>& rules, const TensorFile& file,
                       std::map<std::string, std::string>& types) {
  const Result<std::vector<GgufTensorView>> tensors = gguf_tensors(file);
  if (!tensors) return std::unexpected(tensors.error());
  const auto has_place = [](const GgufTensorView& tensor) {
    return tensor.layer_matrix || tensor.name == "token_embd.weight" || tensor.name == "output.weight";
  };
  for (const TensorTypeRule& rule : rules) {
    const Result<TensorRules> one = TensorRules::compile({rule});
    if (!one) return std::unexpected(one.error());
    bool found = false;
    for (const GgufTensorView& tensor : *tensors) {
      if (!has_place(tensor) || !one->type_of(tensor.name)) continue;
      types[tensor.name] = rule.type;
      found = true;
    }
    if (!found)
      return fail(ErrorCode::kUsage, fmt::format("{}: no matrix of a layer, nor token_embd.weight nor output.weight, "
                                                 "has a name in which '{}' matches; 'tq info --tensors' lists them",
                                                 file.path(), rule.pattern));
  }
  return {};
}

}  // namespace

WeightsText split_weights(std::string_view text) {
  for (std::size_t at = text.find('+'); !names_a_plan(text) && at != text.npos; at = text.find('+', at + 1)) {
    if (auto rules = parse_rules(text.substr(at + 1))) return {std::string(text.substr(0, at)), std::move(*rules)};
  }
  return {std::string(text), {}};
}

std::string join_weights(const WeightsText& weights) {
  std::string text = weights.type;
  for (const TensorTypeRule& rule : weights.rules) text += fmt::format("+{}={}", rule.pattern, rule.type);
  return text;
}

Result<void> check_rules(const std::vector<TensorTypeRule>& rules) {
  for (const TensorTypeRule& rule : rules) {
    if (rule.type == "keep") continue;
    if (const Result<CodecSpec> spec = CodecSpec::parse(rule.type); !spec) return std::unexpected(spec.error());
  }
  const Result<TensorRules> compiled = TensorRules::compile(rules);
  return compiled ? Result<void>{} : std::unexpected(compiled.error());
}

Result<std::shared_ptr<const Model>> load_compressed(std::shared_ptr<const TensorFile> file, const std::string& weights,
                                                     unsigned threads, WeightsPlace place) {
  const WeightsText asked = split_weights(weights);
  ModelOptions options{.weights = asked.type, .threads = threads, .place = place};
  if (is_average(asked.type) || names_a_plan(asked.type)) {
    Result<Plan> plan = names_a_plan(asked.type) ? read_plan(asked.type) : plan_average(*file, asked.type);
    if (!plan) return fail(std::move(plan));
    if (Result<void> fits = check_plan(*plan, *file); !fits) return fail(std::move(fits));
    options.weights = {};
    options.tensor_types = std::move(plan->tensors);
    options.name = weights;
  }
  if (!asked.rules.empty()) {
    if (Result<void> added = add_rules(asked.rules, *file, options.tensor_types); !added) return fail(std::move(added));
    options.name = weights;
  }
  return Model::load(std::move(file), options);
}

}  // namespace tq
