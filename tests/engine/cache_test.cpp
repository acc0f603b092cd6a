// Cache specs, and a cache that costs what it says.
#include <cmath>

#include "support/models.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

TEST(CacheSpec, the_text_form_reads_back) {
  for (const char* text :
       {"f32", "f16", "tq4", "tq4:tq3", "q8_0:tq2", "q4_0+rotate=on", "q8_0:q4_0+rotate=on", "tq4:q4_0+rotate=on"}) {
    const Result<CacheSpec> spec = CacheSpec::parse(text);
    ASSERT_TRUE(spec.has_value()) << text;
    EXPECT_EQ(spec->name(), text);
    EXPECT_EQ(spec->note, "");
  }
  EXPECT_EQ(CacheSpec::parse("tq4:tq4")->name(), "tq4");
  EXPECT_EQ(CacheSpec::parse("tq4+center=off")->name(), "tq4");
}

TEST(CacheSpec, keys_are_unbiased_and_values_least_squares) {
  const CacheSpec spec = CacheSpec::parse("tq4").value();
  EXPECT_EQ(spec.k.scale, ScaleRule::kUnbiased);
  EXPECT_EQ(spec.v.scale, ScaleRule::kLeastSquares);
}

TEST(CacheSpec, names_of_other_engines_are_understood_and_explained) {
  for (const auto& [name, meaning] :
       {std::pair{"turbo3", "tq3"}, {"tbq4_0", "tq4"}, {"turboquant_k3v4_nc", "tq3:tq4"}}) {
    const Result<CacheSpec> spec = CacheSpec::parse(name);
    ASSERT_TRUE(spec.has_value()) << name;
    EXPECT_EQ(spec->name(), meaning);
    EXPECT_NE(spec->note.find(meaning), std::string::npos);
  }
}

TEST(CacheSpec, nonsense_is_a_usage_error) {
  for (const std::string& text :
       {std::string(), std::string(":"), std::string("tq4:"), std::string(":tq4"), std::string("tq4:tq4:tq4"),
        std::string("tq4+"), std::string("tq4+rotate=on"), std::string("q4_0+rotate=maybe"), std::string("+rotate=on"),
        std::string("tq10"), std::string("f16+rotate=on"), std::string(1U << 20, 'x'), std::string("tq4\0", 4)}) {
    const Result<CacheSpec> spec = CacheSpec::parse(text);
    ASSERT_FALSE(spec.has_value()) << text.substr(0, 20);
    EXPECT_EQ(spec.error().code, ErrorCode::kUsage);
    EXPECT_LT(spec.error().message.size(), 500U);
  }
}

TEST(CacheSpec, averages_read_back_and_widen_from_the_ends) {
  for (const char* text :
       {"tq2.5:tq2", "tq2.25:tq3", "f16:tt2.5", "tq3.5:tq2.5+sink=4+center=auto", "affine2.5:affine2+rotate=on"}) {
    const Result<CacheSpec> spec = CacheSpec::parse(text);
    ASSERT_TRUE(spec.has_value()) << text;
    EXPECT_EQ(spec->name(), text);
  }
  struct Case {
    const char* spec;
    std::size_t n_layers;
    std::string keys, values;  // bits of each layer
  };
  for (const Case& one :
       {Case{"tq2.25:tq3", 8, "32222223", "33333333"}, Case{"tq3:tq2.9", 8, "33333333", "33332333"},
        Case{"tq2.5:tq2.5", 8, "33222233", "33222233"}, Case{"tq2.5:tq2.5", 3, "322", "322"},
        Case{"tq2.333:tq2.3", 3, "322", "222"}, Case{"tq2.5:tq3.5", 1, "2", "3"}, Case{"tq2.5", 4, "3333", "2222"},
        Case{"tq2.25", 4, "3223", "2222"}, Case{"tq2.75", 4, "3333", "3223"}, Case{"tq3.3", 5, "44334", "33333"}}) {
    std::string keys, values;
    for (const CacheCodecs& layer : test::must(test::must(CacheSpec::parse(one.spec)).codecs(one.n_layers))) {
      keys += std::to_string(layer.k.bits);
      values += std::to_string(layer.v.bits);
      EXPECT_EQ(layer.k.scale, ScaleRule::kUnbiased);
      EXPECT_EQ(layer.v.scale, ScaleRule::kLeastSquares);
    }
    EXPECT_EQ(keys, one.keys) << one.spec;
    EXPECT_EQ(values, one.values) << one.spec;
  }
  for (const char* text :
       {"tq9.5", "tq2.5p", "tt5.5", "tq2.", "tq.5", "f16.5", "tq2.5:", "tq2.5:tq9.5", "tq2.5+rotate=on"})
    EXPECT_FALSE(CacheSpec::parse(text).has_value()) << text;
}

