// One sequence: prefill against decode, threads, cuts, and what does not fit.
#include <cmath>
#include <limits>

#include "support/models.h"
#include "support/short_pycoder.h"

namespace tq {
namespace {

const std::shared_ptr<const Model>& model() {
  static const std::shared_ptr<const Model> loaded = test::load(test::short_pycoder_gguf());
  return loaded;
}
std::size_t vocab() { return model()->config().vocab_size; }

// Logits are near 10 in size; the two paths add in the same order but tile attention differently, so only fused
// roundings differ.
TEST(Session, prefill_and_decode_agree_to_1e_4_for_every_length_from_1_to_40) {
  const std::vector<TokenId> tokens = test::some_tokens(40, vocab());
  const auto decoding = test::open_session(model());
  const std::vector<float> decoded = test::decoded_logits_of(*decoding, tokens);
  const auto session = test::open_session(model());
  for (std::size_t n = 1; n <= tokens.size(); ++n) {
    session->truncate(0);
    const std::vector<float> logits = test::logits_of(*session, std::span(tokens).first(n));
    EXPECT_LT(test::largest_difference(logits, std::span(decoded).first(n * vocab())), 1e-4) << n;
  }
}

TEST(Session, prefill_and_decode_agree_to_1e_4_at_500) {
  const std::vector<TokenId> tokens = test::some_tokens(500, vocab());
  const auto prefilling = test::open_session(model(), {.threads = 2}),
             decoding = test::open_session(model(), {.threads = 2});
  EXPECT_LT(test::largest_difference(test::logits_of(*prefilling, tokens), test::decoded_logits_of(*decoding, tokens)),
            1e-4);
}

TEST(Session, threads_change_no_bit) {
  const std::vector<TokenId> tokens = test::some_tokens(70, vocab());
  for (const char* cache : {"f32", "tq4:tq3", "q8_0"}) {
    std::vector<float> alone;
    for (const unsigned threads : {1U, 2U, 4U}) {
      const auto session = test::open_session(model(), {.cache = cache, .threads = threads});
      std::vector<float> logits = test::logits_of(*session, std::span(tokens).first(60));
      const std::vector<float> decoded = test::decoded_logits_of(*session, std::span(tokens).subspan(60));
      logits.insert(logits.end(), decoded.begin(), decoded.end());
      if (threads == 1) alone = logits;
      EXPECT_EQ(logits, alone) << threads << " threads, " << cache;
    }
  }
}

TEST(Session, the_cut_into_batches_and_appends_does_not_matter) {
  const std::vector<TokenId> tokens = test::some_tokens(75, vocab());
  const auto whole = test::open_session(model());
  const std::vector<float> expected = test::logits_of(*whole, tokens);
  for (const std::size_t batch : {1UL, 7UL, 32UL}) {
    const auto session = test::open_session(model(), {.batch = batch});
    EXPECT_LT(test::largest_difference(test::logits_of(*session, tokens), expected), 1e-4) << batch;
  }
  const auto session = test::open_session(model());
  for (std::size_t i = 0; i < tokens.size(); i += 25) {
    const std::vector<float> part = test::logits_of(*session, std::span(tokens).subspan(i, 25));
    EXPECT_LT(test::largest_difference(part, std::span(expected).subspan(i * vocab(), 25 * vocab())), 1e-4) << i;
  }
}

TEST(Session, fewer_logits_are_the_last_ones) {
  const std::vector<TokenId> tokens = test::some_tokens(20, vocab());
  const auto all = test::open_session(model(), {.batch = 8}), few = test::open_session(model(), {.batch = 8});
  const std::vector<float> expected = test::logits_of(*all, tokens);
  std::vector<float> logits(6 * vocab());
  ASSERT_TRUE(few->append(tokens, 6, logits).has_value());
  EXPECT_EQ(logits, std::vector<float>(expected.end() - static_cast<std::ptrdiff_t>(logits.size()), expected.end()));
}

TEST(Session, truncating_forgets_what_came_after) {
  const std::vector<TokenId> tokens = test::some_tokens(30, vocab()), others = test::some_tokens(30, vocab(), 2);
  for (const char* cache : {"f32", "tq3"}) {
    const auto fresh = test::open_session(model(), {.cache = cache}),
               used = test::open_session(model(), {.cache = cache});
    test::logits_of(*fresh, std::span(tokens).first(10));
    test::logits_of(*used, std::span(tokens).first(10));
    test::logits_of(*used, others);
    used->truncate(10);
    EXPECT_EQ(used->position(), 10U);
    EXPECT_EQ(test::logits_of(*used, std::span(tokens).subspan(10)),
              test::logits_of(*fresh, std::span(tokens).subspan(10)));
    used->truncate(1000);
    EXPECT_EQ(used->position(), 30U) << "there is nothing behind the end";
  }
}

TEST(Session, what_does_not_fit_changes_nothing) {
  const auto session = test::open_session(model(), {.context = 20});
  const std::vector<TokenId> tokens = test::some_tokens(21, vocab());
  std::vector<float> logits(vocab());
  ASSERT_TRUE(session->append(std::span(tokens).first(5), 1, logits).has_value());
  for (const std::vector<TokenId>& bad :
       {tokens, {1, -1}, {1, static_cast<TokenId>(vocab())}, {std::numeric_limits<TokenId>::min()}}) {
    const Result<void> refused = session->append(bad, 0, {});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
    EXPECT_EQ(session->position(), 5U);
  }
  EXPECT_TRUE(session->append(std::span(tokens).subspan(5, 15), 1, logits).has_value())
      << "the context can be filled to the brim";
  EXPECT_EQ(session->position(), session->context());
}

TEST(Session, an_append_of_nothing_is_fine) {
  const auto session = test::open_session(model());
  EXPECT_TRUE(session->append({}, 0, {}).has_value());
  EXPECT_EQ(session->position(), 0U);
}

// Weights: compressing on load keeps what the codec promises and leaves embedding and norms alone.
TEST(Weights, compressed_matrices_have_their_true_bits_and_wide_ones_keep_the_logits) {
  const std::vector<TokenId> tokens = test::some_tokens(16, vocab());
  const auto base = test::open_session(model());
  const std::vector<float> expected = test::logits_of(*base, tokens);
  double previous = 0;
  for (const char* weights : {"f32", "tq9", "tq8", "q8_0", "tq4", "q4_0"}) {
    const auto compressed = test::load(test::short_pycoder_gguf(), weights);
    EXPECT_EQ(compressed->weights_name(), weights);
    const auto session = test::open_session(compressed);
    const double difference = test::largest_difference(test::logits_of(*session, tokens), expected);
    // Relative errors of a matrix: 1e-3 at 9 bits, 0.1 at 4; logits are near 10 and the largest of 16 x 3840 is looked
    // at.
    const std::string name = weights;
    if (name == "f32") EXPECT_LT(difference, 1e-3);
    if (name == "tq9") EXPECT_LT(difference, 0.3);
    if (name == "tq4") EXPECT_GT(difference, previous);
    previous = difference;
    const ModelFootprint footprint = compressed->footprint();
    EXPECT_EQ(footprint.parameters, model()->footprint().parameters);
    if (name == "tq4")
      EXPECT_NEAR(footprint.linear_bits_per_weight(), 4 + 16.0 / 512, 0.02) << "one f16 for each row of 512 or 1024";
    if (name == "q4_0") EXPECT_DOUBLE_EQ(footprint.linear_bits_per_weight(), 4.5);
  }
}

}  // namespace
}  // namespace tq
