// Exact sinks, a window of exact recent tokens, and centred keys beside codes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "engine/attention.h"
#include "engine/cache_writer.h"
#include "support/models.h"
#include "support/random_rows.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

constexpr std::size_t kDim = 32, kHeads = 4, kKvHeads = 2, kPositions = 700;

/// One layer of attention whose keys have a large part in common.
class PolicyAttention {
 public:
  explicit PolicyAttention(const std::string& spec, float common = 0, std::size_t context = kPositions,
                           std::span<const double> frequencies = {}) {
    config_.architecture = "llama";
    config_.n_layers = 1;
    config_.n_heads = kHeads;
    config_.n_kv_heads = kKvHeads;
    config_.head_dim = kDim;
    cache_.emplace(test::must(KvCache::create(config_, test::must(CacheSpec::parse(spec)), context, frequencies)));
    keys_ = test::gaussian(kPositions * kKvHeads * kDim, 1);
    values_ = test::gaussian(kPositions * kKvHeads * kDim, 2);
    queries_ = test::gaussian(kPositions * kHeads * kDim, 3);
    const std::vector<float> direction = test::gaussian(kKvHeads * kDim, 4);
    for (std::size_t i = 0; i < keys_.size(); ++i) keys_[i] += common * direction[i % direction.size()];
  }

  /// What the tokens position … position + n − 1 attend to, once they are stored.
  std::vector<float> append(std::size_t position, std::size_t n, unsigned threads = 2) {
    ThreadPool pool(threads);
    std::vector<StoreScratch> stores(pool.size());
    std::vector<AttentionScratch> scratch(pool.size());
    std::vector<float> out(n * kHeads * kDim);
    cache_->begin_batch(position, n);
    store(*cache_,
          {0, position, n, keys_.data() + position * kKvHeads * kDim, values_.data() + position * kKvHeads * kDim},
          pool, stores);
    attend(config_, *cache_, {0, position, n, queries_.data() + position * kHeads * kDim, out.data()}, pool, scratch);
    cache_->keep_fresh(0);
    cache_->end_batch();
    return out;
  }
  std::vector<float> append_in_pieces(std::size_t n, std::size_t piece) {
    std::vector<float> all;
    for (std::size_t position = 0; position < n; position += piece) {
      const std::vector<float> out = append(position, std::min(piece, n - position));
      all.insert(all.end(), out.begin(), out.end());
    }
    return all;
  }

  /// One query's attention in double over rows that are exact (to f16) where `exact` says so and else what the codec
  /// made of the key without its mean, with the mean put back.
  template <class IsExact>
  std::vector<double> expected(std::size_t position, std::size_t head, IsExact&& exact_key) {
    const std::size_t kv_head = head / (kHeads / kKvHeads), n = position + 1;
    std::vector<float> keys(n * kDim), values(n * kDim);
    cache_->k_codec(0).decode(cache_->keys(0, kv_head), 0, n, keys.data());
    cache_->v_codec(0).decode(cache_->values(0, kv_head), 0, n, values.data());
    const std::span<const float> mean = cache_->mean(0, kv_head);
    const float* query = queries_.data() + (position * kHeads + head) * kDim;
    std::vector<double> weights(n), sum(kDim, 0.0);
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t j = 0; j < kDim; ++j) {
        if (!mean.empty()) keys[p * kDim + j] += mean[j];
        if (exact_key(p, true)) keys[p * kDim + j] = keys_[(p * kKvHeads + kv_head) * kDim + j];
        if (exact_key(p, false)) values[p * kDim + j] = values_[(p * kKvHeads + kv_head) * kDim + j];
      }
      weights[p] = std::exp(test::dot(query, keys.data() + p * kDim, kDim) / std::sqrt(double{kDim}));
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t j = 0; j < kDim; ++j) sum[j] += weights[p] / total * static_cast<double>(values[p * kDim + j]);
    }
    return sum;
  }

  /// Gives a token a key and a value with infinities and NaN.
  void spoil(std::size_t position) {
    for (std::size_t j = 0; j < kKvHeads * kDim; ++j) {
      keys_[position * kKvHeads * kDim + j] = std::numeric_limits<float>::infinity();
      values_[position * kKvHeads * kDim + j] = std::numeric_limits<float>::quiet_NaN();
    }
  }

  KvCache& cache() { return *cache_; }

 private:
  ModelConfig config_;
  std::optional<KvCache> cache_;
  std::vector<float> keys_, values_, queries_;
};

