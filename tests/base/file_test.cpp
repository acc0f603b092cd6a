#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/temporary_folder.h"

namespace tq::test {
namespace {

void expect_failure(const Error& error, ErrorCode code, const std::filesystem::path& path) {
  EXPECT_EQ(error.code, code) << error.message;
  EXPECT_NE(error.message.find(path.string()), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
  EXPECT_FALSE(error.message.ends_with('.')) << error.message;
}

/// Both ways to open refuse `path`.
void expect_refused(const std::filesystem::path& path) {
  const Result<MappedFile> mapped = MappedFile::open(path);
  ASSERT_FALSE(mapped.has_value());
  expect_failure(mapped.error(), ErrorCode::kFailed, path);
  const Result<std::string> text = read_file(path, 1000);
  ASSERT_FALSE(text.has_value());
  expect_failure(text.error(), ErrorCode::kFailed, path);
}

TEST(File, missing) {
  const TemporaryFolder folder;
  expect_refused(folder.path() / "nothing");
  expect_refused(folder.path() / "no" / "folder" / "either");
  expect_refused("");
}

TEST(File, a_link_that_leads_nowhere_or_in_a_circle) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("gone", folder.path() / "dangling");
  std::filesystem::create_symlink("circle", folder.path() / "circle");
  expect_refused(folder.path() / "dangling");
  expect_refused(folder.path() / "circle");
}

TEST(File, a_folder) {
  const TemporaryFolder folder;
  expect_refused(folder.path());
}

TEST(File, a_pipe_that_nobody_writes_to_does_not_hang) {
  const TemporaryFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_refused(pipe);
}

TEST(File, a_device_that_never_ends) { expect_refused("/dev/zero"); }

TEST(File, empty) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("empty", "");
  const Result<MappedFile> mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.has_value());
  EXPECT_TRUE(mapped->bytes().empty());
  EXPECT_EQ(read_file(path, 0).value(), "");
}

TEST(File, bytes_as_they_are) {
  const TemporaryFolder folder;
  std::string contents;
  for (int i = 0; i < 10000; ++i) contents += static_cast<char>(i * 7);
  const std::filesystem::path path = folder.write("file", contents);
  const Result<MappedFile> mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.has_value());
  EXPECT_EQ(as_text(mapped->bytes()), contents);
  EXPECT_EQ(read_file(path, contents.size()).value(), contents);
}

TEST(File, moved_mappings_have_one_owner) {
  const TemporaryFolder folder;
  Result<MappedFile> first = MappedFile::open(folder.write("a", "first"));
  Result<MappedFile> second = MappedFile::open(folder.write("b", "second"));
  ASSERT_TRUE(first && second);
  MappedFile moved(std::move(*first));
  EXPECT_EQ(as_text(moved.bytes()), "first");
  moved = std::move(*second);
  EXPECT_EQ(as_text(moved.bytes()), "second");
}

TEST(File, a_mapping_outlives_the_name) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("file", "still here");
  const Result<MappedFile> mapped = MappedFile::open(path);
  ASSERT_TRUE(mapped.has_value());
  std::filesystem::remove(path);
  EXPECT_EQ(as_text(mapped->bytes()), "still here");
}

TEST(File, longer_than_its_kind_ever_is) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("file", "12345");
  EXPECT_TRUE(read_file(path, 5).has_value());
  const Result<std::string> text = read_file(path, 4);
  ASSERT_FALSE(text.has_value());
  expect_failure(text.error(), ErrorCode::kBadFile, path);
}

TEST(File, available_memory_is_not_more_than_the_machine_has) {
  struct sysinfo machine = {};
  ASSERT_EQ(::sysinfo(&machine), 0);
  EXPECT_GT(available_memory(), 0U);
  EXPECT_LE(available_memory(), std::uint64_t{machine.totalram} * machine.mem_unit);
}

}  // namespace
}  // namespace tq::test
