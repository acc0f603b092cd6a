#include "base/output_file.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/file.h"
#include "support/must.h"
#include "support/temporary_folder.h"

namespace tq::test {
namespace {

std::string contents(const std::filesystem::path& path) { return must(read_file(path, 1000)); }

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST(OutputFile, the_old_file_stays_until_the_new_one_is_complete) {
  const TemporaryFolder folder;
  const auto path = folder.write("out", "old");
  {
    OutputFile file = must(OutputFile::create(path));
    ASSERT_TRUE(file.write(as_bytes("new and longer")).has_value());
    ASSERT_TRUE(file.write_at(4, as_bytes("AND")).has_value());
    EXPECT_EQ(contents(path), "old");
    ASSERT_TRUE(file.commit().has_value());
  }
  EXPECT_EQ(contents(path), "new AND longer");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(OutputFile, given_up_it_leaves_nothing) {
  const TemporaryFolder folder;
  {
    OutputFile file = must(OutputFile::create(folder.path() / "out"));
    ASSERT_TRUE(file.write(as_bytes("half")).has_value());
    OutputFile moved = std::move(file);
  }
  EXPECT_EQ(files_in(folder.path()), 0U);
}

TEST(OutputFile, what_was_kept_can_be_gone_over) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "out";
  {
    OutputFile file = must(OutputFile::create(path));
    must(file.write(as_bytes("half")));
    file.keep();
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  OutputFile file = must(OutputFile::reopen(path));
  std::string left(4, ' ');
  ASSERT_TRUE(file.read_at(0, std::as_writable_bytes(std::span(left))));
  EXPECT_EQ(left, "half");
  EXPECT_FALSE(file.read_at(1, std::as_writable_bytes(std::span(left)))) << "beyond the end";
  file.skip(4);
  must(file.write(as_bytes(" and half")));
  must(file.commit());
  EXPECT_EQ(contents(path), "half and half");
  must(OutputFile::reopen(folder.path() / "new"));  // where nothing was left it begins from nothing
  EXPECT_EQ(files_in(folder.path()), 1U) << "given up";
}

TEST(OutputFile, more_room_than_was_needed_is_given_back) {
  const TemporaryFolder folder;
  OutputFile file = must(OutputFile::create(folder.path() / "out"));
  ASSERT_TRUE(file.reserve(900).has_value());
  ASSERT_TRUE(file.write(as_bytes("few")).has_value());
  ASSERT_TRUE(file.commit().has_value());
  EXPECT_EQ(contents(folder.path() / "out"), "few");
}

TEST(OutputFile, a_disk_that_is_too_small_is_known_before_the_work) {
  const TemporaryFolder folder;
  OutputFile file = must(OutputFile::create(folder.path() / "out"));
  EXPECT_FALSE(file.reserve(std::uint64_t{1} << 60).has_value());
  EXPECT_FALSE(file.reserve(~std::uint64_t{0}).has_value());
}

TEST(OutputFile, two_writers_of_one_path_do_not_mix) {
  const TemporaryFolder folder;
  const OutputFile first = must(OutputFile::create(folder.path() / "out"));
  const Result<OutputFile> second = OutputFile::create(folder.path() / "out");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kFailed);
  EXPECT_EQ(files_in(folder.path()), 1U) << "the refused one must not remove what the other writes";
}

TEST(OutputFile, what_a_killed_writer_left_is_taken_over) {
  const TemporaryFolder folder;
  folder.write("out.part", "much longer than what comes now");
  OutputFile file = must(OutputFile::create(folder.path() / "out"));
  ASSERT_TRUE(file.write(as_bytes("now")).has_value());
  ASSERT_TRUE(file.commit().has_value());
  EXPECT_EQ(contents(folder.path() / "out"), "now");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(OutputFile, a_link_keeps_pointing_to_the_new_file) {
  const TemporaryFolder folder;
  folder.write("real", "old");
  std::filesystem::create_symlink("real", folder.path() / "link");
  OutputFile file = must(OutputFile::create(folder.path() / "link"));
  ASSERT_TRUE(file.write(as_bytes("new")).has_value());
  ASSERT_TRUE(file.commit().has_value());
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
  EXPECT_EQ(contents(folder.path() / "real"), "new");
}

TEST(OutputFile, what_cannot_be_written_is_said) {
  const TemporaryFolder folder;
  for (const auto& path : {folder.path() / "no" / "folder", folder.path(), std::filesystem::path("/dev/null")}) {
    const Result<OutputFile> refused = OutputFile::create(path);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kFailed);
    EXPECT_NE(refused.error().message.find(path.string()), std::string::npos) << refused.error().message;
  }
}

}  // namespace
}  // namespace tq::test