double root_mean_square(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// Exact rows are f16 (2^-11 of a coordinate near 4) and integer products round queries and weights as in
// attention_test.cpp. Keys with a common part of 3 in every coordinate: were exact ones scored without the constant
// that the coded ones get, or the other way round, the weights of the two kinds would differ by factors of e^10.
TEST(CachePolicy, codes_and_exact_rows_meet_in_one_softmax) {
  struct Case {
    const char* spec;
    std::size_t sinks, recent, block;
    float common;
  };
  for (const Case& one :
       {Case{"tq4+sink=5", 5, 0, 0, 0}, Case{"tq4+recent=40", 0, 40, 0, 0},
        Case{"tq3:tq8+sink=3+recent=70", 3, 70, 0, 0}, Case{"tq4+center=mean", 0, 0, 32, 3},
        Case{"tq4+sink=4+center=mean", 4, 0, 32, 3}, Case{"tq4+sink=4+recent=33+center=auto", 4, 33, 32, 3},
        Case{"tq2+sink=50+recent=600+center=mean", 50, 600, 32, 3},
        Case{"q8_0:tq2+sink=1+recent=1+center=mean", 1, 1, 32, 3}, Case{"tq4:f16+recent=9", 0, 9, 0, 0}}) {
    for (const std::size_t piece : {1UL, 29UL, kPositions}) {
      PolicyAttention attention(one.spec, one.common);
      const std::vector<float> out = attention.append_in_pieces(kPositions, piece);
      for (const std::size_t position : {0UL, 3UL, 30UL, 31UL, 32UL, 35UL, 64UL, 511UL, 512UL, 650UL, 699UL}) {
        for (std::size_t head = 0; head < kHeads; ++head) {
          const auto is_exact = [&](std::size_t p, bool key) {
            return p < one.sinks || p + one.recent > position || (key && position < one.block);
          };
          const std::vector<double> expected = attention.expected(position, head, is_exact);
          for (std::size_t j = 0; j < kDim; ++j) {
            ASSERT_NEAR(out[(position * kHeads + head) * kDim + j], expected[j], 0.04)
                << one.spec << " in pieces of " << piece << ", position " << position << ", head " << head;
          }
        }
      }
    }
  }
}

TEST(CachePolicy, neither_cuts_nor_threads_change_a_bit_of_attention) {
  for (const char* spec : {"tq4+sink=4+recent=70+center=mean", "tq2+recent=8", "tq3+center=auto"}) {
    PolicyAttention whole(spec, 2);
    const std::vector<float> expected = whole.append(0, 300, 1);
    for (const std::size_t piece : {1UL, 7UL, 32UL, 100UL}) {
      PolicyAttention pieces(spec, 2);
      EXPECT_EQ(pieces.append_in_pieces(300, piece), expected) << spec << " in pieces of " << piece;
    }
    PolicyAttention threads(spec, 2);
    EXPECT_EQ(threads.append(0, 300, 4), expected) << spec;
  }
}

// The error of a code is in proportion to the energy that is coded. With a common part of 3 that energy is 1 + 9 times
// what centring leaves, so the error of a score is √10 times as large; half of that is demanded of the outputs.
TEST(CachePolicy, centring_takes_the_common_part_out_of_the_error) {
  PolicyAttention exact("f32", 3), plain("tq4:f16", 3), centred("tq4:f16+center=mean", 3);
  const std::vector<float> expected = exact.append(0, kPositions);
  const double without = root_mean_square(plain.append(0, kPositions), expected);
  const double with = root_mean_square(centred.append(0, kPositions), expected);
  EXPECT_LT(with, without / (std::sqrt(10.0) / 2)) << without;
}

TEST(CachePolicy, automatic_centring_needs_a_common_part_as_large_as_the_rest) {
  const auto centred = [](const char* spec, float common) {
    PolicyAttention attention(spec, common);
    attention.append(0, 40);
    const std::span<const float> mean = attention.cache().mean(0, 0);
    return std::any_of(mean.begin(), mean.end(), [](float x) { return x != 0; });
  };
  EXPECT_FALSE(centred("tq4+center=auto", 0));
  EXPECT_FALSE(centred("tq4+center=auto", 0.5F)) << "a quarter of the energy";
  EXPECT_TRUE(centred("tq4+center=auto", 2));
  EXPECT_TRUE(centred("tq4+center=mean", 0));
}

// Frequency × context = 1.895 is where a constant stops paying.
TEST(CachePolicy, only_coordinates_that_turn_slowly_are_centred) {
  const std::vector<double> frequencies = {1.0, 1.9 / kPositions,
                                           1.89 / kPositions};  // of 16 pairs; the rest are not turned
  PolicyAttention attention("tq4+center=mean", 3, kPositions, frequencies);
  attention.append(0, 40);
  const std::span<const float> mean = attention.cache().mean(0, 1);
  for (std::size_t j = 0; j < kDim; ++j) EXPECT_EQ(mean[j] != 0, j >= 4) << j;
}

TEST(CachePolicy, truncation_leaves_left_tokens_coded_and_nothing_stale) {
  PolicyAttention attention("tq2+sink=2+recent=50");
  attention.append(0, 300);
  attention.cache().truncate(280);  // of 230 … 279 the rows from 250 on are left
  EXPECT_EQ(attention.cache().oldest(), 250U);
  const std::vector<float> out = attention.append(280, 60);
  for (const std::size_t position : {280UL, 290UL, 310UL, 339UL}) {
    const auto is_exact = [&](std::size_t p, bool) { return p < 2 || (p + 50 > position && p >= 250); };
    const std::vector<double> expected = attention.expected(position, 1, is_exact);
    for (std::size_t j = 0; j < kDim; ++j)
      EXPECT_NEAR(out[((position - 280) * kHeads + 1) * kDim + j], expected[j], 0.04);
  }
  attention.cache().truncate(100);
  EXPECT_EQ(attention.cache().oldest(), 100U);
  attention.append(100, 10);
  EXPECT_EQ(attention.cache().tail(CacheSide::kKeys, 109), 100U);
  attention.cache().truncate(0);
  PolicyAttention fresh("tq2+sink=2+recent=50");
  EXPECT_EQ(attention.append(0, 200), fresh.append(0, 200));
}

TEST(CachePolicy, rows_that_are_not_finite_harm_no_earlier_token) {
  for (const char* spec : {"tq4+recent=16", "tq4+center=mean"}) {
    PolicyAttention sound(spec), harmed(spec);
    const std::vector<float> expected = sound.append(0, 24);
    harmed.spoil(20);
    const std::vector<float> out = harmed.append(0, 24);
    EXPECT_TRUE(std::equal(out.begin(), out.begin() + 20 * kHeads * kDim, expected.begin())) << spec;
  }
}

TEST(CachePolicy, exact_rows_and_means_are_counted_and_promised) {
  const auto model = test::load(test::short_pycoder_gguf());
  const ModelConfig& config = model->config();
  const double heads = static_cast<double>(config.n_layers * config.n_kv_heads),
               dim = static_cast<double>(config.head_dim);
  struct Row {
    const char* spec;
    double k, v;  // exact rows of a head
    double mean;
  };
  for (const Row& row : {Row{"tq2+sink=4", 4, 4, 0}, Row{"tq2+recent=64", 64, 64, 0},
                         Row{"tq2+sink=4+recent=64", 68, 68, 0}, Row{"tq2+center=mean", 32, 0, 1},
                         Row{"tq2+sink=40+center=auto", 40, 40, 1}, Row{"tq2+recent=9999", 512, 512, 0}}) {
    const auto session = test::open_session(model, {.cache = row.spec, .context = 512});
    const CacheFootprint cache = session->cache();
    EXPECT_DOUBLE_EQ(cache.bits_k, 2.25 + (16 * row.k + 32 * row.mean) / 512) << row.spec;
    EXPECT_DOUBLE_EQ(cache.bits_v, 2.25 + 16 * row.v / 512) << row.spec;
    EXPECT_DOUBLE_EQ(static_cast<double>(cache.bytes), heads * dim * 512 * (cache.bits_k + cache.bits_v) / 8)
        << row.spec;
    EXPECT_EQ(test::must(cache_footprint(config, test::must(CacheSpec::parse(row.spec)), 512)).bytes, cache.bytes);
  }
}

TEST(CachePolicy, a_bias_that_the_model_has_not_is_a_usage_error) {
  const auto model = test::load(test::short_pycoder_gguf());
  const auto session =
      Session::create(model, {.cache = test::must(CacheSpec::parse("tq4+center=bias")), .context = 64});
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().code, ErrorCode::kUsage);
  EXPECT_NE(session.error().message.find("center=mean"), std::string::npos);
}

