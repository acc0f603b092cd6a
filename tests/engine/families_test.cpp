// Every family against an independent forward pass (tools/tiny_models: float64, written from the definitions), its two
// kinds of files against each other, and prefill against decode, through every kind of cache.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "support/tiny_models.h"

namespace tq {
namespace {

const test::TinyFiles& files(const std::string& name) {
  static std::map<std::string, std::unique_ptr<test::TinyFiles>> made;
  auto& slot = made[name];
  if (slot == nullptr) slot = std::make_unique<test::TinyFiles>(name);
  return *slot;
}

std::shared_ptr<const Model> load(const std::shared_ptr<const TensorFile>& file, const std::string& weights = "") {
  return test::must(Model::load(file, {.weights = weights, .threads = 1}));
}

class EveryFamily : public testing::TestWithParam<std::string> {
 protected:
  const test::TinyFiles& family() const { return files(GetParam()); }
  const nlohmann::json& runs() const { return family().tiny.recipe.at("runs"); }
};

std::string test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Tiny, EveryFamily, testing::ValuesIn(test::tiny_models()), test_name);

// Beyond the window, beyond the original context of the rotary positions, and across the 512 positions that attention
// takes at once. f32 sums of some dozen terms through up to 7 layers lose a few 1e-6.
TEST_P(EveryFamily, logits_agree_with_the_independent_forward_pass_to_1e_4) {
  const auto model = load(family().gguf);
  const std::size_t vocab = model->config().vocab_size;
  for (const nlohmann::json& run : runs()) {
    const auto session = test::open_session(model, {.context = run.at("context"), .threads = 2});
    const std::vector<float> logits = test::logits_of(*session, test::tiny_tokens(run, vocab));
    for (const auto& [position, expected] : run.at("logits").items()) {
      const auto reference = expected.get<std::vector<float>>();
      ASSERT_EQ(reference.size(), vocab);
      const float largest = std::abs(*std::max_element(reference.begin(), reference.end(),
                                                       [](float a, float b) { return std::abs(a) < std::abs(b); }));
      const std::span<const float> here = std::span(logits).subspan(std::stoul(position) * vocab, vocab);
      EXPECT_LT(test::largest_difference(here, reference), 1e-4 * static_cast<double>(largest)) << position;
    }
  }
}

TEST_P(EveryFamily, gguf_and_safetensors_give_the_same_bits) {
  const auto from_gguf = load(family().gguf), from_folder = load(family().hugging_face);
  const std::vector<TokenId> tokens = test::some_tokens(120, from_gguf->config().vocab_size);
  for (const char* cache : {"f32", "tq4"}) {
    const auto one = test::open_session(from_gguf, {.cache = cache, .context = 128}),
               other = test::open_session(from_folder, {.cache = cache, .context = 128});
    EXPECT_EQ(test::logits_of(*one, tokens), test::logits_of(*other, tokens)) << cache;
  }
  EXPECT_EQ(from_gguf->footprint().parameters - from_folder->footprint().parameters, 0U);
}

TEST_P(EveryFamily, threads_change_no_bit_and_decode_agrees_with_prefill) {
  const auto model = load(family().gguf);
  const std::size_t vocab = model->config().vocab_size;
  const std::size_t n = GetParam() == "mistral" ? 560 : 128;  // the 512 positions of a chunk, once; windows, always
  const std::vector<TokenId> tokens = test::some_tokens(n, vocab);
  const auto one = test::open_session(model, {.context = n}),
             two = test::open_session(model, {.context = n, .threads = 2});
  const std::vector<float> logits = test::logits_of(*one, tokens);
  EXPECT_EQ(test::logits_of(*two, tokens), logits);
  const auto decoding = test::open_session(model, {.context = n, .threads = 2});
  EXPECT_LT(test::largest_difference(test::decoded_logits_of(*decoding, tokens), logits), 1e-4);
}

/// ‖a − b‖² / ‖b‖²
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += difference * difference;
    energy += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return error / energy;
}

