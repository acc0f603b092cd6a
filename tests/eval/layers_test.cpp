// Where an error begins: what --layers says of faults that are planted where a bug would sit. Each fault is looked for
// in the numbers that the page shows, and the same numbers are read without the fault.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "eval/faulty_codec.h"
#include "support/tiny_models.h"
#include "turboquant/report.h"

namespace tq {
namespace {

using nlohmann::json;
using test::CodecFault;

/// A letter is a token of the tiny models.
class Letters final : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<TokenId> tokens;
    for (const char c : text) tokens.push_back(c - 'A');
    return tokens;
  }
  std::string piece(TokenId id) const override { return {static_cast<char>('A' + id)}; }
  std::string decode(std::span<const TokenId>) const override { return ""; }
  std::size_t vocab_size() const override { return kVocabulary; }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
  bool adds_bos() const override { return false; }
  std::string kind() const override { return "letters"; }

  static constexpr std::size_t kVocabulary = 40;
};

std::string some_text(std::size_t n) {
  std::string text;
  for (const TokenId token : test::some_tokens(n, Letters::kVocabulary)) text += static_cast<char>('A' + token);
  return text;
}

/// The options of all tests: two windows of 64 tokens.
EvalOptions options_for(const std::string& kv, bool decode = false) {
  return {.kv = {kv}, .context = 64, .decode = decode, .layers = true, .continuations = 0, .threads = 1};
}

/// The JSON that is the page's data.
json measured(const test::TinyModel& model, const EvalOptions& options) {
  const std::string bytes = model.gguf();
  const auto file = test::must(TensorFile::from_gguf(test::bytes_of(bytes), "tiny.gguf"));
  return json::parse(to_json(test::must(evaluate(file, Letters(), some_text(128), "letters", options, {}))));
}

double error_of(const json& row, std::size_t layer, const char* tensor) {
  return row.at("layers").at(layer).at(tensor).at("relative_error");
}

class EveryFamily : public testing::TestWithParam<std::string> {};
std::string test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily, testing::ValuesIn(test::tiny_models()), test_name);

// The floor is the base against itself: a row that is the base again must not be above what is printed as the floor.
TEST_P(EveryFamily, the_base_against_itself_is_not_above_the_floor_and_no_layer_differs) {
  const test::TinyModel model(GetParam());
  for (const bool decode : {false, true}) {
    const json report = measured(model, options_for("f32", decode));
    const json& row = report.at("rows").at(0);
    for (const char* figure : {"kld_mean", "kld_max"})
      EXPECT_LE(row.at(figure).get<double>(), report.at("noise_floor").at(figure).get<double>()) << figure << decode;
    for (std::size_t layer = 0; layer < row.at("layers").size(); ++layer) {
      for (const char* tensor : {"k", "v", "attention", "hidden"})
        EXPECT_LE(error_of(row, layer, tensor), decode ? 1e-6 : 0.0) << tensor << " of layer " << layer;
    }
  }
}

TEST_P(EveryFamily, layers_are_measured_alike_in_prefill_and_decode) {
  const test::TinyModel model(GetParam());
  const json prefill = measured(model, options_for("tq4:tq3")).at("rows").at(0);
  const json decode = measured(model, options_for("tq4:tq3", true)).at("rows").at(0);
  ASSERT_FALSE(prefill.at("layers").empty());
  ASSERT_EQ(prefill.at("layers").size(), decode.at("layers").size());
  // D(b) of algorithm.md: 0.0095 at 4 bits, 0.0345 at 3, of long rows. Queries of layer 0 are the base's.
  EXPECT_NEAR(error_of(prefill, 0, "k"), std::sqrt(0.0095), 0.03);
  EXPECT_NEAR(error_of(prefill, 0, "v"), std::sqrt(0.0345), 0.05);
  for (std::size_t layer = 0; layer < prefill.at("layers").size(); ++layer) {
    for (const char* tensor : {"k", "v", "attention", "hidden"}) {
      const double error = error_of(prefill, layer, tensor);
      // Rounding moves single codes to their neighbours (families_test.cpp).
      EXPECT_NEAR(error_of(decode, layer, tensor) / error, 1, 0.1) << tensor << " of layer " << layer;
      // ⟨x, b⟩/(‖x‖‖b‖) of x = b + e with e in any direction is at least √(1 − ‖e‖²/‖b‖²).
      EXPECT_GT(prefill.at("layers")[layer].at(tensor).at("cosine"), std::sqrt(1 - std::min(1.0, 4 * error * error)));
    }
  }
}

TEST(Layers, are_measured_only_where_somebody_asks_and_change_no_figure) {
  const test::TinyModel model("llama");
  EvalOptions options = options_for("tq3");
  const json asked = measured(model, options).at("rows").at(0);
  options.layers = false;
  const json not_asked = measured(model, options).at("rows").at(0);
  EXPECT_TRUE(not_asked.at("layers").empty());
  EXPECT_TRUE(not_asked.at("worst_layer").is_null());
  EXPECT_EQ(asked.at("layers").size(), 2U);
  for (const char* figure : {"ppl", "kld_mean", "kld_max", "mae_logits"})
    EXPECT_EQ(asked.at(figure), not_asked.at(figure)) << figure;
}

