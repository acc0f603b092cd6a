// A GPT-2 of three layers that sorts, against what its own training code computed, layer by layer.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/model_bytes.h"
#include "support/models.h"

namespace tq {
namespace {

constexpr std::size_t kWidth = 48, kLayers = 3, kTokens = 11, kVocabulary = 3;

/// Standard base64 without line breaks, of f32.
std::vector<float> decode_floats(const std::string& text) {
  static const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    n_bits += 6;
    if (n_bits < 8) continue;
    n_bits -= 8;
    bytes += static_cast<char>(bits >> n_bits & 255U);
  }
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), values.size() * 4);
  return values;
}

nlohmann::json read(const char* name) {
  return nlohmann::json::parse(std::ifstream(test::shared_data("models/gpt-nano-sort") / name));
}
std::vector<float> floats(const nlohmann::json& file, const std::string& name) {
  return decode_floats(file.at(name).at("data").get<std::string>());
}

void add(test::Gguf& file, const std::string& name, std::vector<std::uint64_t> dims, const std::vector<float>& values) {
  file.data.resize((file.data.size() + 31) / 32 * 32);
  file.tensors.push_back({name, std::move(dims), 0, file.data.size()});
  for (const float value : values) file.data += test::Bytes().add(value).get();
}

/// The first `n_layers` layers and the head of the model; or, with `plain`, a norm without weights and no head: logit i
/// is then value i of the normalized stream. The vocabulary is filled up to the width for that.
std::string gguf(const nlohmann::json& model, std::size_t n_layers, bool plain) {
  test::Gguf file;
  file.keys = {test::text_key("general.architecture", "gpt2")};
  const auto key = [&](const char* name, std::size_t value) {
    file.keys.push_back(test::key(std::string("gpt2.") + name, test::kU32, static_cast<std::uint32_t>(value)));
  };
  key("context_length", kTokens);
  key("embedding_length", kWidth);
  key("feed_forward_length", 4 * kWidth);
  key("block_count", n_layers);
  key("attention.head_count", 3);
  file.keys.push_back(test::key("gpt2.attention.layer_norm_epsilon", test::kF32, 1e-5F));

  const auto of = [&](const std::string& name) { return floats(model, "transformer." + name); };
  std::vector<float> embedding = of("wte.weight"), identity(kWidth * kWidth, 0.0F);
  embedding.resize((plain ? kWidth : kVocabulary) * kWidth);
  for (std::size_t i = 0; i < kWidth; ++i) identity[i * kWidth + i] = 1;
  add(file, "token_embd.weight", {kWidth, embedding.size() / kWidth}, embedding);
  add(file, "position_embd.weight", {kWidth, kTokens}, of("wpe.weight"));
  add(file, "output_norm.weight", {kWidth}, plain ? std::vector<float>(kWidth, 1.0F) : of("ln_f.weight"));
  add(file, "output_norm.bias", {kWidth}, plain ? std::vector<float>(kWidth, 0.0F) : of("ln_f.bias"));
  add(file, "output.weight", {kWidth, embedding.size() / kWidth}, plain ? identity : floats(model, "lm_head.weight"));
  struct Names {
    const char *gguf, *theirs;
    std::uint64_t rows, columns;
  };
  for (std::size_t layer = 0; layer < n_layers; ++layer) {
    const std::string to = "blk." + std::to_string(layer) + ".", from = "h." + std::to_string(layer) + ".";
    for (const Names& n :
         {Names{"attn_norm", "ln_1", kWidth, 0}, Names{"ffn_norm", "ln_2", kWidth, 0},
          Names{"attn_qkv", "attn.c_attn", 3 * kWidth, kWidth}, Names{"attn_output", "attn.c_proj", kWidth, kWidth},
          Names{"ffn_up", "mlp.c_fc", 4 * kWidth, kWidth}, Names{"ffn_down", "mlp.c_proj", kWidth, 4 * kWidth}}) {
      const std::vector<std::uint64_t> matrix = {n.columns, n.rows}, vector = {n.rows};
      add(file, to + n.gguf + ".weight", n.columns == 0 ? vector : matrix, of(from + n.theirs + ".weight"));
      add(file, to + n.gguf + ".bias", vector, of(from + n.theirs + ".bias"));
    }
  }
  return file.bytes();
}

/// The logits of all sequences of the recording, one behind the other.
std::vector<float> run(const std::string& bytes, const nlohmann::json& recorded) {
  const auto file = test::must(TensorFile::from_gguf(test::bytes_of(bytes), "gpt-nano-sort"));
  const auto model = test::must(Model::load(file, {.weights = "", .threads = 1}));
  const std::vector<float> ids = floats(recorded, "idx");
  std::vector<float> logits;
  for (std::size_t first = 0; first < ids.size(); first += kTokens) {
    const std::vector<TokenId> tokens(ids.begin() + static_cast<std::ptrdiff_t>(first),
                                      ids.begin() + static_cast<std::ptrdiff_t>(first + kTokens));
    const auto session = test::open_session(model, {.context = kTokens});
    const std::vector<float> these = test::logits_of(*session, tokens);
    logits.insert(logits.end(), these.begin(), these.end());
  }
  return logits;
}

std::vector<float> normalized(std::vector<float> rows) {
  for (std::size_t row = 0; row < rows.size(); row += kWidth) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < kWidth; ++i) mean += static_cast<double>(rows[row + i]) / kWidth;
    for (std::size_t i = 0; i < kWidth; ++i)
      variance += std::pow(static_cast<double>(rows[row + i]) - mean, 2) / kWidth;
    for (std::size_t i = 0; i < kWidth; ++i)
      rows[row + i] = static_cast<float>((static_cast<double>(rows[row + i]) - mean) / std::sqrt(variance + 1e-5));
  }
  return rows;
}

// Both sides compute in f32; normalized values are near 1, logits near 10.
TEST(GptNanoSort, agrees_with_its_recorded_activations_layer_by_layer) {
  TQ_NEEDS_SHARED_DATA("models/gpt-nano-sort");
  const nlohmann::json model = read("gpt-nano-sort-model.json"), recorded = read("gpt-nano-sort-t0-partials.json");
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    const std::vector<float> expected = normalized(floats(recorded, "block" + std::to_string(layer)));
    EXPECT_LT(test::largest_difference(run(gguf(model, layer + 1, true), recorded), expected), 1e-4) << layer;
  }
  EXPECT_LT(test::largest_difference(run(gguf(model, kLayers, false), recorded), floats(recorded, "lm_head")), 1e-4);
}

}  // namespace
}  // namespace tq
