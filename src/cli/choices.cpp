#include "cli/choices.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/embedded_model.h"
#include "cli/files.h"
#include "cli/printable.h"
#include "eval/windows.h"
#include "turboquant/cache_advice.h"
#include "turboquant/eval.h"
#include "turboquant/plan.h"

namespace tq::cli {

void ModelChoice::add_to(CommandLine& line) {
  line.add(
      path,
      {.names = "-m,--model",
       .help = "GGUF, .safetensors, Hugging Face folder or llama2.c .bin\n(default: the built-in model of Python code)",
       .value = "PATH",
       .group = kInputGroup});
  line.add(tokenizer, {.names = "--tokenizer",
                       .help = "tokenizer.json, tokenizer.bin or GGUF, where the model has none",
                       .value = "FILE",
                       .group = kInputGroup});
}

Result<std::shared_ptr<const TensorFile>> ModelChoice::open() const {
  if (!path.empty()) return TensorFile::open(path);
  fmt::print(stderr, "tq: using the built-in model pycoder; -m PATH chooses another\n");
  return TensorFile::from_gguf(embedded_model(), "pycoder (built-in)");
}

Result<std::shared_ptr<const Tokenizer>> ModelChoice::open_tokenizer(const TensorFile& file) const {
  return tokenizer.empty() ? Tokenizer::for_model(file) : Tokenizer::open(tokenizer);
}

void TextChoice::add_to(CommandLine& line, const std::string& use) {
  line.add(file, {.names = "-f,--file",
                  .help = use + "; - is standard input\n(default: built-in Python code)",
                  .value = "FILE",
                  .group = kInputGroup});
}

Result<std::string> TextChoice::read() const {
  return file.empty() ? Result<std::string>(std::string(embedded_text())) : read_text(file);
}

std::string TextChoice::name() const {
  if (file.empty()) return "built-in Python code";
  return file == "-" ? "standard input" : file;
}

void TextChoice::explain() const {
  if (file.empty()) fmt::print(stderr, "tq: using the built-in text, Python code; -f FILE chooses another\n");
}

void CacheChoice::add_to(CommandLine& line, const std::string& description) {
  line.add(list, {.names = "--kv", .help = description, .value = "SPEC", .group = kCompressionGroup});
  line.add(type_k, {.names = "--cache-type-k", .help = "the codec of the keys", .value = "TYPE", .group = kLlamaGroup});
  line.add(type_v,
           {.names = "--cache-type-v", .help = "the codec of the values", .value = "TYPE", .group = kLlamaGroup});
}

Result<std::vector<CacheSpec>> CacheChoice::specs(const std::string& fallback) const {
  const bool by_type = !type_k.empty() || !type_v.empty();
  if (by_type && !list.empty()) {
    return fail(ErrorCode::kUsage,
                fmt::format("--kv {} and --cache-type-k or -v exclude each other; --kv K:V says both", list));
  }
  std::string text = list.empty() ? fallback : list;
  if (by_type) text = fmt::format("{}:{}", type_k.empty() ? "f16" : type_k, type_v.empty() ? "f16" : type_v);

  const Result<std::vector<std::string>> names = split_list(text, "--kv");
  if (!names) return fail(names.error().code, names.error().message);
  std::vector<CacheSpec> specs;
  for (const std::string& name : *names) {
    Result<CacheSpec> spec = read_cache_spec(name);
    if (!spec) return fail(std::move(spec));
    if (!spec->note.empty()) fmt::print(stderr, "tq: {}\n", one_line(spec->note));
    specs.push_back(std::move(*spec));
  }
  return specs;
}

AutomaticCache choose_caches(std::vector<CacheSpec>& specs, const Model& model) {
  AutomaticCache chosen;
  for (CacheSpec& spec : specs) {
    if (!spec.automatic) continue;
    const CacheAdvice advice = advise_cache(model);
    if (chosen.kv.empty())
      fmt::print(stderr, "tq: --kv auto takes {}: {}\n", advice.spec.name(), one_line(advice.reason));
    chosen = {advice.spec.name(), advice.reason};
    spec = advice.spec;
  }
  return chosen;
}

Result<AutomaticCache> choose_caches(std::vector<std::string>& names, const std::shared_ptr<const TensorFile>& file) {
  if (std::find(names.begin(), names.end(), "auto") == names.end()) return AutomaticCache{};
  const auto model = Model::load(file);
  if (!model) return std::unexpected(model.error());
  std::vector<CacheSpec> specs(1);
  specs.front().automatic = true;
  AutomaticCache chosen = choose_caches(specs, **model);
  std::replace(names.begin(), names.end(), std::string("auto"), chosen.kv);
  return chosen;
}

void EngineChoice::add_to(CommandLine& line) {
  add_common_to(line);
  line.add(threads_batch, {.names = "--threads-batch",
                           .help = "has no effect: -t counts for prompts, too",
                           .value = "N",
                           .group = kLlamaGroup,
                           .check = whole_number(-1, 1024)});
}

void EngineChoice::add_all_to(CommandLine& line) {
  add_common_to(line);
  line.add(threads_batch, {.names = "--threads-batch",
                           .help = "threads for prompts (default: those of -t)",
                           .value = "N",
                           .group = kEngineGroup,
                           .check = whole_number(-1, 1024)});
  line.add(bound, {.names = "--cpu-strict",
                   .help = "1: bind each thread to a core of its own (default 0)",
                   .value = "0|1",
                   .group = kEngineGroup,
                   .check = whole_number(0, 1)});
  line.add(mapped, {.names = "--mmap",
                    .help = "use weights where the file is mapped: starts sooner, and\n"
                            "processes share them (default: copied into large pages,\n"
                            "GGUF's types with 16 rows alternating, which is faster,\n"
                            "where half of the free memory suffices)",
                    .group = kEngineGroup});
}

void EngineChoice::add_common_to(CommandLine& line) {
  line.add(threads, {.names = "-t,--threads",
                     .help = "threads (default: all cores)",
                     .value = "N",
                     .group = kEngineGroup,
                     .check = whole_number(-1, 1024)});
  line.add(gpu_layers, {.names = "--gpu-layers,--n-gpu-layers",
                        .help = "has no effect: this build has no GPU",
                        .value = "N",
                        .group = kLlamaGroup});
  line.add(flash_attention, {.names = "--flash-attn",
                             .help = "has no effect: attention needs no switch",
                             .value = "MODE",
                             .group = kLlamaGroup,
                             .value_optional = true});
}

void EngineChoice::explain() const {
  if (!gpu_layers.empty()) fmt::print(stderr, "tq: -ngl is ignored: this build has no GPU\n");
}

void add_json_option(CommandLine& line, std::string& path) {
  line.add(path, {.names = "--json",
                  .help = "write the result as JSON; - is standard output",
                  .value = "FILE",
                  .group = kOutputGroup});
}

Result<std::shared_ptr<const CalibrationText>> read_calibration(const std::string& path, const TensorFile& file,
                                                                const ModelChoice& model, std::size_t chunks,
                                                                CalibrationText text) {
  const Result<std::string> words = read_text(path);
  if (!words) return std::unexpected(words.error());
  const auto tokenizer = model.open_tokenizer(file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<ModelConfig> config = read_model_config(file);
  if (!config) return std::unexpected(config.error());
  const auto windows = eval::cut_windows(*words, **tokenizer, config->vocab_size, text.context, 0);
  if (!windows) return fail(windows.error().code, fmt::format("{}: {}", path, windows.error().message));
  const std::size_t count = chunks == 0 ? windows->count() : std::min(chunks, windows->count());
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const TokenId> window = windows->window(i * windows->count() / count);
    text.tokens.insert(text.tokens.end(), window.begin(), window.end());
  }
  return std::make_shared<const CalibrationText>(std::move(text));
}

Result<std::vector<std::string>> CacheChoice::names(const std::string& fallback) const {
  const Result<std::vector<CacheSpec>> parsed = specs(fallback);
  if (!parsed) return std::unexpected(parsed.error());
  std::vector<std::string> result;
  for (const CacheSpec& spec : *parsed) result.push_back(spec.name());
  return result;
}

void add_tensor_type_option(CommandLine& line, std::vector<std::string>& rules) {
  line.add(rules,
           {.names = "--tensor-type",
            .help = "with --weights: SPEC, or keep, for every matrix in whose\nname REGEX matches, token_embd and "
                    "output among them;\nmay be repeated, the last match counts",
            .value = "REGEX=SPEC",
            .group = kCompressionGroup});
}

Result<void> add_rules(const std::vector<std::string>& rules, std::span<std::string> weights) {
  if (rules.empty()) return {};
  const Result<std::vector<TensorTypeRule>> more = parse_tensor_types(rules);
  if (!more) return std::unexpected(more.error());
  bool used = false;
  for (std::string& name : weights) {
    if (name.empty() || name == "file" || names_a_file(name)) continue;
    WeightsText text = split_weights(name);
    text.rules.insert(text.rules.end(), more->begin(), more->end());
    name = join_weights(text);
    used = true;
  }
  if (used) return {};
  return fail(ErrorCode::kUsage,
              "--tensor-type says where to differ from a codec of --weights or from a plan; name one");
}

/// The last '=' separates, since a pattern may hold one and a spec does not.
Result<std::vector<TensorTypeRule>> parse_tensor_types(const std::vector<std::string>& rules) {
  std::vector<TensorTypeRule> parsed;
  for (const std::string& text : rules) {
    const std::size_t at = text.rfind('=');
    if (at == std::string::npos || at == 0 || at + 1 == text.size())
      return fail(ErrorCode::kUsage, fmt::format("--tensor-type '{}' is not of the form REGEX=SPEC", text));
    parsed.push_back({text.substr(0, at), text.substr(at + 1)});
  }
  return parsed;
}

void WeightsChoice::add_to(CommandLine& line) {
  add_tensor_type_option(line, tensor_types);
  line.add(list,
           {.names = "--weights",
            .help = "codecs ('tq codecs') for the matrices of the layers,\nseparated by commas; 'file' is what the "
                    "file has,\na path another file of the same model, or a plan\n(*.json); tt2.5 is an average "
                    "(default: file)",
            .value = "LIST",
            .group = kCompressionGroup});
}

Result<std::vector<std::string>> WeightsChoice::names() const {
  Result<std::vector<std::string>> names = split_list(list.empty() ? "file" : list, "--weights");
  if (!names) return names;
  for (std::string& name : *names) {
    if (name == "file") name.clear();
    if (names_a_file(name)) continue;
    if (const Result<void> known = check_weights(name); !known) return std::unexpected(known.error());
  }
  return names;
}

void PlanFileChoice::add_to(CommandLine& line) {
  line.add(path, {.names = "--plan",
                  .help = "what 'tq plan' wrote: one more row of weights, of\ncaches or of both, as it says",
                  .value = "FILE",
                  .group = kCompressionGroup});
}

Result<void> PlanFileChoice::add_levels(const WeightsChoice& asked_weights, std::vector<std::string>& weights,
                                        const CacheChoice& asked_caches, std::vector<std::string>& caches) const {
  if (!path.empty()) {
    if (!names_a_plan(path))
      return fail(ErrorCode::kUsage, fmt::format("--plan {}: a plan is a file whose name ends with .json", path));
    const Result<Plan> plan = read_plan(path);
    if (!plan) return std::unexpected(plan.error());
    if (!plan->tensors.empty()) {
      if (asked_weights.list.empty()) weights.clear();
      weights.push_back(path);
    }
    if (!plan->cache.empty()) {
      if (!asked_caches.given()) caches.clear();
      caches.push_back(path);
    }
  }
  if (Result<void> added = add_rules(asked_weights.tensor_types, weights); !added) return added;
  for (const std::string& name : weights) {
    if (name == "file" || names_a_file(name)) continue;
    if (const Result<void> known = check_weights(name); !known) return known;
  }
  return {};
}

Result<void> check_weights(const std::string& text) {
  const auto [name, rules] = split_weights(text);
  if (const Result<void> known = check_rules(rules); !known)
    return fail(known.error().code, fmt::format("--tensor-type: {}", known.error().message));
  if (name.empty() && !rules.empty())
    return fail(ErrorCode::kUsage, fmt::format("--weights {}: name a codec first", text));
  if (name.empty() || is_average(name)) return {};
  if (names_a_plan(name)) {
    const Result<Plan> plan = read_plan(name);
    return plan ? Result<void>{} : std::unexpected(plan.error());
  }
  const Result<CodecSpec> spec = CodecSpec::parse(name);
  if (!spec) return fail(spec.error().code, fmt::format("--weights: {}", spec.error().message));
  return {};
}

}  // namespace tq::cli