// With every token exact, the cache is one of f16 whatever the codec.
TEST(CachePolicy, a_window_of_the_whole_context_is_a_cache_of_f16) {
  const auto model = test::load(test::short_pycoder_gguf());
  const std::vector<TokenId> tokens = test::some_tokens(90, model->config().vocab_size);
  const auto exact = test::open_session(model, {.cache = "f16"}),
             windowed = test::open_session(model, {.cache = "tq2+recent=512"});
  const auto coded = test::open_session(model, {.cache = "tq2"});
  const std::vector<float> expected = test::logits_of(*exact, tokens);
  // The rows are rotated before they are rounded, so roundings of 2^-11 differ; 2 bits are wrong by a third.
  EXPECT_LT(test::largest_difference(test::logits_of(*windowed, tokens), expected), 0.1);
  EXPECT_GT(test::largest_difference(test::logits_of(*coded, tokens), expected), 1.0);
}

TEST(CachePolicy, prefill_decode_cuts_and_threads_agree_in_a_session) {
  const auto model = test::load(test::short_pycoder_gguf());
  const std::vector<TokenId> tokens = test::some_tokens(120, model->config().vocab_size);
  for (const char* spec : {"f16:tq8+sink=4+recent=20", "tq8+sink=4+recent=20+center=mean"}) {
    const auto whole = test::open_session(model, {.cache = spec, .context = 160});
    const std::vector<float> expected = test::logits_of(*whole, tokens);
    const auto threads = test::open_session(model, {.cache = spec, .context = 160, .threads = 3});
    EXPECT_EQ(test::logits_of(*threads, tokens), expected) << spec;
    const auto decoding = test::open_session(model, {.cache = spec, .context = 160});
    // Codes of keys that differ by a rounding may fall on two sides of a boundary: a step of 8 bits in one coordinate.
    EXPECT_LT(test::largest_difference(test::decoded_logits_of(*decoding, tokens), expected), 0.05) << spec;
    const auto cut = test::open_session(model, {.cache = spec, .context = 160, .batch = 7});
    EXPECT_LT(test::largest_difference(test::logits_of(*cut, tokens), expected), 0.05) << spec;
    cut->truncate(0);
    EXPECT_LT(test::largest_difference(test::logits_of(*cut, tokens), expected), 0.05) << spec << ", used before";
  }
}

