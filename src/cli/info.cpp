// tq info: what a model file holds, and the memory that it needs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/printable.h"
#include "cli/units.h"
#include "turboquant/model.h"
#include "turboquant/session.h"

namespace tq::cli {
namespace {

struct MemoryRow {
  std::string kv;
  CacheFootprint cache;
  std::string impossible;  ///< why the codec cannot code this model's heads; empty if it can
};

struct ModelInfo {
  std::shared_ptr<const TensorFile> file;
  std::optional<ModelConfig> config;  ///< empty for an architecture that this build does not run
  std::string no_config;              ///< why
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string no_tokenizer;
  ModelFootprint footprint;
  std::size_t context = 0;
  std::uint64_t scratch_bytes = 0;  ///< to compute in
  AutomaticCache automatic;
  std::vector<MemoryRow> memory;

  std::uint64_t total(const MemoryRow& row) const { return footprint.weights_bytes + row.cache.bytes + scratch_bytes; }
};

/// The matrices that a codec for weights replaces: those of the layers. GGUF and Hugging Face name layers in these two
/// ways.
bool is_layer_matrix(const TensorView& tensor) {
  const bool in_layer = tensor.name.starts_with("blk.") || tensor.name.find("layers.") != std::string::npos;
  return in_layer && tensor.shape.size() >= 2;
}

ModelFootprint measure(const TensorFile& file) {
  ModelFootprint sum;
  for (const TensorView& tensor : file.tensors()) {
    sum.parameters += tensor.elements();
    sum.weights_bytes += tensor.bytes.size();
    if (!is_layer_matrix(tensor)) continue;
    sum.linear_parameters += tensor.elements();
    sum.linear_bytes += tensor.bytes.size();
  }
  return sum;
}

/// A spec that was asked for must fit the model; one of the default list may not.
Result<void> measure_memory(std::vector<CacheSpec> specs, bool asked_for, ModelInfo& info) {
  if (std::any_of(specs.begin(), specs.end(), [](const CacheSpec& spec) { return spec.automatic; })) {
    const auto model = Model::load(info.file);
    if (!model) return std::unexpected(model.error());
    info.automatic = choose_caches(specs, **model);
  }
  for (const CacheSpec& spec : specs) {
    Result<CacheFootprint> cache = cache_footprint(*info.config, spec, info.context);
    if (!cache && asked_for) return fail(std::move(cache));
    info.memory.push_back({spec.name(), cache ? *cache : CacheFootprint{}, cache ? "" : cache.error().message});
  }
  return {};
}

Result<ModelInfo> inspect(const ModelChoice& choice, const CacheChoice& cache, std::size_t context) {
  const Result<std::vector<CacheSpec>> specs = cache.specs("f16,q8_0,q4_0,tq4,tq3,tq2");
  if (!specs) return std::unexpected(specs.error());
  Result<std::shared_ptr<const TensorFile>> file = choice.open();
  if (!file) return fail(std::move(file));
  ModelInfo info;
  info.file = std::move(*file);
  info.footprint = measure(*info.file);

  Result<std::shared_ptr<const Tokenizer>> tokenizer = choice.open_tokenizer(*info.file);
  if (!tokenizer && !choice.tokenizer.empty()) return fail(std::move(tokenizer));
  if (tokenizer) info.tokenizer = std::move(*tokenizer);
  if (!tokenizer) info.no_tokenizer = tokenizer.error().message;

  Result<ModelConfig> config = read_model_config(*info.file);
  if (!config && config.error().code != ErrorCode::kUsage) return fail(std::move(config));
  if (!config) {
    info.no_config = config.error().message;
    return info;
  }
  info.config = std::move(*config);
  info.context = context == 0 ? info.config->context_length : context;
  info.scratch_bytes = scratch_bytes(*info.config, {.context = info.context}, thread_count(*make_thread_pool(0)));
  if (Result<void> measured = measure_memory(*specs, cache.given(), info); !measured) return fail(std::move(measured));
  return info;
}

std::string architecture_of(const ModelInfo& info) {
  if (info.config) return info.config->architecture;
  for (const char* key : {"general.architecture", "hf.model_type"}) {
    if (const auto value = info.file->metadata().string(key)) return std::string(*value);
  }
  return "unknown";
}

std::string shape_text(const TensorView& tensor) { return fmt::format("{}", fmt::join(tensor.shape, " x ")); }

/// Which layers see the last positions only.
std::string windows_text(const ModelConfig& config) {
  std::size_t window = 0, n_layers = 0;
  for (const LayerAttention& layer : config.layers) {
    window = std::max(window, layer.window);
    n_layers += layer.window > 0 ? 1 : 0;
  }
  return window == 0 ? "" : fmt::format(", a window of {} positions in {} layers", window, n_layers);
}

void print_config(const ModelInfo& info) {
  if (!info.config) {
    fmt::print("architecture   {} (tq cannot run it: {})\n", one_line(architecture_of(info)), one_line(info.no_config));
    return;
  }
  const ModelConfig& c = *info.config;
  fmt::print("architecture   {}: {} layers of width {}, feed-forward {}\n", one_line(c.architecture), c.n_layers,
             c.hidden_size, c.feed_forward_size);
  if (c.n_experts > 0) fmt::print("experts        {}, of which a token uses {}\n", c.n_experts, c.n_experts_used);
  fmt::print("attention      {} heads of size {}, {} for keys and values{}\n", c.n_heads, c.head_dim, c.n_kv_heads,
             windows_text(c));
  fmt::print("context        {} tokens\n", c.context_length);
}

void print_tokenizer(const ModelInfo& info) {
  if (info.tokenizer == nullptr) {
    fmt::print("tokenizer      none ({})\n", one_line(info.no_tokenizer));
    return;
  }
  const Tokenizer& t = *info.tokenizer;
  const std::string bos =
      !t.bos() ? "no BOS" : fmt::format("BOS {}{}", *t.bos(), t.adds_bos() ? " before a text" : " not added");
  const std::string eos = t.eos() ? fmt::format("EOS {}", *t.eos()) : "no EOS";
  fmt::print("tokenizer      {}, {} tokens, {}, {}\n", one_line(t.kind()), t.vocab_size(), bos, eos);
}

/// True bits of a value, scales and all.
double bits_of(std::uint64_t values, std::uint64_t bytes) {
  return values == 0 ? 0 : 8.0 * static_cast<double>(bytes) / static_cast<double>(values);
}

void print_types(const TensorFile& file) {
  struct Sum {
    std::size_t tensors = 0;
    std::uint64_t values = 0, bytes = 0;
  };
  std::map<std::string, Sum> types;
  for (const TensorView& tensor : file.tensors()) {
    Sum& sum = types[tensor.type];
    ++sum.tensors;
    sum.values += tensor.elements();
    sum.bytes += tensor.bytes.size();
  }
  fmt::print("\n{:<8} {:>8} {:>10} {:>12} {:>7}   (--tensors lists each)\n", "type", "tensors", "values", "size",
             "bits");
  for (const auto& [type, sum] : types) {
    fmt::print("{:<8} {:>8} {:>10} {:>12} {:>7.3f}\n", type, sum.tensors, count_text(sum.values), bytes_text(sum.bytes),
               bits_of(sum.values, sum.bytes));
  }
}

void print_tensors(const TensorFile& file) {
  std::size_t widest = 6;
  for (const TensorView& tensor : file.tensors()) widest = std::max(widest, one_line(tensor.name).size());
  widest = std::min<std::size_t>(widest, 60);
  fmt::print("\n{:<{}}  {:<16} {:<6} {:>12} {:>7}\n", "tensor", widest, "shape", "type", "bytes", "bits");
  for (const TensorView& tensor : file.tensors()) {
    fmt::print("{:<{}}  {:<16} {:<6} {:>12} {:>7.3f}\n", one_line(tensor.name), widest, shape_text(tensor), tensor.type,
               tensor.bytes.size(), bits_of(tensor.elements(), tensor.bytes.size()));
  }
}

void print_memory(const ModelInfo& info) {
  if (info.memory.empty()) return;
  if (!info.automatic.kv.empty()) fmt::print("\n--kv auto      {}: {}\n", info.automatic.kv, info.automatic.reason);
  std::size_t widest = 5;
  for (const MemoryRow& row : info.memory) widest = std::max(widest, row.kv.size());
  fmt::print("\nmemory at a context of {} tokens\n{:<{}} {:>7} {:>7} {:>12} {:>12} {:>12} {:>12}\n", info.context,
             "cache", widest, "bits K", "bits V", "cache size", "weights", "to compute", "total");
  for (const MemoryRow& row : info.memory) {
    if (!row.impossible.empty()) {
      fmt::print("{:<{}} {:>7}   {}\n", row.kv, widest, "-", one_line(row.impossible));
      continue;
    }
    fmt::print("{:<{}} {:>7.2f} {:>7.2f} {:>12} {:>12} {:>12} {:>12}\n", row.kv, widest, row.cache.bits_k,
               row.cache.bits_v, bytes_text(row.cache.bytes), bytes_text(info.footprint.weights_bytes),
               bytes_text(info.scratch_bytes), bytes_text(info.total(row)));
  }
}

void print_info(const ModelInfo& info, bool every_tensor) {
  const ModelFootprint& f = info.footprint;
  fmt::print("{}\n\n", one_line(info.config ? info.config->name : info.file->path()));
  fmt::print("file           {}, {}, {}\n", one_line(info.file->path()), info.file->format(),
             bytes_text(info.file->file_bytes()));
  print_config(info);
  fmt::print("parameters     {}, {} of them in the matrices of the layers\n", count_text(f.parameters),
             count_text(f.linear_parameters));
  fmt::print("bits a weight  {:.2f}, {:.2f} in the matrices of the layers\n", f.bits_per_weight(),
             f.linear_bits_per_weight());
  print_tokenizer(info);
  if (every_tensor) {
    print_tensors(*info.file);
  } else {
    print_types(*info.file);
  }
  print_memory(info);
}

std::string to_json(const ModelInfo& info) {
  nlohmann::ordered_json json;
  json["schema"] = "turboquant.info/1";
  json["name"] = info.config ? info.config->name : info.file->path();
  json["architecture"] = architecture_of(info);
  json["parameters"] = info.footprint.parameters;
  json["file_bytes"] = info.file->file_bytes();
  json["format"] = info.file->format();
  json["bpw"] = info.footprint.bits_per_weight();
  json["bpw_linear"] = info.footprint.linear_bits_per_weight();
  json["context_length"] = info.config ? nlohmann::ordered_json(info.config->context_length) : nlohmann::ordered_json();
  json["tokenizer"] = nullptr;
  if (info.tokenizer != nullptr)
    json["tokenizer"] = {{"kind", info.tokenizer->kind()}, {"vocab_size", info.tokenizer->vocab_size()}};
  if (!info.automatic.kv.empty()) json["auto"] = {{"kv", info.automatic.kv}, {"reason", info.automatic.reason}};
  json["memory"] = nlohmann::ordered_json::array();
  for (const MemoryRow& row : info.memory) {
    if (!row.impossible.empty()) continue;
    json["memory"].push_back({{"kv", row.kv},
                              {"context", info.context},
                              {"kv_bits_k", row.cache.bits_k},
                              {"kv_bits_v", row.cache.bits_v},
                              {"weights_bytes", info.footprint.weights_bytes},
                              {"kv_bytes", row.cache.bytes},
                              {"scratch_bytes", info.scratch_bytes},
                              {"total_bytes", info.total(row)}});
  }
  json["tensors"] = nlohmann::ordered_json::array();
  for (const TensorView& tensor : info.file->tensors()) {
    json["tensors"].push_back({{"name", tensor.name},
                               {"shape", tensor.shape},
                               {"type", tensor.type},
                               {"bytes", tensor.bytes.size()},
                               {"bits", bits_of(tensor.elements(), tensor.bytes.size())}});
  }
  return json_text(json);
}

}  // namespace

Result<void> info_command(const Arguments& arguments) {
  CommandLine line({.name = "info",
                    .summary = "what a model file holds, and the memory it needs",
                    .usage = "[MODEL] [options]",
                    .examples = {"model.gguf", "model.gguf -c 32768 --kv f16,tq4,tq4:tq3", "Llama-3.2-1B/ --tensors"}});
  ModelChoice model;
  CacheChoice cache;
  std::size_t context = 0;
  bool every_tensor = false;
  std::string json;
  line.add(model.path, {.names = "model_path", .group = kHidden});
  model.add_to(line);
  cache.add_to(line, "cache specs to compare, separated by commas\n(default: f16,q8_0,q4_0,tq4,tq3,tq2)");
  line.add(context, {.names = "-c,--ctx-size",
                     .help = "context for the memory table (default: the model's own)",
                     .value = "N",
                     .group = kCompressionGroup,
                     .check = whole_number(0, 1 << 30)});
  line.add(every_tensor, {.names = "--tensors", .help = "list every tensor", .group = kOutputGroup});
  add_json_option(line, json);

  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> writable = check_json_path(json); !writable) return writable;
  const Result<ModelInfo> info = inspect(model, cache, context);
  if (!info) return std::unexpected(info.error());
  if (json != "-") print_info(*info, every_tensor);
  return json.empty() ? Result<void>{} : write_json(to_json(*info), json);
}

}  // namespace tq::cli
