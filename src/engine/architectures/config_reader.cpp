#include "engine/architectures/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "engine/matrix.h"
#include "engine/rope.h"
#include "formats/message.h"

namespace tq {
namespace {

// As check_config() has them: lists are made before it is asked.
constexpr std::size_t kMostLayers = 1U << 12, kLargestHead = 1U << 12;

/// A size that follows from two others when the file does not say.
std::size_t quotient(std::size_t a, std::size_t b) { return b == 0 ? 0 : a / b; }

}  // namespace

ConfigReader::ConfigReader(const TensorFile& file, std::string_view architecture)
    : file_(file), architecture_(architecture), hugging_face_(is_hugging_face(file)) {}

std::string ConfigReader::full(std::string_view key) const {
  return fmt::format("{}.{}", hugging_face_ ? "hf" : architecture_, key);
}

bool ConfigReader::has(std::string_view key) const { return file_.metadata().has(full(key)); }

std::size_t ConfigReader::count(std::string_view key, std::optional<std::size_t> otherwise) {
  const std::string name = full(key);
  if (const auto value = file_.metadata().integer(name); value && *value >= 0) return static_cast<std::size_t>(*value);
  if (!file_.metadata().has(name) && otherwise) return *otherwise;
  if (const auto* list = file_.metadata().integers(name)) {
    const bool equal = std::adjacent_find(list->begin(), list->end(), std::not_equal_to<>()) == list->end();
    if (equal && !list->empty() && list->front() >= 0) return static_cast<std::size_t>(list->front());
    refuse(true, fmt::format("a {} that differs between layers", name));
  }
  reject(true, fmt::format("the key {} is missing or not a count", name));
  return 0;
}

float ConfigReader::number(std::string_view key, double otherwise) {
  const std::string name = full(key);
  const auto value = file_.metadata().number(name);
  reject(!value && file_.metadata().has(name), fmt::format("the key {} is not a number", name));
  return static_cast<float>(value.value_or(otherwise));
}

bool ConfigReader::flag(std::string_view key, bool otherwise) const {
  return file_.metadata().boolean(full(key)).value_or(otherwise);
}

std::string_view ConfigReader::text(std::string_view key, std::string_view otherwise) const {
  return file_.metadata().string(full(key)).value_or(otherwise);
}

const Metadata::Integers* ConfigReader::integers(std::string_view key) const {
  return file_.metadata().integers(full(key));
}

const Metadata::Strings* ConfigReader::strings(std::string_view key) const {
  return file_.metadata().strings(full(key));
}

std::vector<float> ConfigReader::floats(std::string_view key) const {
  std::vector<float> values;
  if (const auto* numbers = file_.metadata().numbers(full(key))) {
    for (const double number : *numbers) values.push_back(static_cast<float>(number));
  } else if (const auto* list = integers(key)) {
    for (const std::int64_t number : *list) values.push_back(static_cast<float>(number));
  }
  return values;
}

void ConfigReader::refuse(bool present, std::string_view what) {
  if (!present || error_) return;
  error_ = {ErrorCode::kUsage,
            fmt::format("{}: {} is not supported for the architecture {}", file_.path(), what, architecture_)};
}

void ConfigReader::reject(bool wrong, std::string_view what) {
  if (wrong && !error_) error_ = {ErrorCode::kBadFile, fmt::format("{}: {}", file_.path(), what)};
}

Result<ModelConfig> ConfigReader::finish(ModelConfig config) {
  if (!error_ && !config.learned_positions) read_rope_scaling(config);
  if (error_) return std::unexpected(*error_);
  return config;
}

ModelConfig ConfigReader::named() const {
  ModelConfig config;
  config.architecture = architecture_;
  config.name = file_.metadata().string("general.name").value_or("");
  if (config.name.empty()) config.name = std::filesystem::path(file_.path()).stem().string();
  return config;
}

ModelConfig ConfigReader::read(const Defaults& defaults) {
  ModelConfig config = named();
  hugging_face_ ? read_hugging_face(config, defaults) : read_gguf(config);
  config.activation = defaults.activation;
  return config;
}

void ConfigReader::read_gguf(ModelConfig& config) {
  config.hidden_size = count("embedding_length");
  config.n_layers = count("block_count");
  config.n_heads = count("attention.head_count");
  config.n_kv_heads = count("attention.head_count_kv", config.n_heads);
  config.head_dim = count("attention.key_length", quotient(config.hidden_size, config.n_heads));
  config.n_experts = count("expert_count", 0);
  config.n_experts_used = count("expert_used_count", 0);
  config.feed_forward_size = config.n_experts > 0 && has("expert_feed_forward_length")
                                 ? count("expert_feed_forward_length")
                                 : count("feed_forward_length");
  config.context_length = count("context_length");
  config.rope_dim = count("rope.dimension_count", config.head_dim);
  config.rms_norm_eps = number("attention.layer_norm_rms_epsilon", 1e-5);
  config.rope_theta = number("rope.freq_base", 10000);
  config.tied_head = file_.find("output.weight") == nullptr;
  config.attention_scale = number("attention.scale", 0);
  refuse(count("attention.value_length", config.head_dim) != config.head_dim, "a value size other than the key size");
  refuse(has("expert_shared_count") && count("expert_shared_count") > 0, "an expert that all tokens share");
}

void ConfigReader::read_hugging_face(ModelConfig& config, const Defaults& defaults) {
  config.hidden_size = count("hidden_size");
  config.n_layers = count("num_hidden_layers");
  config.n_heads = count("num_attention_heads");
  config.n_kv_heads = count("num_key_value_heads", config.n_heads);
  config.head_dim = count("head_dim", quotient(config.hidden_size, config.n_heads));
  config.feed_forward_size = count("intermediate_size");
  config.context_length = count("max_position_embeddings");
  config.rope_dim = config.head_dim;
  config.rms_norm_eps = number("rms_norm_eps", 1e-6);
  config.rope_theta = number("rope_theta", static_cast<double>(number("rope_parameters.rope_theta", 10000)));
  config.tied_head = flag("tie_word_embeddings", defaults.tied);
  const std::string_view expected = defaults.activation == Activation::kGelu ? "gelu_pytorch_tanh" : "silu";
  const std::string_view activation = text("hidden_activation", text("hidden_act", expected));
  refuse(activation != expected, fmt::format("the activation {}", in_quotes(activation)));
  config.qkv_bias = config.output_bias = flag("attention_bias", false);
  config.feed_forward_bias = flag("mlp_bias", false);
  refuse(has("quantization_config.quant_method"), "a checkpoint that another tool has quantized");
}

void ConfigReader::read_windows(ModelConfig& config, bool (*is_local)(std::size_t layer), std::size_t otherwise) {
  const char* key = hugging_face_ ? "sliding_window" : "attention.sliding_window";
  const char* list_key = hugging_face_ ? "layer_types" : "attention.sliding_window_pattern";
  const std::size_t window = count(key, otherwise);
  reject(hugging_face_ && has(key) && window == 0,  // GGUFs of Phi-4 say so that they have none
         fmt::format("a sliding window of 0 positions, in the key {}, sees nothing", full(key)));
  if (window == 0 || config.n_layers > kMostLayers) return;
  const auto* types = hugging_face_ ? strings(list_key) : nullptr;
  const auto* flags = hugging_face_ ? nullptr : integers(list_key);
  const bool complete =
      (types == nullptr || types->size() == config.n_layers) && (flags == nullptr || flags->size() == config.n_layers);
  reject(!complete,
         fmt::format("the key {} has not one entry for each of the {} layers", full(list_key), config.n_layers));
  if (!complete) return;
  const char* period_key = hugging_face_ ? "sliding_window_pattern" : list_key;
  const std::size_t period = types == nullptr && flags == nullptr && has(period_key) ? count(period_key) : 0;
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    bool local = is_local(layer);
    if (period > 0) local = (layer + 1) % period != 0;
    if (types != nullptr) local = (*types)[layer] == "sliding_attention";
    if (flags != nullptr) local = (*flags)[layer] != 0;
    refuse(types != nullptr && !local && (*types)[layer] != "full_attention",
           fmt::format("a layer of the type {}", in_quotes(types == nullptr ? "" : (*types)[layer])));
    const bool own_angles = local && config.local_rope_theta > 0;
    config.layers.push_back({local ? window : 0, own_angles ? RopeKind::kLocal : RopeKind::kGlobal});
  }
}