// What prefill and decode round alike differs in the order of float sums alone, which moves a few codes of a later
// layer to their neighbours. Logits that have nothing to do with each other have a relative error of 2.
TEST_P(EveryFamily, runs_through_every_kind_of_cache_in_prefill_and_decode) {
  const auto model = load(family().gguf);
  const std::size_t vocab = model->config().vocab_size;
  const std::vector<TokenId> tokens = test::some_tokens(70, vocab);
  const std::vector<float> exact = test::logits_of(*test::open_session(model, {.context = 70}), tokens);
  const bool whole_blocks = model->config().head_dim % 32 == 0;
  for (const std::string cache : {"f16", "tq4", "tt3", "q4_0", "q8_0+sink=2+recent=8", "tq4+center=mean"}) {
    SCOPED_TRACE(cache);
    if (cache.starts_with('q') && !whole_blocks) {
      const auto refused = Session::create(model, {.cache = test::must(CacheSpec::parse(cache)), .context = 70});
      ASSERT_FALSE(refused.has_value());
      EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
      continue;
    }
    const auto prefilling = test::open_session(model, {.cache = cache, .context = 70}),
               decoding = test::open_session(model, {.cache = cache, .context = 70});
    const std::vector<float> prefilled = test::logits_of(*prefilling, tokens);
    EXPECT_LT(relative_error(test::decoded_logits_of(*decoding, tokens), prefilled), 1e-3);
    EXPECT_LT(relative_error(prefilled, exact), cache == "f16" ? 1e-4 : 0.5);
    EXPECT_GT(relative_error(prefilled, exact), 0);
  }
}

/// Every layer's values and what its heads give at the first position, where softmax is 1 and nothing else is seen:
/// each head of queries must give its value.
void expect_first_heads_to_give_their_values(Session& session, const LayerTrace& trace, double tolerance) {
  const ModelConfig& config = session.model().config();
  const std::size_t dim = config.head_dim, group = config.n_heads / config.n_kv_heads;
  std::vector<float> values(config.n_kv_heads * dim), expected(config.n_heads * dim);
  for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
    session.read_values(layer, 0, values);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = values[i / dim / group * dim + i % dim];
    const std::span<const float> given = std::span(trace.layers[layer].attention).first(expected.size());
    EXPECT_LT(relative_error({given.begin(), given.end()}, expected), tolerance) << layer;
  }
}

// Single rows of a cache are scaled by weights that are rounded to 1/127.
TEST_P(EveryFamily, what_layers_compute_can_be_read_and_is_the_same_in_prefill_and_decode) {
  const auto model = load(family().gguf);
  const ModelConfig& config = model->config();
  const std::vector<TokenId> tokens = test::some_tokens(24, config.vocab_size);
  for (const std::string cache : {"f32", "tq4", "tq4:tq3+sink=2+recent=4+center=mean"}) {
    SCOPED_TRACE(cache);
    const auto prefilling = test::open_session(model, {.cache = cache, .context = 24}),
               decoding = test::open_session(model, {.cache = cache, .context = 24});
    LayerTrace whole, one;
    prefilling->trace(&whole);
    decoding->trace(&one);
    test::logits_of(*prefilling, tokens);
    expect_first_heads_to_give_their_values(*prefilling, whole, cache == "f32" ? 1e-9 : 1e-2);
    for (const TokenId& token : tokens) {
      test::logits_of(*decoding, {&token, 1});
      if (decoding->position() == 1) expect_first_heads_to_give_their_values(*decoding, one, 1e-2);
    }
    std::vector<float> keys(tokens.size() * config.n_kv_heads * config.head_dim), others = keys;
    for (std::size_t layer = 0; layer < config.n_layers; ++layer) {
      const std::vector<float>&all = whole.layers[layer].hidden, &last = one.layers[layer].hidden;
      ASSERT_EQ(all.size(), tokens.size() * config.hidden_size);
      ASSERT_EQ(last.size(), config.hidden_size);
      EXPECT_LT(relative_error(last, {all.end() - static_cast<std::ptrdiff_t>(last.size()), all.end()}), 1e-3);
      prefilling->read_keys(layer, 0, keys);
      decoding->read_keys(layer, 0, others);
      EXPECT_LT(relative_error(others, keys), 1e-3) << layer;
    }
    prefilling->trace(nullptr);
    test::must(prefilling->append({}, 0, {}));
    EXPECT_EQ(whole.layers[0].hidden.size(), tokens.size() * config.hidden_size) << "nobody asks any more";
  }
}

