#include "compress/gguf_keys.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

#include "base/file.h"
#include "engine/rope.h"
#include "formats/checksum.h"
#include "formats/coded_tensors.h"
#include "turboquant/model.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kQuantizationVersion = 2;                  // of ggml's block types
constexpr std::uint64_t kMostJsonBytes = std::uint64_t{16} << 20;  // a text that the reader of GGUF takes
constexpr std::size_t kHeaderBytes = 24;                           // magic, version, two counts

/// What speaks of the tensors of the source, and is not true of ours.
bool is_about_tensors(std::string_view key) {
  constexpr std::array kKeys = {"general.alignment", "general.file_type", "general.quantization_version",
                                "split.count",       "split.no",          "split.tensors.count"};
  return key.starts_with(kCodedKeys) || std::ranges::find(kKeys, key) != kKeys.end();
}

std::uint32_t number(std::size_t value) { return static_cast<std::uint32_t>(value); }  // check_config() bounds it

/// The window, and which layers have it where not all do: every one but each n-th, or a list.
void add_windows(GgufKeys& keys, const ModelConfig& config, const std::string& prefix) {
  std::size_t window = 0;
  std::vector<std::int64_t> local;
  for (const LayerAttention& layer : config.layers) {
    window = std::max(window, layer.window);
    local.push_back(layer.window > 0 ? 1 : 0);
  }
  if (window == 0) return;
  keys.add(prefix + "attention.sliding_window", number(window));
  const std::size_t period = static_cast<std::size_t>(std::ranges::find(local, 0) - local.begin()) + 1;
  if (period > local.size()) return;
  bool periodic = true;
  for (std::size_t layer = 0; layer < local.size(); ++layer)
    periodic = periodic && (local[layer] != 0) == ((layer + 1) % period != 0);
  const std::string key = prefix + "attention.sliding_window_pattern";
  periodic ? keys.add(key, number(period)) : keys.add(key, local);
}

void add_rope(GgufKeys& keys, const ModelConfig& config, const std::string& prefix) {
  const RopeScaling& scaling = config.rope_scaling;
  keys.add(prefix + "rope.dimension_count", number(config.rope_dim));
  keys.add(prefix + "rope.freq_base", config.rope_theta);
  if (config.local_rope_theta > 0) keys.add(prefix + "rope.freq_base_swa", config.local_rope_theta);
  if (scaling.type == "linear" || scaling.type == "yarn") {
    keys.add(prefix + "rope.scaling.type", std::string_view(scaling.type));
    keys.add(prefix + "rope.scaling.factor", scaling.factor);
  }
  if (scaling.type == "yarn" || scaling.type == "longrope")
    keys.add(prefix + "rope.scaling.original_context_length", number(scaling.original_context));
  if (scaling.type == "longrope") keys.add(prefix + "rope.scaling.attn_factor", scaling.amplitude);
  if (scaling.type != "yarn") return;
  keys.add(prefix + "rope.scaling.yarn_beta_fast", scaling.beta_fast);
  keys.add(prefix + "rope.scaling.yarn_beta_slow", scaling.beta_slow);
  const float share = scaling.amplitude / yarn_amplitude(scaling.factor);  // readers have the rest
  if (share != 1) keys.add(prefix + "rope.scaling.attn_factor", share);
}

