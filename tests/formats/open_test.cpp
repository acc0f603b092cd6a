// One door for all containers, and for what people hand over by mistake.
#include <sys/stat.h>
#include <unistd.h>

#include "formats/refusals.h"
#include "support/temporary_folder.h"

namespace tq::test {
namespace {

TEST(Open, the_bytes_tell_the_format_not_the_name) {
  const TemporaryFolder folder;
  for (const std::string& name :
       {std::string("a"), std::string("a.bin"), std::string("a.gguf"), std::string("a.safetensors")}) {
    EXPECT_EQ(must(TensorFile::open(folder.write(name, small_gguf().bytes())))->format(), "gguf") << name;
    EXPECT_EQ(must(TensorFile::open(folder.write(name, small_safetensors())))->format(), "safetensors") << name;
    EXPECT_EQ(must(TensorFile::open(folder.write(name, llama2c_v0(small_llama2c_sizes()))))->format(), "llama2c")
        << name;
    EXPECT_EQ(must(TensorFile::open(folder.write(name, llama2c_v1(small_llama2c_sizes()))))->format(), "llama2c")
        << name;
  }
}

TEST(Open, the_file_outlives_its_name) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("a.gguf", small_gguf().bytes());
  const File file = must(TensorFile::open(path));
  std::filesystem::remove(path);
  EXPECT_EQ(file->find("b.weight")->bytes.size(), 32U);
  EXPECT_EQ(file->find("b.weight")->bytes[3], std::byte{0x41});  // 16.0f
}

TEST(Open, strangers_are_named) {
  const std::vector<Refusal> refusals = {
      {"a web page", "<!DOCTYPE html>\n<html><head>", "web page"},
      {"a web page in small letters", "<!doctype HTML>", "web page"},
      {"a web page without a doctype", "<html lang=\"en\">", "web page"},
      {"a web page behind white space", "\r\n  <!DOCTYPE html>", "web page"},
      {"an error of a store", "<?xml version=\"1.0\"?><Error>", "XML page"},
      {"a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 1\n", "git lfs pull"},
      {"GGML", "lmgg" + std::string(100, '\0'), "before GGUF"},
      {"GGJT", "tjgg" + std::string(100, '\0'), "before GGUF"},
      {"a PyTorch archive", "PK\x03\x04" + std::string(100, '\0'), "PyTorch"},
      {"a pickle", "\x80\x02}q" + std::string(100, '\0'), "PyTorch"},
      {"JSON", "{\"hidden_size\": 1}", "JSON file"},
      {"a text", "This is not a model, whatever its name says.\n", ""},
      {"zeros", std::string(4096, '\0'), ""},
      {"nothing", "", "empty"},
      {"a big-endian GGUF", "GGUF" + std::string("\0\0\0\3", 4) + std::string(100, '\0'), "big-endian"},
  };
  for (const std::string& name :
       {std::string("m.gguf"), std::string("m.safetensors"), std::string("m.bin"), std::string("m")}) {
    for (const Refusal& refusal : refusals) {
      const TemporaryFolder folder;
      const std::filesystem::path path = folder.write(name, refusal.bytes);
      expect_refused(TensorFile::open(path), path.string(), refusal.words, refusal.what + " as " + name);
    }
  }
}

TEST(Open, every_prefix_whatever_its_name) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> files = {{"m.gguf", small_gguf().bytes()},
                                                                  {"m.safetensors", small_safetensors()},
                                                                  {"m.bin", llama2c_v1(small_llama2c_sizes())},
                                                                  {"m", small_gguf().bytes()}};
  for (const auto& [name, whole] : files) {
    const std::filesystem::path path = folder.write(name, whole);
    ASSERT_TRUE(TensorFile::open(path).has_value());
    for (std::size_t size = whole.size() - 1; size < whole.size(); --size) {
      std::filesystem::resize_file(path, size);
      expect_refused(TensorFile::open(path), path.string(), "", name + " cut at " + std::to_string(size));
    }
  }
}

TEST(Open, what_cannot_be_opened_is_no_bad_file) {
  const TemporaryFolder folder;
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const std::filesystem::path& path : {folder.path() / "missing.gguf", pipe, std::filesystem::path("/dev/zero")}) {
    const Result<File> file = TensorFile::open(path);
    ASSERT_FALSE(file.has_value()) << path;
    EXPECT_EQ(file.error().code, ErrorCode::kFailed) << path;
    EXPECT_NE(file.error().message.find(path.string()), std::string::npos) << file.error().message;
  }
}

/// A terabyte that takes no room on disk backs every count; only limits of our own refuse it.
TEST(Open, a_sparse_terabyte) {
  const TemporaryFolder folder;
  constexpr std::uint64_t kTerabyte = std::uint64_t{1} << 40;
  Gguf array;
  array.keys = {array_key("k", kU8, kTerabyte / 2, "")};
  Gguf texts;
  texts.keys = {array_key("k", kText, kTerabyte / 16, "")};
  const std::vector<Refusal> refusals = {
      {"an array of half of it", array.bytes(), "bytes of memory"},
      {"texts", texts.bytes(), "bytes of memory"},
      {"tensors",
       Bytes().add("GGUF").add<std::uint32_t>(3).add<std::uint64_t>(kTerabyte / 64).add<std::uint64_t>(0).get(),
       "tensors"},
      {"keys", Bytes().add("GGUF").add<std::uint32_t>(3).add<std::uint64_t>(0).add<std::uint64_t>(kTerabyte / 64).get(),
       "keys"},
  };
  for (const Refusal& refusal : refusals) {
    const std::filesystem::path path = folder.write("sparse.gguf", refusal.bytes);
    if (::truncate(path.c_str(), static_cast<off_t>(kTerabyte)) != 0)
      GTEST_SKIP() << "the file system has no sparse files of this size";
    const Result<File> file = TensorFile::open(path);
    if (!file && file.error().code == ErrorCode::kOutOfMemory)
      GTEST_SKIP() << "no address space: " << file.error().message;
    expect_refused(file, path.string(), refusal.words, refusal.what);
  }
}

}  // namespace
}  // namespace tq::test
