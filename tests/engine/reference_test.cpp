// The forward pass against an independent one (models/pycoder/reference.json: float64, written from the model's
// definition), and the containers of one model against each other.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/models.h"
#include "support/pycoder_folder.h"
#include "turboquant/sampler.h"

namespace tq {
namespace {

const nlohmann::json& reference() {
  static const nlohmann::json json = nlohmann::json::parse(std::ifstream(test::pycoder() / "reference.json"));
  return json;
}

class EveryContainer : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Pycoder, EveryContainer, testing::Values("pycoder.f16.gguf", "model.safetensors", ""),
                         [](const testing::TestParamInfo<const char*>& row) {
                           return std::string(row.index == 0 ? "gguf" : row.index == 1 ? "safetensors" : "folder");
                         });

TEST_P(EveryContainer, logits_agree_with_the_independent_forward_pass_to_1e_3) {
  const auto model = test::load((std::string_view(GetParam()) == "pycoder.f16.gguf" ? test::pycoder() : test::pycoder_folder()) / GetParam());
  for (const nlohmann::json& sample : reference().at("logits")) {
    const auto ids = sample.at("ids").get<std::vector<TokenId>>();
    const auto last = sample.at("last").get<std::vector<float>>();
    const auto session = test::open_session(model);
    const std::vector<float> logits = test::logits_of(*session, ids);
    const std::size_t vocab = model->config().vocab_size;
    ASSERT_EQ(last.size(), vocab);
    EXPECT_LT(test::largest_difference(std::span(logits).last(vocab), last), 1e-3);
    const auto tops = sample.at("argmax").get<std::vector<TokenId>>();
    ASSERT_EQ(tops.size(), ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i)
      EXPECT_EQ(argmax(std::span(logits).subspan(i * vocab, vocab)), tops[i]) << i;
  }
}

/// The logits of one model from several containers.
void expect_same_bits(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::vector<float>> logits;
  for (const auto& path : paths) {
    const auto model = test::load(path);
    const auto session = test::open_session(model);
    logits.push_back(test::logits_of(*session, test::some_tokens(50, model->config().vocab_size)));
  }
  for (std::size_t i = 1; i < logits.size(); ++i) EXPECT_EQ(logits[i], logits[0]) << paths[i];
}

TEST(Containers, pycoder_has_the_same_bits_from_gguf_and_safetensors) {
  expect_same_bits({test::pycoder_gguf(), test::pycoder_folder() / "model.safetensors", test::pycoder_folder()});
}

TEST(Containers, stories260K_has_the_same_bits_from_gguf_and_both_llama2c_versions) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  const auto folder = test::shared_data("models/stories260K");
  expect_same_bits({folder / "stories260K.f32.gguf", folder / "stories260K.bin", folder / "checkpoint_v1.bin"});
}

}  // namespace
}  // namespace tq