TEST(CacheSpec, an_average_of_both_sides_says_which_side_it_widens) {
  for (const auto& [text, name] : {std::pair{"tq2.5", "tq3:tq2"},
                                   {"tq2.25", "tq2.5:tq2"},
                                   {"tq3.75", "tq4:tq3.5"},
                                   {"tq2.3+sink=4", "tq2.6:tq2+sink=4"},
                                   {"tq3.9", "tq4:tq3.8"}}) {
    const CacheSpec spec = test::must(CacheSpec::parse(text));
    EXPECT_EQ(spec.name(), name);
    EXPECT_EQ(test::must(CacheSpec::parse(name)).name(), name);
  }
}

TEST(CacheSpec, settings_of_an_average_are_those_of_both_widths) {
  CacheSpec spec = test::must(CacheSpec::parse("affine2.25+rotate=on"));
  spec.set_seed(7);
  for (const CacheCodecs& layer : test::must(spec.codecs(4))) {
    EXPECT_EQ(layer.k.rotation, RotationKind::kPlainHadamard);
    EXPECT_EQ(layer.k.seed, 7U);
    EXPECT_EQ(layer.v.max_block, spec.v.max_block);
  }
}

TEST(CacheSpec, a_plan_is_for_as_many_layers_as_it_names) {
  CacheSpec spec = test::must(CacheSpec::parse("tq2"));
  const CacheSpec wide = test::must(CacheSpec::parse("tq4:q8_0"));
  spec.layers = {{spec.k, spec.v}, {wide.k, wide.v}};
  spec.plan = "plan.json";
  spec.sinks = 4;
  EXPECT_EQ(spec.name(), "plan.json+sink=4");
  EXPECT_EQ(spec.k_name(), "mixed");
  spec.set_seed(9);
  EXPECT_EQ(test::must(spec.codecs(2))[1].v.seed, 9U);
  const auto other = spec.codecs(3);
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code, ErrorCode::kUsage);
  EXPECT_NE(other.error().message.find("plan.json"), std::string::npos);
}

// Bits per value of heads of 64, by hand: codes, and one f16 scale for each row (tq) or for each 32 values (block
// types).
TEST(Cache, bits_are_true_and_the_bytes_are_those_bits) {
  const auto model = test::load(test::short_pycoder_gguf());
  const ModelConfig& config = model->config();
  struct Row {
    const char* spec;
    double k, v;
  };
  for (const Row& row : {Row{"f32", 32, 32}, Row{"f16", 16, 16}, Row{"bf16", 16, 16}, Row{"q8_0", 8.5, 8.5},
                         Row{"q4_0+rotate=on", 4.5, 4.5}, Row{"tq8", 8.25, 8.25}, Row{"tq4:tq2", 4.25, 2.25},
                         Row{"tq2.5:tq2.5", 2.75, 2.75}, Row{"tq2.5", 3.25, 2.25}, Row{"tq4:tq2.5", 4.25, 2.75},
                         Row{"tq3", 3.25, 3.25}, Row{"tq9:f16", 9.25, 16}}) {
    const auto session = test::open_session(model, {.cache = row.spec, .context = 352});
    const CacheFootprint cache = session->cache();
    EXPECT_DOUBLE_EQ(cache.bits_k, row.k) << row.spec;
    EXPECT_DOUBLE_EQ(cache.bits_v, row.v) << row.spec;
    const double values =
        static_cast<double>(config.n_layers * config.n_kv_heads * config.head_dim) * 352;  // whole groups of 32
    EXPECT_DOUBLE_EQ(static_cast<double>(cache.bytes), values * (row.k + row.v) / 8) << row.spec;
    const CacheFootprint promised = test::must(cache_footprint(config, test::must(CacheSpec::parse(row.spec)), 352));
    EXPECT_EQ(promised.bytes, cache.bytes);
  }
}

