#include "cli/files.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "cli/process.h"

namespace tq::cli {
namespace {

using test::read_file;
using test::TemporaryFolder;

TEST(Files, AReportReplacesTheOldOneAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const std::string path = folder.write("report.json", "{\"old\": 1}");
  ASSERT_TRUE(check_json_path(path));
  ASSERT_TRUE(write_json("{}", path));
  EXPECT_EQ(read_file(path), "{}\n");
  EXPECT_EQ(folder.count_files(), 1U);
}

TEST(Files, ALinkKeepsPointingToTheReport) {
  const TemporaryFolder folder;
  const std::string path = folder.write("report.json", "{}");
  std::filesystem::create_symlink(path, folder / "link.json");
  ASSERT_TRUE(write_json("[1]", (folder / "link.json").string()));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.json"));
  EXPECT_EQ(read_file(path), "[1]\n");
}

TEST(Files, AModelIsNotOverwrittenByAReport) {
  const TemporaryFolder folder;
  const auto checked = check_json_path(folder.write("model.gguf", "GGUF\x03"));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kUsage);
  EXPECT_TRUE(check_json_path(folder.write("empty", "")));
}

TEST(Files, APathThatCannotWorkIsRefusedEarly) {
  const TemporaryFolder folder;
  EXPECT_FALSE(check_json_path((folder / "missing/report.json").string()));
  std::filesystem::create_directory(folder / "sub");
  EXPECT_FALSE(check_json_path((folder / "sub").string()));
  EXPECT_TRUE(check_json_path("-"));
  EXPECT_TRUE(check_json_path(""));
}

TEST(Files, ADeviceIsWrittenToNotReplaced) {
  ASSERT_TRUE(check_json_path("/dev/null"));
  ASSERT_TRUE(write_json("{}", "/dev/null"));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  const auto full = write_json("{}", "/dev/full");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kFailed);
}

TEST(Files, WhatCannotBeReadIsNamed) {
  for (const char* path : {"/nonexistent/text", "/"}) {
    const auto text = read_text(path);
    ASSERT_FALSE(text) << path;
    EXPECT_EQ(text.error().code, ErrorCode::kFailed);
    EXPECT_NE(text.error().message.find(path), std::string::npos);
  }
  const auto endless = read_text("/dev/zero");
  ASSERT_FALSE(endless);
  EXPECT_EQ(endless.error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace tq::cli