/// A cache of the two layers of short_pycoder.
std::unique_ptr<Session> session_of_layers(const std::shared_ptr<const Model>& model, const char* first,
                                           const char* second, const char* options = "tq4") {
  SessionOptions choice{.cache = test::must(CacheSpec::parse(options)), .context = 160};
  for (const char* text : {first, second}) {
    const CacheSpec layer = test::must(CacheSpec::parse(text));
    choice.cache.layers.push_back({layer.k, layer.v});
  }
  choice.cache.plan = "plan.json";
  return test::must(Session::create(model, choice));
}

// Were rows of one layer read with the codec of another, or in its place, these would differ by much more than the step
// of 8 bits in one coordinate that cuts may move (above), and than what f16 and 8 bits lose against f32.
TEST(CachePolicy, layers_with_codecs_of_their_own_stay_apart) {
  const auto model = test::load(test::short_pycoder_gguf());
  const std::vector<TokenId> tokens = test::some_tokens(120, model->config().vocab_size);
  const auto exact = test::open_session(model, {.cache = "f32", .context = 160});
  const std::vector<float> expected = test::logits_of(*exact, tokens);
  for (const auto& [first, second] : {std::pair{"f16", "tq8"}, {"tq8:q8_0", "f32:tq9"}, {"tq9", "f16:tq8"}}) {
    for (const char* options : {"tq4", "tq4+sink=3+recent=20+center=mean"}) {
      const auto whole = session_of_layers(model, first, second, options);
      EXPECT_LT(test::largest_difference(test::logits_of(*whole, tokens), expected), 0.5) << first << ", " << second;
      const auto decoding = session_of_layers(model, first, second, options);
      const std::vector<float> decoded = test::decoded_logits_of(*decoding, tokens);
      whole->truncate(0);
      EXPECT_LT(test::largest_difference(decoded, test::logits_of(*whole, tokens)), 0.1) << first << ", " << second;
    }
  }
}