TEST(Cache, keys_and_values_are_kept_in_whole_groups_of_32) {
  const auto model = test::load(test::short_pycoder_gguf());
  const auto session = test::open_session(model, {.cache = "tq4", .context = 333});
  const ModelConfig& config = model->config();
  EXPECT_EQ(session->cache().bytes, config.n_layers * config.n_kv_heads * 2 * 352 * 34) << "352 rows of 34 bytes";
  const auto wide = test::open_session(model, {.cache = "tq8", .context = 333});
  EXPECT_EQ(wide->cache().bytes, config.n_layers * config.n_kv_heads * 2 * 352 * 66);
  const auto rows = test::open_session(model, {.cache = "q8_0", .context = 333});
  EXPECT_EQ(rows->cache().bytes, config.n_layers * config.n_kv_heads * 2 * 333 * 68) << "and those of GGUF row by row";
}

TEST(Cache, short_heads_pay_for_no_padding) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  const auto model = test::load(test::shared_data("models/stories260K/stories260K.f32.gguf"));  // heads of 8
  const auto session = test::open_session(model, {.cache = "tq4", .context = 64});
  EXPECT_EQ(session->cache().bits_v, 6) << "8 codes of 4 bits and a scale";
}

TEST(Cache, one_that_cannot_fit_is_refused_before_it_is_touched) {
  const auto model = test::load(test::short_pycoder_gguf());
  SessionOptions options{.cache = CacheSpec::parse("f32").value(), .context = std::size_t{1} << 30};
  const auto session = Session::create(model, options);
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().code, ErrorCode::kOutOfMemory);
  options.context = static_cast<std::size_t>(-1);
  EXPECT_EQ(Session::create(model, options).error().code, ErrorCode::kUsage);
}

TEST(Cache, a_head_that_a_block_type_cannot_code_is_a_usage_error) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  const auto model = test::load(test::shared_data("models/stories260K/stories260K.f32.gguf"));  // heads of 8
  const auto session = Session::create(model, {.cache = CacheSpec::parse("q4_0").value(), .context = 16});
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().code, ErrorCode::kUsage);
}

// Every codec of the table, as K and as V: attention on codes must be near attention on floats, and nearer with more
// bits.
TEST(Cache, more_bits_are_nearer_to_the_exact_cache) {
  const auto model = test::load(test::short_pycoder_gguf());
  const std::vector<TokenId> tokens = test::some_tokens(100, model->config().vocab_size);
  const auto exact = test::open_session(model, {.threads = 2});
  const std::vector<float> expected = test::logits_of(*exact, tokens);
  const auto root_mean_square_difference = [&](const std::string& spec) {
    const auto session = test::open_session(model, {.cache = spec, .threads = 2});
    const std::vector<float> logits = test::logits_of(*session, tokens);
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i)
      sum += std::pow(static_cast<double>(logits[i]) - static_cast<double>(expected[i]), 2);
    return std::sqrt(sum / static_cast<double>(logits.size()));
  };
  double previous = 1e30;
  for (unsigned bits = 2; bits <= 9; ++bits) {
    const double difference = root_mean_square_difference("tq" + std::to_string(bits));
    EXPECT_LT(difference, previous * 0.8) << bits << " bits; theory halves it with each bit";
    previous = difference;
  }
  EXPECT_LT(root_mean_square_difference("f16"), previous);
  EXPECT_LT(root_mean_square_difference("q8_0"), root_mean_square_difference("q4_0"));
}

}  // namespace
}  // namespace tq
