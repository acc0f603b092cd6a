#include "cli/choices.h"

#include <fmt/format.h>

#include "cli/embedded_model.h"
#include "cli/printable.h"

namespace tq::cli {

void ModelChoice::add_to(CommandLine& line) {
  line.app
      .add_option(
          "-m,--model", path,
          "GGUF, .safetensors, Hugging Face folder or llama2.c .bin\n(default: the built-in model of Python code)")
      ->type_name("PATH")
      ->group(kInputGroup);
  line.app.add_option("--tokenizer", tokenizer, "tokenizer.json, tokenizer.bin or GGUF, where the model has none")
      ->type_name("FILE")
      ->group(kInputGroup);
}

Result<std::shared_ptr<const TensorFile>> ModelChoice::open() const {
  if (!path.empty()) return TensorFile::open(path);
  fmt::print(stderr, "tq: using the built-in model pycoder; -m PATH chooses another\n");
  return TensorFile::from_gguf(embedded_model(), "pycoder (built-in)");
}

Result<std::shared_ptr<const Tokenizer>> ModelChoice::open_tokenizer(const TensorFile& file) const {
  return tokenizer.empty() ? Tokenizer::for_model(file) : Tokenizer::open(tokenizer);
}

void CacheChoice::add_to(CommandLine& line, const std::string& description) {
  line.app.add_option("--kv", list, description)->type_name("SPEC")->group(kCompressionGroup);
  line.app.add_option("--cache-type-k", type_k, "the codec of the keys")->type_name("TYPE")->group(kLlamaGroup);
  line.app.add_option("--cache-type-v", type_v, "the codec of the values")->type_name("TYPE")->group(kLlamaGroup);
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
    Result<CacheSpec> spec = CacheSpec::parse(name);
    if (!spec) return fail(std::move(spec));
    if (!spec->note.empty()) fmt::print(stderr, "tq: {}\n", one_line(spec->note));
    specs.push_back(std::move(*spec));
  }
  return specs;
}

void EngineChoice::add_to(CommandLine& line) {
  line.app.add_option("-t,--threads", threads, "threads (default: all cores)")
      ->type_name("N")
      ->check(whole_number(-1, 1024))
      ->group(kEngineGroup);
  line.app.add_option("--threads-batch", threads_batch, "has no effect: -t counts for prompts, too")
      ->type_name("N")
      ->check(whole_number(-1, 1024))
      ->group(kLlamaGroup);
  line.app.add_option("--gpu-layers,--n-gpu-layers", gpu_layers, "has no effect: this build has no GPU")
      ->type_name("N")
      ->group(kLlamaGroup);
  line.app.add_option("--flash-attn", flash_attention, "has no effect: attention needs no switch")
      ->type_name("MODE")
      ->expected(0, 1)
      ->group(kLlamaGroup);
}

void EngineChoice::explain() const {
  if (!gpu_layers.empty()) fmt::print(stderr, "tq: -ngl is ignored: this build has no GPU\n");
}

void add_json_option(CommandLine& line, std::string& path) {
  line.app.add_option("--json", path, "write the result as JSON; - is standard output")
      ->type_name("FILE")
      ->group(kOutputGroup);
}

Result<void> check_weights(const std::string& name) {
  if (name.empty()) return {};
  const Result<CodecSpec> spec = CodecSpec::parse(name);
  if (!spec) return fail(spec.error().code, fmt::format("--weights: {}", spec.error().message));
  return {};
}

}  // namespace tq::cli
