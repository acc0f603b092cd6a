// Keys with a large bias: taken out of the cache exactly, recognised, and what `--kv auto` makes of it.
#include "engine/key_bias.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/cache_advice.h"
#include "support/tiny_models.h"

namespace tq {
namespace {

using test::must;

/// A tiny model whose key biases of the layers from `first_layer` on are `times` as large. `yarn`: with an amplitude.
std::shared_ptr<const Model> planted(const std::string& name, float times, int first_layer = 0, bool yarn = false) {
  test::TinyModel tiny(name);
  for (auto& [tensor, made] : tiny.tensors) {
    const bool fused = tensor.ends_with("c_attn.bias");
    if (!fused && !tensor.ends_with("k_proj.bias")) continue;
    if (tensor.find("." + std::to_string(first_layer) + ".") == tensor.npos && first_layer > 0) continue;
    const auto third = static_cast<std::ptrdiff_t>(made.values.size() / 3);
    std::for_each(made.values.begin() + (fused ? third : 0), fused ? made.values.end() - third : made.values.end(),
                  [&](float& b) { b *= times; });
  }
  if (yarn) {
    tiny.recipe["gguf_keys"]["qwen2.rope.scaling.type"] = "yarn";
    tiny.recipe["gguf_keys"]["qwen2.rope.scaling.factor"] = 8.0;
    tiny.recipe["gguf_keys"]["qwen2.rope.scaling.original_context_length"] = 128;
  }
  static std::vector<std::unique_ptr<std::string>> files;  // models are mapped
  files.push_back(std::make_unique<std::string>(tiny.gguf()));
  return must(
      Model::load(must(TensorFile::from_gguf(test::bytes_of(*files.back()), name)), {.weights = "", .threads = 1}));
}

/// Mean over the tokens of Σ p (ln p − ln q), p the softmax of `base`, q that of `other`.
double divergence(const std::vector<float>& base, const std::vector<float>& other, std::size_t vocab) {
  double sum = 0;
  for (std::size_t at = 0; at < base.size(); at += vocab) {
    double p_total = 0, q_total = 0;
    for (std::size_t i = at; i < at + vocab; ++i) {
      p_total += std::exp(static_cast<double>(base[i]));
      q_total += std::exp(static_cast<double>(other[i]));
    }
    for (std::size_t i = at; i < at + vocab; ++i) {
      const double log_ratio =
          static_cast<double>(base[i]) - static_cast<double>(other[i]) + std::log(q_total / p_total);
      sum += std::exp(static_cast<double>(base[i])) / p_total * log_ratio;
    }
  }
  return sum / (static_cast<double>(base.size()) / static_cast<double>(vocab));
}

constexpr float kLarge = 40;

std::vector<float> run(const std::shared_ptr<const Model>& model, const std::string& cache, std::size_t n,
                       unsigned threads = 1) {
  const auto session = test::open_session(model, {.cache = cache, .context = n, .threads = threads});
  return test::logits_of(*session, test::some_tokens(n, model->config().vocab_size));
}

// With every key and value kept in f16 only the rounding of what is stored is left, at most 2^-11 of a key: 1 % of a
// score of 20. A wrong angle or amplitude anywhere would leave nothing of these logits.
TEST(KeyBias, what_is_left_out_of_the_cache_comes_back_in_the_scores) {
  struct Case {
    const char* model;
    std::size_t tokens;  // across the 512 positions that attention takes at once, where positions are not learned
    bool yarn;
  };
  for (const Case& one : {Case{"qwen2", 560, false}, Case{"qwen2", 560, true}, Case{"llama-linear", 560, false},
                          Case{"gpt2", 120, false}}) {
    SCOPED_TRACE(std::string(one.model) + (one.yarn ? " with YaRN" : ""));
    const auto model = planted(one.model, 10, 0, one.yarn);
    const std::size_t vocab = model->config().vocab_size;
    const std::vector<float> exact = run(model, "f32", one.tokens);
    const std::string sink = "+sink=" + std::to_string(one.tokens);
    EXPECT_LT(divergence(exact, run(model, "tq4" + sink + "+center=bias", one.tokens), vocab), 2e-4);
    if (model->config().learned_positions) continue;  // softmax does not see a constant
    EXPECT_GT(divergence(exact, run(planted(one.model, 9, 0, one.yarn), "f32", one.tokens), vocab), 2e-3)
        << "the bias matters";
  }
}

// The error of a score is in proportion to the root of the energy that is coded, which a bias of `ratio` times the
// energy of the rest multiplies by 1 + ratio. The divergence grows with the square of that error where attention is
// soft, and with the error itself where it is as sharp as here, since what changes is which of two near ties wins. The
// mean can be taken out of slow coordinates alone.
TEST(KeyBias, codes_are_spared_the_energy_of_the_bias) {
  const auto model = planted("qwen2", kLarge);
  const std::size_t vocab = model->config().vocab_size, n = 300;
  const std::vector<double> ratios = key_bias_ratios(static_cast<const LoadedModel&>(*model));
  const double ratio = *std::min_element(ratios.begin(), ratios.end());
  ASSERT_GT(ratio, 4);
  const std::vector<float> exact = run(model, "f32", n);
  const double plain = divergence(exact, run(model, "tq8:f32", n), vocab),
               mean = divergence(exact, run(model, "tq8:f32+center=mean", n), vocab),
               bias = divergence(exact, run(model, "tq8:f32+center=bias", n), vocab),
               automatic = divergence(exact, run(model, "tq8:f32+center=auto", n), vocab);
  RecordProperty("divergence", std::to_string(plain) + " " + std::to_string(mean) + " " + std::to_string(bias));
  EXPECT_LT(bias, plain * 1.4 / std::sqrt(1 + ratio)) << plain;
  EXPECT_LT(automatic, plain * 1.4 / std::sqrt(1 + ratio)) << plain;
  EXPECT_LT(bias, mean) << "of fast coordinates a mean takes nothing out";
}

TEST(KeyBias, automatic_centring_leaves_small_biases_in) {
  const auto small = planted("qwen2", 1), large = planted("qwen2", kLarge), second = planted("qwen2", kLarge, 1);
  const auto create = [](const auto& model, bool every_head) {
    return KeyBias::create(static_cast<const LoadedModel&>(*model), 64, every_head);
  };
  EXPECT_EQ(create(small, false), nullptr);
  ASSERT_NE(create(small, true), nullptr);
  EXPECT_TRUE(create(large, false)->left_out(0, 0));
  EXPECT_FALSE(create(second, false)->left_out(0, 0));
  EXPECT_TRUE(create(second, false)->left_out(1, 0));
  EXPECT_EQ(create(planted("qwen3", 1), true), nullptr) << "it has none";
}

TEST(KeyBias, threads_change_no_bit_and_decode_agrees_with_prefill) {
  const auto model = planted("qwen2", kLarge, 1);
  const std::size_t n = 90, vocab = model->config().vocab_size;
  for (const std::string cache : {"tq8+center=bias", "tq8+sink=4+recent=20+center=auto"}) {
    const std::vector<float> prefilled = run(model, cache, n);
    EXPECT_EQ(run(model, cache, n, 3), prefilled) << cache;
    const auto decoding = test::open_session(model, {.cache = cache, .context = n});
    const std::vector<float> decoded = test::decoded_logits_of(*decoding, test::some_tokens(n, vocab));
    EXPECT_LT(divergence(prefilled, decoded, vocab), 1e-4) << cache;
  }
}

TEST(KeyBias, a_saved_cache_says_which_heads_are_without) {
  const auto model = planted("qwen2", kLarge, 1);
  const std::vector<TokenId> tokens = test::some_tokens(60, model->config().vocab_size);
  const test::TemporaryFolder folder;
  const auto first = test::open_session(model, {.cache = "tq4+center=bias", .context = 64}),
             second = test::open_session(model, {.cache = "tq4+center=bias", .context = 64}),
             other = test::open_session(model, {.cache = "tq4", .context = 64});
  test::logits_of(*first, std::span(tokens).first(50));
  must(first->save(folder.path() / "cache"));
  must(second->restore(folder.path() / "cache"));
  EXPECT_EQ(test::logits_of(*first, std::span(tokens).subspan(50)),
            test::logits_of(*second, std::span(tokens).subspan(50)));
  EXPECT_FALSE(other->restore(folder.path() / "cache").has_value());
}

TEST(CacheAdvice, a_large_bias_is_named_and_taken_out) {
  const auto model = planted("qwen2", kLarge, 1);
  const CacheAdvice advice = advise_cache(*model);
  EXPECT_EQ(advice.spec.center, KeyCentering::kBias);
  EXPECT_NE(advice.reason.find("in 1 of 2 heads the bias"), std::string::npos) << advice.reason;
  EXPECT_EQ(advise_cache(*planted("qwen2", 1)).spec.center, KeyCentering::kAuto);
}

/// The shape of Llama 3.1 8B, which no rule is about.
ModelConfig plain_config() {
  ModelConfig config;
  config.n_layers = 32;
  config.n_heads = 32;
  config.n_kv_heads = 8;
  config.head_dim = 128;
  return config;
}

TEST(CacheAdvice, each_property_adds_bits_and_a_reason) {
  constexpr std::uint64_t kMany = 8'000'000'000;
  EXPECT_EQ(advise_cache(plain_config(), kMany, {}).spec.name(), "tq4+sink=4+center=auto");
  struct Case {
    void (*change)(ModelConfig&);
    std::uint64_t parameters;
    const char *spec, *word;
  };
  for (const Case& one :
       {Case{[](ModelConfig& c) { c.query_key_norm = true; }, kMany, "tq5:tq4+sink=4+center=auto", "norm"},
        Case{[](ModelConfig& c) { c.attention_soft_cap = 50; }, kMany, "tq5:tq4+sink=4+center=auto", "soft cap"},
        Case{[](ModelConfig& c) {
               c.layers.assign(32, {4096, RopeKind::kGlobal});
             },
             kMany, "tq4:tq5+sink=4+center=auto", "window"},
        Case{[](ModelConfig& c) { c.n_kv_heads = 2; }, kMany, "tq5+sink=4+center=auto", "share 2"},
        Case{[](ModelConfig& c) { c.n_heads = 64; }, kMany, "tq5+sink=4+center=auto", "64 query heads"},
        Case{[](ModelConfig& c) { c.head_dim = 64; }, kMany, "tq5:tq4+sink=4+center=auto", "64 coordinates"},
        Case{[](ModelConfig&) {}, 500'000'000, "tq5+sink=4+center=auto", "small"}}) {
    ModelConfig config = plain_config();
    one.change(config);
    const CacheAdvice advice = advise_cache(config, one.parameters, {});
    EXPECT_EQ(advice.spec.name(), one.spec);
    EXPECT_NE(advice.reason.find(one.word), std::string::npos) << advice.reason;
  }
  ModelConfig all = plain_config();
  all.query_key_norm = true;
  all.attention_soft_cap = 1;
  all.n_kv_heads = 1;
  all.head_dim = 32;
  const std::vector<double> ratios = {100, 0.5};
  EXPECT_EQ(advise_cache(all, 1, ratios).spec.name(), "tq8:tq6+sink=4+center=bias") << "8 bits at most";
}

TEST(CacheAdvice, auto_is_a_spec_that_no_session_takes_as_it_is) {
  const CacheSpec spec = must(CacheSpec::parse("auto"));
  EXPECT_TRUE(spec.automatic);
  EXPECT_EQ(spec.name(), "auto");
  const auto refused = Session::create(planted("qwen2", 1), {.cache = spec, .context = 8});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_FALSE(CacheSpec::parse("auto+sink=4").has_value());
}

}  // namespace
}  // namespace tq
