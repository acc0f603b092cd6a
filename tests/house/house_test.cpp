#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "house/rules.h"

namespace tq::house {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = TQ_SOURCE_DIR;

std::string join(const Violations& violations) {
  std::string text;
  for (const std::string& violation : violations) text += violation + "\n";
  return text;
}

TEST(House, every_include_follows_the_table_of_folders) {
  const Layers layers = read_layers(kRoot);
  ASSERT_GE(layers.size(), 8U) << "docs/architecture.md has no table of folders";
  EXPECT_EQ(join(check_layers(kRoot, layers)), "");
}

TEST(House, only_the_command_line_prints_or_exits) { EXPECT_EQ(join(check_quiet(kRoot)), ""); }

TEST(House, conditional_code_and_intrinsics_stay_in_simd) { EXPECT_EQ(join(check_portable(kRoot)), ""); }

TEST(House, files_are_short_and_named_for_what_they_hold) { EXPECT_EQ(join(check_sizes_and_names(kRoot)), ""); }

/// A small clean tree to plant mistakes in: base below engine below cli.
class Planted : public testing::Test {
 protected:
  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    root_ = fs::path(testing::TempDir()) / ("tq-house-" + name + "-" + std::to_string(getpid()));
    write("docs/architecture.md",
          "| folder | what | may include |\n|---|---|---|\n"
          "| `src/base/` | bytes | nothing |\n| `src/engine/` | layers | `base` |\n| `src/cli/` | commands | `base` "
          "`engine` |\n");
    write("src/base/bytes.h", "#include <cstddef>\n#include \"turboquant/result.h\"\n");
    write("src/engine/model.cpp",
          "// never printf here; #include \"cli/run.h\"\n#include \"base/bytes.h\"\nauto s = \"abort(1)\";\n");
    write("src/engine/CMakeLists.txt", "tq_folder(engine SOURCES model.cpp\n  USES base LINKS fmt::fmt)\n");
    write("src/cli/run.cpp", "#include \"engine/model.h\"\nint x = printf(\"\");\n");
    write("include/turboquant/result.h", "#pragma once\n#include <expected>\n");
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  std::string layers() const { return join(check_layers(root_, read_layers(root_))); }

  fs::path root_;
};

TEST_F(Planted, clean_tree_is_clean) {
  EXPECT_EQ(layers(), "");
  EXPECT_EQ(join(check_quiet(root_)), "");
  EXPECT_EQ(join(check_portable(root_)), "");
  EXPECT_EQ(join(check_sizes_and_names(root_)), "");
}

TEST_F(Planted, upward_include_is_reported) {
  write("src/base/file.cpp", "#include <vector>\n\n#include \"engine/model.h\"\n");
  EXPECT_EQ(layers(), "src/base/file.cpp:3: base may not include \"engine/model.h\"\n");
}

TEST_F(Planted, upward_include_in_angle_brackets_is_reported) {
  write("src/base/file.cpp", "#include <engine/model.h>\n");
  EXPECT_EQ(layers(), "src/base/file.cpp:1: base may not include \"engine/model.h\"\n");
}

TEST_F(Planted, include_from_a_nested_folder_is_reported) {
  write("src/engine/architectures/llama.cpp", "#  include \"cli/run.h\"\n");
  EXPECT_EQ(layers(), "src/engine/architectures/llama.cpp:1: engine may not include \"cli/run.h\"\n");
}

TEST_F(Planted, include_relative_to_the_file_is_reported) {
  write("src/base/file.cpp", "#include \"bytes.h\"\n#include \"../engine/model.h\"\n");
  EXPECT_NE(layers().find("src/base/file.cpp:1: \"bytes.h\" is no folder"), std::string::npos);
  EXPECT_NE(layers().find("src/base/file.cpp:2: \"../engine/model.h\" is no folder"), std::string::npos);
}

TEST_F(Planted, public_header_that_includes_the_inside_is_reported) {
  write("include/turboquant/model.h", "#include \"base/bytes.h\"\n");
  EXPECT_EQ(layers(), "include/turboquant/model.h:1: include may not include \"base/bytes.h\"\n");
}

TEST_F(Planted, library_that_links_upwards_is_reported) {
  write("src/engine/CMakeLists.txt", "tq_folder(engine SOURCES model.cpp\n  USES base\n       cli LINKS fmt::fmt)\n");
  EXPECT_EQ(layers(), "src/engine/CMakeLists.txt: engine may not use cli\n");
}

TEST_F(Planted, folder_outside_the_table_is_reported) {
  write("src/server/http.cpp", "\n");
  EXPECT_EQ(layers(), "src/server: not in the table of docs/architecture.md\n");
}

TEST_F(Planted, printing_and_exiting_are_reported) {
  write("src/engine/loud.cpp",
        "void f() {\n  fmt::print(\"x\");\n  std::cerr << 1;\n  std::exit (2);\n  snprintf(b, 1, \"\");\n  int exit = "
        "0;\n}\n");
  EXPECT_EQ(join(check_quiet(root_)),
            "src/engine/loud.cpp:2: 'fmt::print' belongs in src/cli; return a Result instead\n"
            "src/engine/loud.cpp:3: 'cerr' belongs in src/cli; return a Result instead\n"
            "src/engine/loud.cpp:4: 'exit' belongs in src/cli; return a Result instead\n");
}

TEST_F(Planted, conditional_code_and_intrinsics_are_reported) {
  write("src/engine/fast.cpp", "#include <immintrin.h>\n#ifdef __AVX2__\n__m256 x = _mm256_setzero_ps();\n#endif\n");
  write("src/simd/avx2.cpp", "#include <immintrin.h>\n#if 1\n#endif\n");
  EXPECT_EQ(join(check_portable(root_)),
            "src/engine/fast.cpp:2: #if belongs in src/simd\nsrc/engine/fast.cpp:3: intrinsics belong in src/simd\n"
            "src/engine/fast.cpp:1: immintrin.h belongs in src/simd\n");
}

TEST_F(Planted, long_file_deep_folder_and_empty_name_are_reported) {
  write("src/engine/long.cpp", std::string(801, '\n'));
  write("src/engine/a/b/deep.cpp", "\n");
  write("src/base/string_utils.h", "\n");
  EXPECT_EQ(join(check_sizes_and_names(root_)),
            "src/base/string_utils.h: 'string_utils.h' does not say what is inside\n"
            "src/engine/a/b/deep.cpp: more than two folder levels\n"
            "src/engine/long.cpp: 801 lines; split it by meaning\n");
}

TEST(CodeOnly, comments_and_literals_are_blank_and_digits_are_not) {
  EXPECT_EQ(code_only("a(\"x\\\"y\"); // z\nb"), "a(      );     \nb");
  EXPECT_EQ(code_only("1'000 + '\\'' /* \n */ c"), "1'000 +         \n    c");
  EXPECT_EQ(code_only("R\"-(\" )\")-\" d"), "            d");
}

}  // namespace
}  // namespace tq::house
