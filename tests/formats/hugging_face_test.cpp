// Hugging Face folders: one file or shards, and what an index from outside may not do.
#include "formats/hugging_face.h"

#include <fmt/format.h>

#include "formats/refusals.h"
#include "support/temporary_folder.h"

namespace tq::test {
namespace {

namespace fs = std::filesystem;

std::string one_tensor(const std::string& name, char fill = '\1') {
  return safetensors("{" + entry(name, "F32", "[1]", 0, 4) + "}", std::string(4, fill));
}

std::string index_of(const std::string& weight_map) {
  return "{\"metadata\":{\"total_size\":8},\"weight_map\":{" + weight_map + "}}";
}

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kTwoShards = R"("a":"model-1.safetensors","b":"model-2.safetensors")";

/// The folder must be refused by its index.
void expect_index_refused(const TemporaryFolder& folder, const std::string& index, const std::string& words,
                          const std::string& what) {
  const fs::path path = folder.write(kIndex, index);
  expect_refused(TensorFile::open(folder.path()), path.string(), words, what);
}

TEST(HuggingFace, a_folder_with_one_file_and_its_config) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", one_tensor("a"));
  folder.write("config.json", R"({"hidden_size": 8})");
  for (const fs::path& path : {folder.path(), folder.path() / "model.safetensors"}) {
    const File file = must(TensorFile::open(path));
    EXPECT_EQ(file->format(), "safetensors");
    EXPECT_EQ(file->path(), path.string());
    EXPECT_EQ(file->file_bytes(), one_tensor("a").size());
    EXPECT_NE(file->find("a"), nullptr);
    EXPECT_EQ(file->metadata().integer("hf.hidden_size"), 8);
  }
}

TEST(HuggingFace, tensors_without_a_config) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", one_tensor("a"));
  EXPECT_TRUE(must(TensorFile::open(folder.path()))->metadata().values().empty());
}

TEST(HuggingFace, a_broken_config_is_named) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", one_tensor("a"));
  const fs::path config = folder.write("config.json", "{");
  expect_refused(TensorFile::open(folder.path()), config.string(), "JSON is broken", "config");
}

TEST(HuggingFace, shards) {
  const TemporaryFolder folder;
  folder.write("model-1.safetensors", one_tensor("a", '\1'));
  folder.write("model-2.safetensors", one_tensor("b", '\2'));
  folder.write("config.json", R"({"hidden_size": 8})");
  folder.write(kIndex, index_of(kTwoShards));
  const File file = must(TensorFile::open(folder.path()));
  ASSERT_EQ(file->tensors().size(), 2U);
  EXPECT_EQ(file->find("a")->bytes[0], std::byte{1});
  EXPECT_EQ(file->find("b")->bytes[0], std::byte{2});
  EXPECT_EQ(file->file_bytes(), 2 * one_tensor("a").size());
  EXPECT_EQ(file->metadata().integer("hf.hidden_size"), 8);
}

/// As the cache of Hugging Face lays them out: names in a snapshot are links to blobs elsewhere.
TEST(HuggingFace, shards_behind_links) {
  const TemporaryFolder folder, blobs;
  fs::create_symlink(blobs.write("0123", one_tensor("a")), folder.path() / "model-1.safetensors");
  fs::create_symlink(blobs.write("4567", one_tensor("b")), folder.path() / "model-2.safetensors");
  folder.write(kIndex, index_of(kTwoShards));
  EXPECT_EQ(must(TensorFile::open(folder.path()))->tensors().size(), 2U);
}

TEST(HuggingFace, a_missing_shard_is_named) {
  const TemporaryFolder folder;
  folder.write("model-1.safetensors", one_tensor("a"));
  expect_index_refused(folder, index_of(kTwoShards), "'model-2.safetensors'", "missing");
}

TEST(HuggingFace, shards_that_do_not_hold_what_the_index_says) {
  const TemporaryFolder folder;
  folder.write("model-1.safetensors", one_tensor("a"));
  folder.write("model-2.safetensors", one_tensor("b"));
  expect_index_refused(folder, index_of(R"("a":"model-2.safetensors","b":"model-1.safetensors")"), "none of that name",
                       "swapped");
  // The tensor is in a shard that was read before.
  expect_index_refused(folder,
                       index_of(R"("b":"model-2.safetensors","a":"model-2.safetensors","c":"model-1.safetensors")"),
                       "none of that name", "elsewhere");
  expect_index_refused(folder, index_of(R"("a":"model-1.safetensors","z":"model-1.safetensors")"), "'z'", "nowhere");
}

