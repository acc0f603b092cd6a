#include "formats/message.h"

#include <gtest/gtest.h>

namespace tq::test {
namespace {

TEST(Message, what_a_file_says_cannot_break_the_line_or_drive_a_terminal) {
  EXPECT_EQ(in_quotes("blk.0.attn_q"), "'blk.0.attn_q'");
  EXPECT_EQ(in_quotes(""), "''");
  EXPECT_EQ(in_quotes("a\nb\x1b[31m"), "'a\\x0ab\\x1b[31m'");
  EXPECT_EQ(in_quotes(std::string_view("\0\x7f", 2)), "'\\x00\\x7f'");
  EXPECT_EQ(in_quotes("é世🙂"), "'é世🙂'");
  EXPECT_EQ(in_quotes("\xc2\x9b"), "'\\xc2\\x9b'");  // a control character of Latin-1
}

TEST(Message, bytes_that_are_not_utf8_are_shown_as_bytes) {
  EXPECT_EQ(in_quotes("a\xff"), "'a\\xff'");
  EXPECT_EQ(in_quotes("\xc3"), "'\\xc3'");                             // cut
  EXPECT_EQ(in_quotes("\xc3g"), "'\\xc3g'");                           // not continued
  EXPECT_EQ(in_quotes("\xc0\xaf"), "'\\xc0\\xaf'");                    // a slash in two bytes
  EXPECT_EQ(in_quotes("\xed\xa0\x80"), "'\\xed\\xa0\\x80'");           // half of a surrogate pair
  EXPECT_EQ(in_quotes("\xf4\x90\x80\x80"), "'\\xf4\\x90\\x80\\x80'");  // above U+10FFFF
}

TEST(Message, long_texts_are_cut_between_characters) {
  EXPECT_EQ(in_quotes(std::string(80, 'a')), "'" + std::string(80, 'a') + "'");
  EXPECT_EQ(in_quotes(std::string(81, 'a')), "'" + std::string(80, 'a') + "…'");
  EXPECT_EQ(in_quotes(std::string(79, 'a') + "é"), "'" + std::string(79, 'a') + "…'");
  EXPECT_LT(in_quotes(std::string(1 << 20, '\n')).size(), 100U);
}

TEST(Message, names_are_printable_and_not_empty) {
  EXPECT_TRUE(is_name("model.embed_tokens.weight"));
  EXPECT_TRUE(is_name("重み ../x"));
  for (const std::string_view bad : {"", "a\n", "\xff", "a\xc3", "\x7f"}) EXPECT_FALSE(is_name(bad)) << in_quotes(bad);
  EXPECT_FALSE(is_name(std::string_view("a\0b", 3)));
}

TEST(Message, the_file_comes_first) {
  const std::unexpected<Error> error = bad_file("m.gguf", "{} of {}", 1, "two");
  EXPECT_EQ(error.error().code, ErrorCode::kBadFile);
  EXPECT_EQ(error.error().message, "m.gguf: 1 of two");
  // Braces in a name are no format.
  EXPECT_EQ(bad_file("{}.gguf", "{}", "{0}").error().message, "{}.gguf: {0}");
}

}  // namespace
}  // namespace tq::test
