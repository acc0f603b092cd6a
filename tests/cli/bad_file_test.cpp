// Damaged and hostile model files: one sentence and exit code 3, never a crash.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "cli/process.h"
#include "support/shared_data.h"

namespace tq::test {
namespace {

/// The beginning of a GGUF file, field by field.
class GgufBytes {
 public:
  template <class T>
  GgufBytes& add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufBytes& add_string(const std::string& text) {
    add<std::uint64_t>(text.size());
    bytes_ += text;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_ = "GGUF";
};

GgufBytes header(std::uint64_t tensors, std::uint64_t keys) {
  GgufBytes file;
  file.add<std::uint32_t>(3).add(tensors).add(keys);
  return file;
}

void expect_refused(const std::string& path, const std::string& what) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"info", path}, {"run", "-m", path, "-p", "x", "-n", "1"}, {"tokenize", path, "--text", "x"}}) {
    const Outcome outcome = tq(arguments);
    EXPECT_EQ(outcome.exit_code, 3) << arguments[0] << ": " << what << ": " << outcome.err << outcome.signal;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("tq: ")) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(BadFile, ATruncatedGgufAtAnyPlace) {
  const TemporaryFolder folder;
  const std::string whole = read_file(pycoder() / "pycoder.f16.gguf");
  ASSERT_GT(whole.size(), 1000000U);
  for (const std::size_t length : {std::size_t{0}, std::size_t{3}, std::size_t{4}, std::size_t{8}, std::size_t{23},
                                   std::size_t{24}, std::size_t{100}, std::size_t{5000}, std::size_t{50000}}) {
    expect_refused(folder.write("cut.gguf", whole.substr(0, length)), "cut at " + std::to_string(length));
  }
}

TEST(BadFile, TensorsThatReachBeyondTheEnd) {
  const TemporaryFolder folder;
  const std::string whole = read_file(pycoder() / "pycoder.f16.gguf");
  for (const std::size_t length : {whole.size() / 2, whole.size() - 64}) {
    const std::string path = folder.write("cut.gguf", whole.substr(0, length));
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"info", path}, {"run", "-m", path, "-p", "x", "-n", "1"}, {"eval", "-m", path}}) {
      const Outcome outcome = tq(arguments);
      EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
      EXPECT_EQ(outcome.out, "");
    }
  }
}

TEST(BadFile, AWrongMagic) {
  const TemporaryFolder folder;
  std::string whole = read_file(pycoder() / "pycoder.f16.gguf");
  whole.replace(0, 4, "GGUX");
  expect_refused(folder.write("magic.gguf", whole), "GGUX");
  expect_refused(folder.write("text.gguf", "This is not a model.\n"), "text");
}

TEST(BadFile, CountsThatNoFileCouldHold) {
  const TemporaryFolder folder;
  const std::uint64_t absurd = std::uint64_t{1} << 60;
  expect_refused(folder.write("tensors.gguf", header(absurd, 0).bytes()), "2^60 tensors");
  expect_refused(folder.write("keys.gguf", header(0, absurd).bytes()), "2^60 keys");
  expect_refused(folder.write("name.gguf", header(1, 0).add(absurd).bytes()), "a name of 2^60 bytes");
  expect_refused(
      folder.write("array.gguf",
                   header(0, 1).add_string("a").add<std::uint32_t>(9).add<std::uint32_t>(4).add(absurd).bytes()),
      "an array of 2^60 integers");
}

TEST(BadFile, ATensorLargerThanAnything) {
  const TemporaryFolder folder;
  for (const std::uint64_t extent :
       {std::uint64_t{1} << 62, std::uint64_t{1} << 63, UINT64_MAX, std::uint64_t{1} << 40}) {
    GgufBytes file = header(1, 0);
    file.add_string("token_embd.weight").add<std::uint32_t>(2).add(extent).add<std::uint64_t>(64);
    file.add<std::uint32_t>(0).add<std::uint64_t>(0);
    expect_refused(folder.write("huge.gguf", file.bytes() + std::string(4096, '\0')), std::to_string(extent));
  }
}

TEST(BadFile, AFolderWithoutAModel) {
  const TemporaryFolder folder;
  folder.write("readme.txt", "nothing here");
  const Outcome outcome = tq({"info", (folder / "").string()});
  EXPECT_TRUE(outcome.exit_code == 1 || outcome.exit_code == 3) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

}  // namespace
}  // namespace tq::test