std::vector<float> ConfigReader::factors(const char* tensor, std::size_t pairs) {
  if (file_.find(tensor) == nullptr) return {};
  Result<std::vector<float>> values = load_vector(file_, tensor, pairs);
  if (!values && !error_) error_ = values.error();
  return values ? std::move(*values) : std::vector<float>();
}

void ConfigReader::read_rope_scaling(ModelConfig& config) {
  if (config.rope_dim > config.head_dim || config.head_dim > kLargestHead) return;  // check_config() says so
  hugging_face_ ? read_hugging_face_scaling(config) : read_gguf_scaling(config);
  RopeScaling& scaling = config.rope_scaling;
  if (scaling.type.empty()) return;
  reject(
      scaling.type != "longrope" && !(scaling.factor >= 1 && scaling.factor <= 1e6F),
      fmt::format("rotary positions cannot be stretched by {}; the factor lies between 1 and 1000000", scaling.factor));
  reject(scaling.type != "linear" && (scaling.original_context == 0 || scaling.original_context > (1U << 30)),
         fmt::format("rotary scaling of type '{}' needs an original context, and {} is none", scaling.type,
                     scaling.original_context));
  if (scaling.type == "linear") scaling.divisors = linear_divisors(config, scaling.factor);
  if (scaling.type != "yarn") return;
  reject(!(config.rope_theta > 1) || !(scaling.beta_fast > 0) || !(scaling.beta_slow > 0),
         "the betas of YaRN must be positive, and the rotary base above 1");
  scaling.divisors = yarn_divisors(config);
  if (scaling.amplitude <= 0) scaling.amplitude = yarn_amplitude(scaling.factor);
}