void add_config(GgufKeys& keys, const ModelConfig& config) {
  const auto name = [&](const char* key) { return fmt::format("{}.{}", config.architecture, key); };
  keys.add("general.architecture", std::string_view(config.architecture));
  keys.add("general.name", std::string_view(config.name));
  keys.add(name("vocab_size"), number(config.vocab_size));
  keys.add(name("context_length"), number(config.context_length));
  keys.add(name("embedding_length"), number(config.hidden_size));
  keys.add(name("block_count"), number(config.n_layers));
  keys.add(name("feed_forward_length"), number(config.feed_forward_size));
  keys.add(name("attention.head_count"), number(config.n_heads));
  keys.add(name("attention.head_count_kv"), number(config.n_kv_heads));
  keys.add(name("attention.key_length"), number(config.head_dim));
  keys.add(name("attention.value_length"), number(config.head_dim));
  if (config.n_experts > 0) {
    keys.add(name("expert_count"), number(config.n_experts));
    keys.add(name("expert_used_count"), number(config.n_experts_used));
    keys.add(name("expert_feed_forward_length"), number(config.feed_forward_size));
    if (!config.normalize_experts) keys.add(name("expert_weights_norm"), false);
  }
  const bool rms = config.norm == NormKind::kRms;
  keys.add(name(rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"), config.rms_norm_eps);
  if (config.attention_scale > 0) keys.add(name("attention.scale"), config.attention_scale);
  if (config.attention_soft_cap > 0) keys.add(name("attn_logit_softcapping"), config.attention_soft_cap);
  if (config.logit_soft_cap > 0) keys.add(name("final_logit_softcapping"), config.logit_soft_cap);
  const std::string prefix = config.architecture + ".";
  add_windows(keys, config, prefix);
  if (!config.learned_positions) add_rope(keys, config, prefix);
}

/// Indented ones are twice as long. What is no JSON stays as it is, for the reader to refuse.
std::string without_white_space(const std::string& json) {
  std::string shorter(json.size() + simdjson::SIMDJSON_PADDING, '\0');
  std::size_t size = 0;
  if (simdjson::minify(json.data(), json.size(), shorter.data(), size) != simdjson::SUCCESS) return json;
  shorter.resize(size);
  return shorter;
}

/// GGUF has a key for the whole tokenizer.json; the one for its config is ours.
Result<void> add_tokenizer(GgufKeys& keys, const fs::path& model) {
  std::error_code ignored;
  const fs::path folder = fs::is_directory(model, ignored) ? model : model.parent_path();
  struct File {
    const char *name, *key;
  };
  for (const File& file : {File{"tokenizer.json", "tokenizer.huggingface.json"},
                           File{"tokenizer_config.json", "tokenizer.huggingface.config"}}) {
    if (!fs::exists(folder / file.name, ignored)) continue;
    const Result<std::string> json = read_file(folder / file.name, 4 * kMostJsonBytes);
    if (!json) return std::unexpected(json.error());
    const std::string text = without_white_space(*json);
    if (text.size() > kMostJsonBytes)
      return fail(ErrorCode::kUsage, fmt::format("{} has more than the {} bytes that fit in a GGUF",
                                                 (folder / file.name).string(), kMostJsonBytes));
    keys.add(file.key, std::string_view(text));
  }
  if (fs::exists(folder / "chat_template.jinja", ignored)) {
    const Result<std::string> source = read_file(folder / "chat_template.jinja", kMostJsonBytes);
    if (!source) return std::unexpected(source.error());
    keys.add("tokenizer.chat_template", std::string_view(*source));
  }
  return {};
}

}  // namespace

Result<GgufKeys> model_keys(const TensorFile& file, std::uint64_t alignment) {
  GgufKeys keys;
  if (file.format() == "gguf") {
    for (const RawKey& key : file.raw_keys()) {
      if (!is_about_tensors(key.name)) keys.add_raw(key.bytes);
    }
  } else {
    const Result<ModelConfig> config = read_model_config(file);
    if (!config) return std::unexpected(config.error());
    add_config(keys, *config);
    if (Result<void> added = add_tokenizer(keys, file.path()); !added) return fail(std::move(added));
  }
  keys.add("general.alignment", number(alignment));
  keys.add("general.quantization_version", kQuantizationVersion);
  return keys;
}

std::size_t add_coding_keys(GgufKeys& keys, const std::vector<PlannedTensor>& plan,
                            std::span<const std::uint64_t> checksums) {
  std::vector<std::string> codecs, names, sums;
  std::vector<std::int64_t> indices, rows, columns;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const PlannedTensor& tensor = plan[i];
    names.push_back(tensor.source.name);
    sums.push_back(checksum_text(checksums[i]));
    const bool coded = tensor.coding.has_value();
    rows.push_back(coded ? static_cast<std::int64_t>(tensor.rows()) : 0);
    columns.push_back(coded ? static_cast<std::int64_t>(tensor.columns()) : 0);
    indices.push_back(-1);
    if (!coded) continue;
    const std::string text = coding_text(*tensor.coding);
    const auto found = std::ranges::find(codecs, text);
    indices.back() = found - codecs.begin();
    if (found == codecs.end()) codecs.push_back(text);
  }
  keys.add(kVersionKey, static_cast<std::uint32_t>(kCodedFileVersion));
  keys.add(kCodecsKey, codecs);
  keys.add(kTensorsKey, names);
  keys.add(kTensorCodecsKey, indices);
  keys.add(kTensorRowsKey, rows);
  keys.add(kTensorColumnsKey, columns);
  keys.add(kTensorChecksumsKey, sums);
  keys.add(kHeaderChecksumKey, std::string_view(std::string(kChecksumDigits, '0')));
  return kHeaderBytes + keys.bytes().size();
}

}  // namespace tq
