#include "cli/printable.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "cli/progress_bar.h"
#include "cli/units.h"

namespace tq::cli {
namespace {

TEST(Printable, NothingThatMovesTheCursorSurvives) {
  EXPECT_EQ(one_line("a\x1b[31mb\nc\rd\te\x7f"), "a\\x1b[31mb\\x0ac\\x0dd\\x09e\\x7f");
  EXPECT_EQ(one_line("\xc2\x9b"), "\\x9b");  // C1 CSI in UTF-8
  EXPECT_EQ(one_line("\x9b"), "\\x9b");      // the same as a lone byte
  EXPECT_EQ(one_line("\xe2\x80\xae"
                     "abc"),
            "\\u202e"
            "abc");                                                          // right-to-left override
  EXPECT_EQ(one_line("\xc0\x9b\xed\xa0\x80"), "\\xc0\\x9b\\xed\\xa0\\x80");  // overlong, surrogate
  EXPECT_EQ(one_line("grüße 日本 🙂"), "grüße 日本 🙂");
}

TEST(Printable, LinesKeepTheirEndsAndTabs) {
  EXPECT_EQ(printable("a\n\tb\r\x1b]0;title\x07"), "a\n\tb\\x0d\\x1b]0;title\\x07");
  EXPECT_EQ(printable("x\xff\xe6\x97y\xf0\x9f"), "x\\xff\\xe6\\x97y\\xf0\\x9f");
}

TEST(Units, ThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "0.98 KiB");
  EXPECT_EQ(bytes_text(9315936), "8.88 MiB");
  EXPECT_EQ(bytes_text(1023ULL << 20), "1.00 GiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16777216 TiB");
  EXPECT_EQ(count_text(4597248), "4.60 M");
  EXPECT_EQ(count_text(12), "12");
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(3723), "1:02:03");
}

/// What a bar of one long update writes to a standard error that is a terminal, or a pipe.
std::string drawn_by_bar(bool on_terminal, const char* term) {
  std::array<int, 2> ends{};  // ours, and the child's standard error
  if (on_terminal) {
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
    EXPECT_EQ(grantpt(ends[0]), 0);
    EXPECT_EQ(unlockpt(ends[0]), 0);
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
  } else {
    EXPECT_EQ(pipe(ends.data()), 0);
  }
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    setenv("TERM", term, 1);
    {
      ProgressBar bar("eval");
      bar.update(1, 2);
      std::this_thread::sleep_for(std::chrono::milliseconds(120));  // the bar waits a tenth of a second
      bar.update(2, 2);
    }
    std::fflush(stderr);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t count = 0; (count = read(ends[0], buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(count));
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(ends[0]);
  return text;
}

// That tq eval has one, CtrlCWritesTheWindowsThatWereComplete waits for.
TEST(ProgressBar, IsOnATerminalOnlyAfterAWhileAndErased) {
  const std::string shown = drawn_by_bar(true, "xterm");
  EXPECT_NE(shown.find("eval  ["), std::string::npos) << shown;
  EXPECT_EQ(shown.find(" 50 %"), std::string::npos) << "too early";
  EXPECT_TRUE(shown.ends_with("\r\x1b[K")) << shown;
  EXPECT_EQ(drawn_by_bar(true, "dumb"), "");
  EXPECT_EQ(drawn_by_bar(false, "xterm"), "");
}

TEST(ProgressBar, TheLineFitsAndSurvivesOddNumbers) {
  const std::string line = progress_line("eval", 60, 240, 4.0, 200);
  EXPECT_EQ(line, "eval  [######------------------]  25 %  60/240  0:12 left");  // 4 s for a quarter: 12 s for the rest
  for (std::size_t columns = 0; columns < 80; ++columns)
    EXPECT_LE(progress_line("eval", 60, 240, 4.0, columns).size(), columns);
  EXPECT_NE(progress_line("eval", 0, 0, 9.0, 80).find("  0 %"), std::string::npos);
  EXPECT_NE(progress_line("quantize", 1 << 20, 4 << 20, 9.0, 80, Counted::kBytes).find("1.00 MiB of 4.00 MiB"),
            std::string::npos);
  EXPECT_NE(progress_line("eval", 9, 4, 9.0, 80).find("100 %"), std::string::npos);
}

}  // namespace
}  // namespace tq::cli