// The first layer's keys and values are those of an exact cache, coded: exact rows at f16, the others at the error of
// 4 and 2 bits (algorithm.md: squared, 0.0095 and 0.117 of the energy), keys whose mean was taken out with it again.
TEST_P(EveryFamily, a_cache_is_read_in_the_basis_of_the_model_and_exact_where_its_policy_says) {
  const auto model = load(family().gguf);
  const ModelConfig& config = model->config();
  const std::vector<TokenId> tokens = test::some_tokens(60, config.vocab_size);
  const auto exact = test::open_session(model, {.context = 64});
  test::logits_of(*exact, tokens);
  const std::size_t width = config.n_kv_heads * config.head_dim;
  for (const std::string options : {"", "+sink=3+recent=5", "+center=mean", "+sink=3+recent=5+center=mean"}) {
    const auto coded = test::open_session(model, {.cache = "tq4:tq2" + options, .context = 64});
    test::logits_of(*coded, tokens);
    std::vector<float> read(width), expected(width);
    double key_error = 0, value_error = 0;
    for (std::size_t row = 0; row < tokens.size(); ++row) {
      const bool kept = options.starts_with("+sink") && (row < 3 || row >= 55);
      exact->read_keys(0, row, expected);
      coded->read_keys(0, row, read);
      const double key = relative_error(read, expected);
      exact->read_values(0, row, expected);
      coded->read_values(0, row, read);
      const double value = relative_error(read, expected);
      if (kept) EXPECT_LT(std::max(key, value), 1e-5) << options << row;
      if (!kept) EXPECT_GT(std::min(key, value), 1e-4) << options << row;
      key_error += key / static_cast<double>(tokens.size());
      value_error += value / static_cast<double>(tokens.size());
    }
    EXPECT_LT(key_error, 0.02) << options;
    EXPECT_LT(value_error, 0.18) << options;
  }
}

TEST_P(EveryFamily, compressed_weights_have_the_same_bits_from_both_files) {
  const auto from_gguf = load(family().gguf, "tq4"), from_folder = load(family().hugging_face, "tq4");
  EXPECT_EQ(from_gguf->weights_name(), "tq4");
  const std::vector<TokenId> tokens = test::some_tokens(40, from_gguf->config().vocab_size);
  const auto one = test::open_session(from_gguf, {.context = 64}),
             other = test::open_session(from_folder, {.context = 64});
  EXPECT_EQ(test::logits_of(*one, tokens), test::logits_of(*other, tokens));
}

TEST_P(EveryFamily, a_saved_cache_goes_on_where_it_was) {
  const auto model = load(family().gguf);
  const std::vector<TokenId> tokens = test::some_tokens(60, model->config().vocab_size);
  const test::TemporaryFolder folder;
  const auto first = test::open_session(model, {.cache = "tq4", .context = 64}),
             second = test::open_session(model, {.cache = "tq4", .context = 64});
  test::logits_of(*first, std::span(tokens).first(50));
  test::must(first->save(folder.path() / "cache"));
  test::must(second->restore(folder.path() / "cache"));
  EXPECT_EQ(test::logits_of(*first, std::span(tokens).subspan(50)),
            test::logits_of(*second, std::span(tokens).subspan(50)));
}

TEST(Families, long_rotary_factors_are_not_those_of_a_cache_saved_with_short_ones) {
  const auto model = load(files("phi3").gguf);
  const test::TemporaryFolder folder;
  const auto brief = test::open_session(model, {.context = 64}), extended = test::open_session(model, {.context = 65});
  test::must(brief->save(folder.path() / "cache"));
  const Result<void> restored = extended->restore(folder.path() / "cache");
  ASSERT_FALSE(restored.has_value());
  EXPECT_NE(restored.error().message.find("rotary factors"), std::string::npos) << restored.error().message;
}

TEST(Families, learned_positions_end_where_they_end) {
  const auto model = load(files("gpt2").gguf);
  const auto refused = Session::create(model, {.context = 129});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_NE(refused.error().message.find("128 positions"), std::string::npos);
  EXPECT_TRUE(Session::create(model, {}).has_value());
}

TEST(Families, every_size_of_head_is_somewhere_in_the_set) {
  std::set<std::size_t> sizes;
  for (const std::string& name : test::tiny_models())
    sizes.insert(test::must(read_model_config(*files(name).gguf)).head_dim);
  for (const std::size_t size : {32, 48, 64, 80, 96, 128, 192, 256}) EXPECT_TRUE(sizes.contains(size)) << size;
}

}  // namespace
}  // namespace tq
