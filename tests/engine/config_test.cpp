// A configuration that the engine must not believe.
#include "support/models.h"

#include <cmath>
#include <limits>

#include "engine/architectures.h"

namespace tq {
namespace {

ModelConfig sound() {
  ModelConfig config;
  config.architecture = "llama";
  config.vocab_size = 512;
  config.hidden_size = 64;
  config.n_layers = 5;
  config.n_heads = 8;
  config.n_kv_heads = 4;
  config.head_dim = 8;
  config.feed_forward_size = 172;
  config.context_length = 512;
  config.rope_dim = 8;
  return config;
}

TEST(Config, a_sound_one_passes) { EXPECT_TRUE(check_config(sound(), "model").has_value()); }

TEST(Config, every_field_has_its_bounds) {
  using Change = void (*)(ModelConfig&);
  const std::vector<Change> changes = {
      [](ModelConfig& c) { c.vocab_size = 0; },
      [](ModelConfig& c) { c.vocab_size = SIZE_MAX; },
      [](ModelConfig& c) { c.hidden_size = 0; },
      [](ModelConfig& c) { c.hidden_size = 1U << 21; },
      [](ModelConfig& c) { c.n_layers = 0; },
      [](ModelConfig& c) { c.n_layers = SIZE_MAX; },
      [](ModelConfig& c) { c.n_heads = 0; },
      [](ModelConfig& c) { c.n_kv_heads = 0; },
      [](ModelConfig& c) { c.n_kv_heads = 16; },
      [](ModelConfig& c) { c.n_kv_heads = 3; },
      [](ModelConfig& c) { c.head_dim = 0; },
      [](ModelConfig& c) { c.head_dim = 1U << 13; },
      [](ModelConfig& c) { c.feed_forward_size = 0; },
      [](ModelConfig& c) { c.context_length = 0; },
      [](ModelConfig& c) { c.rope_dim = 0; },
      [](ModelConfig& c) { c.rope_dim = 7; },
      [](ModelConfig& c) { c.rope_dim = 10; },
      [](ModelConfig& c) { c.rms_norm_eps = 0; },
      [](ModelConfig& c) { c.rms_norm_eps = std::numeric_limits<float>::quiet_NaN(); },
      [](ModelConfig& c) { c.rope_theta = -1; },
      [](ModelConfig& c) { c.rope_theta = std::numeric_limits<float>::infinity(); },
      [](ModelConfig& c) { c.learned_positions = true; },  // and yet rotary ones
      [](ModelConfig& c) { c.n_experts = 4; },             // of which none is used
      [](ModelConfig& c) { c.n_experts_used = 1; },
      [](ModelConfig& c) { c.n_experts = c.n_experts_used = 5000; },
      [](ModelConfig& c) { c.layers.resize(4); },
      [](ModelConfig& c) { c.layers.assign(5, {.window = std::size_t{1} << 31}); },
      [](ModelConfig& c) { c.attention_soft_cap = -1; },
      [](ModelConfig& c) { c.logit_soft_cap = std::numeric_limits<float>::quiet_NaN(); },
      [](ModelConfig& c) { c.attention_scale = std::numeric_limits<float>::infinity(); },
      [](ModelConfig& c) { c.embedding_scale = 0; },
      [](ModelConfig& c) { c.local_rope_theta = -1; },
      [](ModelConfig& c) {
        c.rope_scaling.divisors = {1, 1, 1};
      },
      [](ModelConfig& c) {
        c.rope_scaling.divisors = {1, 1, 1, 0};
      },
      [](ModelConfig& c) {
        c.rope_scaling.divisors = {1, 1, 1, std::numeric_limits<float>::quiet_NaN()};
      },
      [](ModelConfig& c) {
        c.rope_scaling.long_divisors = {1, 1, 1, 1};
      },  // from which context on?
      [](ModelConfig& c) { c.rope_scaling.amplitude = 0; },
      [](ModelConfig& c) { c.rope_scaling.amplitude = 1e9F; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    ModelConfig config = sound();
    changes[i](config);
    const Result<void> checked = check_config(config, "model");
    ASSERT_FALSE(checked.has_value()) << "change " << i;
    EXPECT_EQ(checked.error().code, ErrorCode::kBadFile);
    EXPECT_EQ(checked.error().message.find('\n'), std::string::npos);
  }
}

TEST(Config, pycoder_reads_as_its_card_says) {
  const ModelConfig config = test::load(test::pycoder_gguf())->config();
  EXPECT_EQ(config.hidden_size, 512U);
  EXPECT_EQ(config.n_layers, 8U);
  EXPECT_EQ(config.n_heads, 8U);
  EXPECT_EQ(config.n_kv_heads, 2U);
  EXPECT_EQ(config.head_dim, 64U);
  EXPECT_EQ(config.feed_forward_size, 1024U);
  EXPECT_EQ(config.vocab_size, 3840U);
  EXPECT_EQ(config.context_length, 4096U);
  EXPECT_TRUE(config.tied_head);
}

TEST(Config, an_unknown_codec_for_weights_is_a_usage_error) {
  const auto file = test::must(TensorFile::open(test::pycoder_gguf()));
  const auto model = Model::load(file, {.weights = "tq99"});
  ASSERT_FALSE(model.has_value());
  EXPECT_EQ(model.error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace tq
