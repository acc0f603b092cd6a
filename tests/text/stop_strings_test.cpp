#include "turboquant/stop_strings.h"

#include <gtest/gtest.h>

namespace tq {
namespace {

/// What goes out when `text` comes in pieces of `size` bytes.
std::string shown(StopStrings& stop, const std::string& text, std::size_t size) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += size) out += stop.put(text.substr(at, size));
  return out + stop.finish();
}

TEST(StopStrings, the_first_one_ends_the_text_however_it_is_cut) {
  for (std::size_t size = 1; size < 20; ++size) {
    StopStrings stop({"\nUser:", "END"});
    EXPECT_EQ(shown(stop, "Hello\nUse it.\nUser: more END", size), "Hello\nUse it.") << size;
    EXPECT_TRUE(stop.stopped());
    EXPECT_EQ(stop.found(), "\nUser:");
  }
}

TEST(StopStrings, what_could_become_one_waits_and_no_more) {
  StopStrings stop({"<end>"});
  EXPECT_EQ(stop.put("a<"), "a");
  EXPECT_EQ(stop.put("e"), "");
  EXPECT_EQ(stop.put("x"), "<ex");
  EXPECT_EQ(stop.put("<<en"), "<");
  EXPECT_EQ(stop.finish(), "<en");
  EXPECT_FALSE(stop.stopped());
}

TEST(StopStrings, a_beginning_that_repeats_itself_is_not_missed) {
  for (std::size_t size = 1; size < 8; ++size) {
    StopStrings stop({"aab"});
    EXPECT_EQ(shown(stop, "aaaab!", size), "aa") << size;
  }
}

TEST(StopStrings, of_two_that_begin_together_the_longer_is_reported) {
  StopStrings stop({"ab", "abc"});
  EXPECT_EQ(stop.put("xabc"), "x");
  EXPECT_EQ(stop.found(), "abc");
  EXPECT_EQ(stop.put("more"), "") << "nothing comes after a stop";
}

TEST(StopStrings, none_and_empty_ones_change_nothing) {
  StopStrings stop({"", ""});
  EXPECT_EQ(stop.put("abc"), "abc");
  EXPECT_EQ(stop.finish(), "");
}

}  // namespace
}  // namespace tq
