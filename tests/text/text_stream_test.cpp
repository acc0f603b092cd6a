#include "base/random.h"
#include "text/utf8.h"
#include "text/vocabularies.h"

namespace tq::test {
namespace {

bool is_utf8(std::string_view text) {
  const Utf8Run run = utf8_run(text);
  return text.empty() || (run.is_valid && run.size == text.size());
}

TEST(TextStream, a_character_comes_whole_however_its_bytes_are_cut) {
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(byte_metadata({})));
  const std::string text = "a\u00e9\u4f60\U0001F600\u0301\U0010ffffz";
  TextStream stream(*tokenizer);
  std::string all;
  for (const TokenId id : tokenizer->encode(text)) {
    const std::string part = stream.add(id);
    EXPECT_TRUE(is_utf8(part)) << ::testing::PrintToString(part);
    all += part;
  }
  EXPECT_EQ(all, text);
  EXPECT_EQ(stream.finish(), "");
}

TEST(TextStream, bytes_that_cannot_become_a_character_are_not_held_back) {
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(byte_metadata({})));
  for (const TokenId byte : {0x80, 0xBF, 0xC0, 0xC1, 0xF5, 0xFF}) {
    EXPECT_EQ(TextStream(*tokenizer).add(byte).size(), 1U) << byte;
  }
  TextStream stream(*tokenizer);
  EXPECT_EQ(stream.add(0xED), "");
  EXPECT_EQ(stream.add(0xA0), "\xed\xa0") << "a surrogate";
  EXPECT_EQ(stream.add(0xF0), "");
  EXPECT_EQ(stream.add('a'),
            "\xf0"
            "a");
  EXPECT_EQ(stream.add(0xE4), "");
  EXPECT_EQ(stream.add(0xBD), "");
  EXPECT_EQ(stream.finish(), "\xe4\xbd") << "it was never finished";
  EXPECT_EQ(stream.finish(), "");
}

TEST(TextStream, all_parts_are_the_decoded_text) {
  const TokenizerPointer bytes = must(Tokenizer::from_metadata(byte_metadata({{"Ã", "©"}, {"Ġ", "Ã"}})));
  const TokenizerPointer marks = must(Tokenizer::from_metadata(score_metadata({{"▁", -1}, {"▁a", -2}})));
  std::uint64_t state = 41;
  for (const TokenizerPointer& tokenizer : {bytes, marks}) {
    for (int round = 0; round < 3000; ++round) {
      Ids ids;
      for (std::uint64_t n = next_random(state) % 8; n > 0; --n) {
        ids.push_back(static_cast<TokenId>(next_random(state) % (tokenizer->vocab_size() + 1)));
      }
      TextStream stream(*tokenizer);
      std::string all;
      for (const TokenId id : ids) all += stream.add(id);
      ASSERT_EQ(all + stream.finish(), tokenizer->decode(ids));
    }
  }
}

TEST(TextStream, a_text_that_goes_on_keeps_its_space) {
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(score_metadata({{"▁a", -2}})));
  EXPECT_EQ(TextStream(*tokenizer).add(259), "a");
  EXPECT_EQ(TextStream(*tokenizer, true).add(259), " a");
  TextStream stream(*tokenizer);
  EXPECT_EQ(stream.add(1), "") << "a control token";
  EXPECT_EQ(stream.add(259), "a");
}

}  // namespace
}  // namespace tq::test
