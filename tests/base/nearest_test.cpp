#include "base/nearest.h"

#include <gtest/gtest.h>

namespace tq::test {
namespace {

TEST(Nearest, edits_are_counted_as_levenshtein_does) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);  // k→s, e→i, +g: the textbook's example
  EXPECT_EQ(edit_distance("ab", "ba"), 2U);           // a swap is no edit of its own
  EXPECT_EQ(edit_distance("flaw", "lawn"), edit_distance("lawn", "flaw"));
}

TEST(Nearest, one_slip_finds_its_word) {
  const std::vector<std::string> names = {"f16", "q8_0", "q4_0", "tq4", "tq3"};
  EXPECT_EQ(nearest("q4-0", names), "q4_0");
  EXPECT_EQ(nearest("tqq4", names), "tq4");
  EXPECT_EQ(nearest("tq3", names), "tq3");
}

TEST(Nearest, the_beginning_of_a_name_beats_a_shorter_way) {
  const std::vector<std::string> names = {"eva", "evaluate"};
  EXPECT_EQ(nearest("eval", names), "evaluate");
}

TEST(Nearest, the_first_of_equals) {
  const std::vector<std::string> names = {"tq2", "tq3", "tq4"};
  EXPECT_EQ(nearest("tq9", names), "tq2");
  EXPECT_EQ(nearest("", names), "tq2");
}

TEST(Nearest, no_candidates_and_a_megabyte_of_nonsense) {
  EXPECT_EQ(nearest("x", {}), "");
  const std::vector<std::string> names = {"ab", "aaaaaaaaaa"};
  EXPECT_EQ(nearest(std::string(1 << 20, 'a'), names), "aaaaaaaaaa");
}

}  // namespace
}  // namespace tq::test
