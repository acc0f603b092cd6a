#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include "support/model_bytes.h"
#include "support/must.h"
#include "support/temporary_folder.h"
#include "turboquant/tensor_file.h"

namespace tq::test {
namespace {

GgufKeys keys_of_every_type() {
  GgufKeys keys;
  keys.add("u32", 7U);
  keys.add("f32", 0.5F);
  keys.add("flag", true);
  keys.add("text", std::string_view("a\0b", 3));
  keys.add("texts", std::vector<std::string>{"", "x"});
  keys.add("none", std::vector<std::string>{});
  keys.add("numbers", std::vector<std::int64_t>{-1, 1LL << 62});
  return keys;
}

std::string written(const GgufKeys& keys, const std::vector<GgufEntry>& entries, std::uint64_t alignment) {
  const TemporaryFolder folder;
  OutputFile file = must(OutputFile::create(folder.path() / "out.gguf"));
  const std::string header = gguf_header(keys, entries, alignment);
  must(file.write(bytes_of(header)));
  must(pad_gguf(file, alignment));
  char fill = 'a';
  for (const GgufEntry& entry : entries) {
    must(file.write(bytes_of(std::string(entry.bytes(), fill++))));
    must(pad_gguf(file, alignment));
  }
  EXPECT_EQ(file.size(), gguf_size(keys, entries, alignment));
  must(file.commit());
  std::ifstream in(folder.path() / "out.gguf", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(GgufWriter, what_is_written_is_read_back) {
  const std::vector<GgufEntry> entries = {{"a", find_ggml_type(std::string_view("q8_0")), {3, 32}},
                                          {"b", find_ggml_type(std::string_view("i8")), {5}},
                                          {"c", find_ggml_type(std::string_view("f16")), {2, 1, 3, 4}}};
  for (const std::uint64_t alignment : {32U, 64U}) {
    GgufKeys keys = keys_of_every_type();
    keys.add("general.alignment", static_cast<std::uint32_t>(alignment));
    const std::string bytes = written(keys, entries, alignment);
    EXPECT_EQ(bytes.size() % alignment, 0U);
    const auto file = must(TensorFile::from_gguf(bytes_of(bytes), "out.gguf"));
    const Metadata& metadata = file->metadata();
    EXPECT_EQ(metadata.integer("u32"), 7);
    EXPECT_EQ(metadata.number("f32"), 0.5);
    EXPECT_EQ(metadata.boolean("flag"), true);
    EXPECT_EQ(metadata.string("text"), std::string_view("a\0b", 3));
    EXPECT_EQ(*metadata.strings("texts"), (std::vector<std::string>{"", "x"}));
    EXPECT_TRUE(metadata.strings("none")->empty());
    EXPECT_EQ(*metadata.integers("numbers"), (std::vector<std::int64_t>{-1, 1LL << 62}));
    ASSERT_EQ(file->tensors().size(), 3U);
    EXPECT_EQ(file->alignment(), alignment);
    char fill = 'a';
    for (std::size_t i = 0; i < entries.size(); ++i, ++fill) {
      const TensorView& tensor = file->tensors()[i];
      EXPECT_EQ(tensor.name, entries[i].name);
      EXPECT_EQ(tensor.type, entries[i].type->name);
      EXPECT_EQ(tensor.shape, entries[i].shape);
      EXPECT_EQ(tensor.bytes.size(), entries[i].bytes());
      EXPECT_EQ(tensor.bytes.front(), static_cast<std::byte>(fill));
      EXPECT_EQ(tensor.bytes.back(), static_cast<std::byte>(fill));
    }
  }
}

TEST(GgufWriter, raw_keys_are_copied_byte_for_byte) {
  const std::string source = small_gguf().bytes();
  const auto file = must(TensorFile::from_gguf(bytes_of(source), "in.gguf"));
  GgufKeys keys;
  for (const RawKey& key : file->raw_keys()) keys.add_raw(key.bytes);
  EXPECT_EQ(keys.count(), small_gguf().keys.size());
  std::string expected;
  for (const std::string& key : small_gguf().keys) expected += key;
  EXPECT_EQ(keys.bytes(), expected);
}

}  // namespace
}  // namespace tq::test
