// Attention over more positions than one chunk, against sums in double.
#include "engine/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/models.h"
#include "support/random_rows.h"

namespace tq {
namespace {

constexpr std::size_t kDim = 32, kHeads = 6, kKvHeads = 3, kPositions = 1300;

class Attention : public testing::TestWithParam<const char*> {
 protected:
  Attention() {
    config_.n_layers = 1;
    config_.n_heads = kHeads;
    config_.n_kv_heads = kKvHeads;
    config_.head_dim = kDim;
    cache_.emplace(test::must(KvCache::create(config_, test::must(CacheSpec::parse(GetParam())), kPositions)));
    Workspace scratch;
    for (std::size_t head = 0; head < kKvHeads; ++head) {
      const std::vector<float> keys = test::gaussian(kPositions * kDim, 10 + head),
                               values = test::gaussian(kPositions * kDim, 20 + head);
      cache_->k_codec(0).encode_rows(keys.data(), kPositions, cache_->keys(0, head), 0, scratch);
      cache_->v_codec(0).encode_rows(values.data(), kPositions, cache_->values(0, head), 0, scratch);
    }
    queries_ = test::gaussian(kPositions * kHeads * kDim, 30);
    for (float& q : queries_) q *= 3;  // some weights are large
  }

  std::vector<float> attended(std::size_t position, std::size_t n_tokens, unsigned threads, std::size_t window = 0) {
    ThreadPool pool(threads);
    std::vector<AttentionScratch> scratch(pool.size());
    std::vector<float> out(n_tokens * kHeads * kDim);
    attend(config_, *cache_, {0, position, n_tokens, queries_.data() + position * kHeads * kDim, out.data(), window},
           pool, scratch);
    return out;
  }

  ModelConfig config_;
  std::optional<KvCache> cache_;
  std::vector<float> queries_;
};

INSTANTIATE_TEST_SUITE_P(Caches, Attention, testing::Values("f32", "tq4", "tq8:tq2"));

struct Seen {
  std::size_t position, window;
};

TEST_P(Attention, is_the_weighted_sum_of_what_the_cache_holds_in_the_window) {
  for (const auto& [position, window] :
       {Seen{0, 0}, Seen{511, 0}, Seen{512, 0}, Seen{1299, 0}, Seen{30, 40}, Seen{39, 40}, Seen{40, 40}, Seen{530, 40},
        Seen{1299, 1}, Seen{1299, 512}, Seen{1299, 800}}) {
    const std::vector<float> out = attended(position, 1, 2, window);
    for (std::size_t head = 0; head < kHeads; ++head) {
      const std::size_t kv_head = head / (kHeads / kKvHeads), n = position + 1;
      const std::size_t first = window == 0 || window > n ? 0 : n - window;
      std::vector<float> keys(n * kDim), values(n * kDim);
      cache_->k_codec(0).decode(cache_->keys(0, kv_head), 0, n, keys.data());
      cache_->v_codec(0).decode(cache_->values(0, kv_head), 0, n, values.data());
      const float* query = queries_.data() + (position * kHeads + head) * kDim;
      std::vector<double> weights(n), expected(kDim, 0.0);
      double sum = 0;
      for (std::size_t p = first; p < n; ++p)
        sum += weights[p] =
            std::exp(test::dot(query, keys.data() + p * kDim, kDim) / std::sqrt(static_cast<double>(kDim)));
      for (std::size_t p = 0; p < n; ++p) {
        for (std::size_t j = 0; j < kDim; ++j)
          expected[j] += weights[p] / sum * static_cast<double>(values[p * kDim + j]);
      }
      // Integer products round the query to 1/254 of its largest coordinate and the weights to that of the largest
      // of 32.
      const double tolerance = std::string(GetParam()) == "f32" ? 1e-5 : 0.03;
      for (std::size_t j = 0; j < kDim; ++j)
        EXPECT_NEAR(out[head * kDim + j], expected[j], tolerance) << position << " " << head;
    }
  }
}

TEST_P(Attention, tokens_together_or_alone_on_any_number_of_threads_give_the_same_bits) {
  for (const std::size_t window : {0UL, 1UL, 20UL, 512UL, 700UL}) {
    for (const std::size_t position : {0UL, 505UL, 1270UL}) {
      const std::vector<float> together = attended(position, 30, 1, window);
      EXPECT_EQ(attended(position, 30, 2, window), together);
      EXPECT_EQ(attended(position, 30, 4, window), together);
      for (const std::size_t token : {0UL, 8UL, 29UL}) {
        const std::vector<float> alone = attended(position + token, 1, 1 + static_cast<unsigned>(token % 3), window);
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                               together.begin() + static_cast<std::ptrdiff_t>(token * kHeads * kDim)))
            << window;
      }
    }
  }
}

TEST_P(Attention, a_soft_cap_bends_the_scores_and_a_scale_of_its_own_replaces_the_usual_one) {
  const std::vector<float> plain = attended(100, 1, 1);
  config_.attention_scale = 1.0F / std::sqrt(static_cast<float>(kDim));
  config_.attention_soft_cap = 1e6F;  // tanh is the identity there
  const std::vector<float> wide = attended(100, 1, 1);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(wide[i], plain[i], 1e-3);
  config_.attention_soft_cap = 1e-6F;  // all scores become 0: the mean of the values
  const std::vector<float> flat = attended(100, 1, 1);
  std::vector<float> values(101 * kDim);
  cache_->v_codec(0).decode(cache_->values(0, 0), 0, 101, values.data());
  for (std::size_t j = 0; j < kDim; ++j) {
    double mean = 0;
    for (std::size_t p = 0; p < 101; ++p) mean += static_cast<double>(values[p * kDim + j]) / 101;
    EXPECT_NEAR(flat[j], mean, 0.01);
  }
}

}  // namespace
}  // namespace tq