void ConfigReader::read_gguf_scaling(ModelConfig& config) {
  RopeScaling& scaling = config.rope_scaling;
  const bool old = has("rope.scale_linear"), scaled = has("rope.scaling.factor") || old;
  const std::string_view type = text("rope.scaling.type", scaled ? "linear" : "none");
  refuse(type != "none" && type != "linear" && type != "yarn" && type != "longrope",
         fmt::format("rotary scaling of type {}", in_quotes(type)));
  const std::size_t pairs = config.rope_dim / 2;
  scaling.original_context = count("rope.scaling.original_context_length", config.context_length);
  if (type == "linear" || type == "yarn") {
    scaling.type = type;
    scaling.factor = number(old ? "rope.scale_linear" : "rope.scaling.factor", 1);
  }
  scaling.amplitude = number("rope.scaling.attn_factor", 1);
  if (type == "yarn") {
    scaling.beta_fast = number("rope.scaling.yarn_beta_fast", 32);
    scaling.beta_slow = number("rope.scaling.yarn_beta_slow", 1);
    scaling.amplitude *= yarn_amplitude(scaling.factor);
    const bool other = number("rope.scaling.yarn_log_multiplier", 0) != 0 ||
                       number("rope.scaling.yarn_ext_factor", 1) != 1 ||
                       number("rope.scaling.yarn_attn_factor", 1) != 1;
    refuse(other, "YaRN with a log multiplier or factors of its own");
  }
  const std::vector<float> one = factors("rope_freqs.weight", pairs);
  const std::vector<float> brief = factors("rope_factors_short.weight", pairs),
                           extended = factors("rope_factors_long.weight", pairs);
  reject(brief.empty() != extended.empty(),
         "of the rotary factors rope_factors_short and rope_factors_long one is missing");
  reject(type == "longrope" && brief.empty(), "rotary scaling of type 'longrope' needs the tensors of its factors");
  refuse(!scaling.type.empty() && (!one.empty() || !brief.empty()), "rotary factors beside a scaling");
  if (!one.empty()) scaling.divisors = one;
  if (brief.empty()) return;
  scaling.type = "longrope";
  scaling.divisors = brief;
  scaling.long_divisors = extended;
}

void ConfigReader::read_hugging_face_scaling(ModelConfig& config) {
  RopeScaling& scaling = config.rope_scaling;
  for (const std::string prefix : {"rope_scaling.", "rope_parameters.", "rope_parameters.full_attention."}) {
    std::string_view type = text(prefix + "rope_type", text(prefix + "type"));
    if (type == "su") type = "longrope";  // its first name
    if (type.empty() || type == "default") continue;
    constexpr std::array<std::string_view, 4> kKnown = {"linear", "llama3", "yarn", "longrope"};
    const bool known = std::find(kKnown.begin(), kKnown.end(), type) != kKnown.end();
    refuse(!known, fmt::format("rotary scaling of type {}", in_quotes(type)));
    if (!known) return;
    scaling.type = type;
    if (type == "longrope") return read_long_rope(config, prefix);
    scaling.original_context = count(prefix + "original_max_position_embeddings",
                                     count("original_max_position_embeddings", config.context_length));
    scaling.factor = number(prefix + "factor", 1);
    if (type == "yarn") {
      scaling.beta_fast = number(prefix + "beta_fast", 32);
      scaling.beta_slow = number(prefix + "beta_slow", 1);
      scaling.amplitude = number(prefix + "attention_factor", 0);
      refuse(has(prefix + "mscale") || !flag(prefix + "truncate", true), "YaRN with an mscale or without rounding");
    }
    if (type == "llama3") {
      const float low = number(prefix + "low_freq_factor", 1), high = number(prefix + "high_freq_factor", 4);
      reject(!(low > 0 && high > low && high < 1e6F),
             fmt::format("the frequency factors {} and {} must be positive and ascending", low, high));
      scaling.divisors = llama3_divisors(config, low, high);
    }
    return;
  }
}

void ConfigReader::read_long_rope(ModelConfig& config, const std::string& prefix) {
  RopeScaling& scaling = config.rope_scaling;
  scaling.original_context =
      count("original_max_position_embeddings", count(prefix + "original_max_position_embeddings", 0));
  scaling.divisors = floats(prefix + "short_factor");
  scaling.long_divisors = floats(prefix + "long_factor");
  reject(scaling.divisors.empty() || scaling.long_divisors.empty(),
         "rotary scaling of type 'longrope' needs the lists short_factor and long_factor");
  scaling.amplitude = number(prefix + "attention_factor", 0);
  if (scaling.amplitude <= 0) scaling.amplitude = longrope_amplitude(config.context_length, scaling.original_context);
}

}  // namespace tq
