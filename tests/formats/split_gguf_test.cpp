// A GGUF in parts: any of them opens all, and none may stand in for another.
#include "formats/refusals.h"
#include "support/temporary_folder.h"

namespace tq::test {
namespace {

Gguf part(std::uint16_t place, std::uint16_t count) {
  Gguf file = small_gguf();
  if (place > 0) {
    file.keys.clear();
    for (GgufTensor& tensor : file.tensors) tensor.name = std::to_string(place) + tensor.name;
  }
  file.keys.push_back(key<std::uint16_t>("split.no", kU16, place));
  file.keys.push_back(key<std::uint16_t>("split.count", kU16, count));
  file.keys.push_back(key<std::int32_t>("split.tensors.count", kI32, 2 * count));
  return file;
}

constexpr const char* kNames[] = {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"};

/// All three parts but those that a test replaces.
struct Parts {
  Parts() {
    for (std::uint16_t i = 0; i < 3; ++i) folder.write(kNames[i], part(i, 3).bytes());
  }
  TemporaryFolder folder;
};

TEST(SplitGguf, any_part_opens_all) {
  const Parts parts;
  for (const char* name : kNames) {
    const File file = must(TensorFile::open(parts.folder.path() / name));
    EXPECT_EQ(file->tensors().size(), 6U);
    EXPECT_NE(file->find("a.weight"), nullptr);
    ASSERT_NE(file->find("2b.weight"), nullptr);
    EXPECT_EQ(file->find("2b.weight")->bytes.size(), 32U);
    EXPECT_EQ(file->metadata().string("general.architecture"), "llama");
    EXPECT_EQ(file->file_bytes(), part(0, 3).bytes().size() + 2 * part(1, 3).bytes().size());
  }
}

TEST(SplitGguf, a_first_part_without_tensors) {
  const Parts parts;
  Gguf first = part(0, 3);
  first.tensors.clear();
  first.data.clear();
  first.keys.back() = key<std::int32_t>("split.tensors.count", kI32, 4);
  parts.folder.write(kNames[0], first.bytes());
  EXPECT_EQ(must(TensorFile::open(parts.folder.path() / kNames[1]))->tensors().size(), 4U);
}

void expect_parts_refused(const Parts& parts, const std::string& words, const char* opened = kNames[0]) {
  const auto file = TensorFile::open(parts.folder.path() / opened);
  ASSERT_FALSE(file.has_value()) << words;
  EXPECT_EQ(file.error().code, ErrorCode::kBadFile);
  EXPECT_NE(file.error().message.find(words), std::string::npos) << file.error().message;
}

TEST(SplitGguf, a_missing_part_is_named) {
  const Parts parts;
  std::filesystem::remove(parts.folder.path() / kNames[1]);
  expect_parts_refused(parts, "the part 'm-00002-of-00003.gguf' is not beside it", kNames[2]);
}

TEST(SplitGguf, parts_that_are_not_what_their_names_say) {
  {
    const Parts parts;
    parts.folder.write(kNames[1], part(2, 3).bytes());
    expect_parts_refused(parts, "part 2 of 3");
  }
  {
    const Parts parts;
    parts.folder.write(kNames[2], part(2, 4).bytes());
    expect_parts_refused(parts, "part 3 of 3");
  }
  {
    const Parts parts;
    Gguf twin = part(2, 3);
    twin.tensors[0].name = "a.weight";
    parts.folder.write(kNames[2], twin.bytes());
    expect_parts_refused(parts, "'a.weight' stands in another part");
  }
  {
    const Parts parts;
    Gguf first = part(0, 3);
    first.keys.back() = key<std::int32_t>("split.tensors.count", kI32, 7);
    parts.folder.write(kNames[0], first.bytes());
    expect_parts_refused(parts, "6 tensors together, not 7");
  }
  {
    const Parts parts;
    const std::string whole = part(1, 3).bytes();
    parts.folder.write(kNames[1], whole.substr(0, whole.size() - 8));
    expect_parts_refused(parts, "cut off");
  }
}

TEST(SplitGguf, a_whole_file_may_have_the_name_of_a_part_and_a_part_may_not_have_another) {
  const TemporaryFolder folder;
  EXPECT_EQ(must(TensorFile::open(folder.write(kNames[0], small_gguf().bytes())))->tensors().size(), 2U);
  const auto renamed = TensorFile::open(folder.write("part.gguf", part(0, 3).bytes()));
  ASSERT_FALSE(renamed.has_value());
  EXPECT_NE(renamed.error().message.find("-00001-of-00003.gguf"), std::string::npos);
}

}  // namespace
}  // namespace tq::test