// The rows that decoding adds to the cache lose half of their values; prefill's do not.
TEST(PlantedFault, half_of_v_zeroed_in_decode_shows_there_alone) {
  const test::TinyModel model("smollm3");
  const json prefill = measured(model, options_for("f16:tq4")), decode = measured(model, options_for("f16:tq4", true));
  const test::PlantedFault planted(CodecFault::kHalfOfOneRow);
  EXPECT_EQ(measured(model, options_for("f16:tq4")).at("rows")[0].at("kld_mean"), prefill.at("rows")[0].at("kld_mean"))
      << "prefill hides it";
  const json faulty = measured(model, options_for("f16:tq4", true)).at("rows")[0], &sound = decode.at("rows")[0];
  EXPECT_GT(faulty.at("kld_mean"), 3 * sound.at("kld_mean").get<double>());
  // Of 63 tokens of a window 31 are decoded, and half of their energy is gone: √(31/63 / 2) = 0.496.
  EXPECT_NEAR(error_of(faulty, 0, "v"), 0.5, 0.1);
  EXPECT_LT(error_of(sound, 0, "v"), 0.15);
  EXPECT_LT(error_of(faulty, 0, "k"), 1e-3) << "the keys of the first layer are sound";
  // The more tokens were decoded, the more is missing.
  const json& bins = faulty.at("kld_by_position");
  EXPECT_GT(bins.back().at("kld_mean"), 2 * sound.at("kld_by_position").back().at("kld_mean").get<double>());
}

TEST(PlantedFault, a_codebook_off_by_2_percent_shows_in_every_layer) {
  const test::TinyModel model("smollm3");
  const json sound = measured(model, options_for("tq8")).at("rows")[0];
  const test::PlantedFault planted(CodecFault::kCodebook);
  const json faulty = measured(model, options_for("tq8")).at("rows")[0];
  EXPECT_GT(faulty.at("kld_mean"), 3 * sound.at("kld_mean").get<double>());
  for (const char* tensor : {"k", "v"}) {
    EXPECT_LT(error_of(sound, 0, tensor), 0.008) << "D(8) is 0.0064²";
    EXPECT_NEAR(error_of(faulty, 0, tensor), std::hypot(0.02, 0.0064), 0.002) << tensor;
    for (std::size_t layer = 1; layer < sound.at("layers").size(); ++layer)
      EXPECT_GT(error_of(faulty, layer, tensor), 1.5 * error_of(sound, layer, tensor)) << tensor << layer;
  }
  EXPECT_GT(faulty.at("layers")[0].at("k").at("cosine"), 0.9999) << "a wrong unit turns no vector";
}

/// smollm3's weights with the queries of one head of one layer negated.
test::TinyModel with_a_flipped_head(std::size_t layer) {
  test::TinyModel model("smollm3");
  const std::size_t head_dim = model.recipe.at("head_dim");
  auto& query = model.tensors.at("model.layers." + std::to_string(layer) + ".self_attn.q_proj.weight");
  const std::size_t values = head_dim * query.shape[1];
  for (std::size_t i = 0; i < values; ++i) query.values[values + i] *= -1;
  return model;
}

TEST(PlantedFault, a_sign_flipped_in_one_head_is_named_by_its_layer) {
  const test::TinyModel model("smollm3");
  const test::TemporaryFolder folder;
  EvalOptions options = options_for("f32");
  for (const std::size_t layer : {1U, 3U}) {
    options.weights = {"", folder.write("faulty.gguf", with_a_flipped_head(layer).gguf())};
    const json rows = measured(model, options).at("rows");
    const json &sound = rows[0], &faulty = rows[1];
    EXPECT_EQ(sound.at("kld_mean"), 0);
    EXPECT_TRUE(sound.at("worst_layer").is_null());
    EXPECT_GT(faulty.at("kld_mean"), 1e-6);
    EXPECT_EQ(faulty.at("worst_layer"), layer);
    for (const char* tensor : {"k", "v", "attention", "hidden"})
      EXPECT_EQ(error_of(faulty, layer - 1, tensor), 0) << tensor;
    EXPECT_EQ(error_of(faulty, layer, "k"), 0) << "only the queries are wrong";
    EXPECT_GT(error_of(faulty, layer, "attention"), 0.01);
    EXPECT_GT(error_of(faulty, layer + 1, "k"), 0);
  }
}

TEST(Layers, of_a_model_of_another_shape_are_not_compared) {
  test::TinyModel other("llama");
  const test::TemporaryFolder folder;
  EvalOptions options = options_for("f32");
  options.weights = {folder.write("other.gguf", other.gguf())};
  const json report = measured(test::TinyModel("smollm3"), options);
  EXPECT_TRUE(report.at("rows")[0].at("layers").empty());
  EXPECT_TRUE(report.at("rows")[0].at("kld_mean").is_number());
}

}  // namespace
}  // namespace tq