TEST(CachePolicy, equal_layers_are_one_spec_and_each_layer_counts) {
  const auto model = test::load(test::short_pycoder_gguf());
  const std::vector<TokenId> tokens = test::some_tokens(70, model->config().vocab_size);
  const auto logits = [&](std::unique_ptr<Session> session) { return test::logits_of(*session, tokens); };
  const std::vector<float> uniform = logits(test::open_session(model, {.cache = "tq3:tq2", .context = 160}));
  EXPECT_EQ(logits(session_of_layers(model, "tq3:tq2", "tq3:tq2")), uniform);
  EXPECT_NE(logits(session_of_layers(model, "tq4:tq2", "tq3:tq2")), uniform);
  EXPECT_NE(logits(session_of_layers(model, "tq3:tq2", "tq3")), uniform);
  EXPECT_EQ(logits(session_of_layers(model, "tq3", "tq2")),
            logits(test::open_session(model, {.cache = "tq2.5:tq2.5", .context = 160})));
  const CacheFootprint cache = session_of_layers(model, "tq3:tq2", "f16:tq8")->cache();  // heads of 64, f16 scales
  EXPECT_DOUBLE_EQ(cache.bits_k, (3.25 + 16) / 2);
  EXPECT_DOUBLE_EQ(cache.bits_v, (2.25 + 8.25) / 2);
  EXPECT_DOUBLE_EQ(static_cast<double>(cache.bytes), 2 * 2 * 64 * 160 * (cache.bits_k + cache.bits_v) / 8);
}

TEST(CachePolicy, options_read_back_and_nonsense_is_refused) {
  for (const char* text : {"tq4+sink=4", "tq4:tq3+sink=4+recent=128", "q4_0+rotate=on+recent=7+center=auto",
                           "tq2+center=mean", "tq2+center=bias", "tq3:f16+sink=1", "f16:tq3+sink=1"}) {
    const Result<CacheSpec> spec = CacheSpec::parse(text);
    ASSERT_TRUE(spec.has_value()) << text << ": " << spec.error().message;
    EXPECT_EQ(spec->name(), text);
  }
  EXPECT_EQ(test::must(CacheSpec::parse("tq4+sink=0+recent=0+center=off")).name(), "tq4");
  EXPECT_EQ(test::must(CacheSpec::parse("tq4+recent=5+sink=4")).name(), "tq4+sink=4+recent=5");
  EXPECT_EQ(test::must(CacheSpec::parse("turbo3+sink=4")).name(), "tq3+sink=4");
  for (const char* text : {"tq4+sink", "tq4+sink=", "tq4+sink=-1", "tq4+sink=4x", "tq4+sink= 4",
                           "tq4+recent=99999999999999999999", "tq4+recent=1073741825", "tq4+center", "tq4+center=",
                           "tq4+center=on", "f16+sink=4", "f32+recent=4", "f16:tq4+center=mean", "tq4+sinks=4"}) {
    const Result<CacheSpec> spec = CacheSpec::parse(text);
    ASSERT_FALSE(spec.has_value()) << text;
    EXPECT_EQ(spec.error().code, ErrorCode::kUsage) << text;
  }
}

}  // namespace
}  // namespace tq
