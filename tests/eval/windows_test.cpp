#include "eval/windows.h"

#include "support/python_text.h"

namespace tq {
namespace {

/// A token for each letter; adds a BOS of 0 where it is told to.
class Letters final : public Tokenizer {
 public:
  explicit Letters(bool adds_bos) : adds_bos_(adds_bos) {}
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions&) const override {
    std::vector<TokenId> ids;
    if (adds_bos_) ids.push_back(0);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string piece(TokenId id) const override { return {static_cast<char>(id)}; }
  std::string decode(std::span<const TokenId>) const override { return {}; }
  std::size_t vocab_size() const override { return 256; }
  std::optional<TokenId> bos() const override { return 0; }
  std::optional<TokenId> eos() const override { return std::nullopt; }
  bool adds_bos() const override { return adds_bos_; }
  std::string kind() const override { return "letters"; }

 private:
  bool adds_bos_;
};

// llama-perplexity scores positions n/2 … n − 2, each predicting the token after it: reference.json counts 63, 255 and
// 1023 of windows of 128, 512 and 2048.
TEST(Windows, the_second_half_is_scored) {
  for (const auto& [context, scored] :
       {std::pair{128UL, 63UL}, {512UL, 255UL}, {2048UL, 1023UL}, {3UL, 1UL}, {5UL, 2UL}}) {
    const eval::Windows windows{std::vector<TokenId>(context), context};
    EXPECT_EQ(windows.scored_per_window(), scored) << context;
    EXPECT_EQ(windows.first_scored(), context / 2);
  }
}

TEST(Windows, are_consecutive_and_what_is_left_over_is_not_used) {
  const auto windows = eval::cut_windows("abcdefghijk", Letters(false), 256, 4, 0);
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(windows->count(), 2U);
  EXPECT_EQ(windows->window(1)[0], 'e');
  EXPECT_EQ(eval::cut_windows("abcdefghijk", Letters(false), 256, 4, 1)->count(), 1U);
  EXPECT_EQ(eval::cut_windows("abcdefghijk", Letters(false), 256, 4, 99)->count(), 2U);
}

TEST(Windows, bos_replaces_the_first_token_of_each_where_the_tokenizer_adds_one) {
  const auto windows = eval::cut_windows("abcdefghijk", Letters(true), 256, 4, 0);
  ASSERT_TRUE(windows.has_value());
  EXPECT_EQ(windows->count(), 3U);
  for (std::size_t i = 0; i < windows->count(); ++i) EXPECT_EQ(windows->window(i)[0], 0);
  EXPECT_EQ(windows->window(1)[1], 'e') << "the token that BOS replaced is not moved";
}

TEST(Windows, what_cannot_be_scored_is_a_usage_error) {
  for (const auto& [text, vocab, context] :
       {std::tuple{"abc", 256UL, 4UL}, {"abcd", 256UL, 2UL}, {"abcd", 50UL, 4UL}, {"", 256UL, 4UL}}) {
    const auto windows = eval::cut_windows(text, Letters(false), vocab, context, 0);
    ASSERT_FALSE(windows.has_value()) << text << " " << context;
    EXPECT_EQ(windows.error().code, ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace tq