TEST(HuggingFace, a_tensor_in_two_shards) {
  const TemporaryFolder folder;
  folder.write("model-1.safetensors", one_tensor("a"));
  const fs::path second =
      folder.write("model-2.safetensors",
                   safetensors("{" + entry("b", "U8", "[1]", 0, 1) + "," + entry("a", "U8", "[1]", 1, 2) + "}", "xy"));
  folder.write(kIndex, index_of(kTwoShards));
  expect_refused(TensorFile::open(folder.path()), second.string(), "'a' stands twice", "twice");
}

TEST(HuggingFace, a_damaged_shard_is_named) {
  const TemporaryFolder folder;
  folder.write("model-1.safetensors", one_tensor("a"));
  const fs::path second = folder.write("model-2.safetensors", one_tensor("b").substr(0, 40));
  folder.write(kIndex, index_of(kTwoShards));
  expect_refused(TensorFile::open(folder.path()), second.string(), "cut off", "cut");
}

/// The index comes from outside; no name in it may lead out of the folder.
TEST(HuggingFace, file_names_with_a_way_out) {
  const TemporaryFolder outside;
  const fs::path target = outside.write("secret.safetensors", one_tensor("a"));
  const std::string relative = "../" + outside.path().filename().string() + "/secret.safetensors";
  for (const std::string& name :
       {target.string(), relative, std::string("../../../../etc/passwd"), std::string("/etc/passwd"), std::string(".."),
        std::string("."), std::string(""), std::string("./model.safetensors"), std::string("sub/model.safetensors"),
        std::string("..\\\\model.safetensors"), std::string("model\\u0000.safetensors"),
        std::string("model\\n.safetensors")}) {
    const TemporaryFolder folder;
    expect_index_refused(folder, index_of("\"a\":\"" + name + "\""), "plain file name", name);
  }
}

TEST(HuggingFace, an_index_that_is_none) {
  const TemporaryFolder folder;
  folder.write("model-1.safetensors", one_tensor("a"));
  const std::vector<Refusal> refusals = {
      {"empty", "", "JSON is broken"},
      {"a list", "[]", "object in braces"},
      {"no weight_map", "{\"metadata\":{}}", "no weight_map"},
      {"an empty weight_map", index_of(""), "no weight_map"},
      {"a weight_map that is a list", "{\"weight_map\":[]}", "one object of texts"},
      {"two weight_maps", R"({"weight_map":{"a":"model-1.safetensors"},"weight_map":{"a":"model-1.safetensors"}})",
       "one object"},
      {"a number for a file", index_of("\"a\":1"), "not a text"},
      {"a tensor twice", index_of(R"("a":"model-1.safetensors","a":"model-1.safetensors")"), "'a' stands twice"},
      {"a hundred thousand brackets", "{\"x\":" + std::string(100'000, '['), "JSON is broken"},
  };
  for (const Refusal& refusal : refusals) expect_index_refused(folder, refusal.bytes, refusal.words, refusal.what);
}

TEST(HuggingFace, an_index_of_more_tensors_than_any_model_has) {
  std::string entries;
  for (std::size_t i = 0; i <= TensorFileBuilder::kMaxTensors; ++i)
    entries += fmt::format("{}\"{:x}\":\"s\"", i == 0 ? "" : ",", i);
  expect_refused(parse_shard_index(index_of(entries), "index.json"), "index.json", "more than 1048576 tensors",
                 "too many");
}

TEST(HuggingFace, a_folder_without_a_model_says_what_it_looked_for) {
  const TemporaryFolder folder;
  folder.write("pytorch_model.bin", "x");
  expect_refused(TensorFile::open(folder.path()), folder.path().string(), "model.safetensors", "no model");
}

TEST(HuggingFace, a_shard_that_is_a_folder) {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "model-1.safetensors");
  folder.write(kIndex, index_of(kTwoShards));
  folder.write("model-2.safetensors", one_tensor("b"));
  const Result<File> file = TensorFile::open(folder.path());
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().code, ErrorCode::kFailed);
  EXPECT_NE(file.error().message.find("model-1.safetensors"), std::string::npos) << file.error().message;
}

}  // namespace
}  // namespace tq::test
