// Where a tokenizer is looked for.
#include <unistd.h>

#include "support/pycoder_folder.h"
#include "text/vocabularies.h"

namespace tq::test {
namespace {

namespace fs = std::filesystem;

/// An empty folder that is removed with its contents.
class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("tq-text-test-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
    fs::create_directory(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  fs::path write(const std::string& name, const std::string& contents) const {
    std::ofstream(path_ / name, std::ios::binary) << contents;
    return path_ / name;
  }

 private:
  fs::path path_;
};

TEST(Open, tells_files_apart_by_their_first_bytes) {
  const Folder folder;
  EXPECT_EQ(must(Tokenizer::open(folder.write("any.name", " \n" + byte_json({}).dump())))->kind(), "gpt2 gpt-2");
  EXPECT_EQ(must(Tokenizer::open(folder.write("other.name", llama2c_bytes({{" ", -1}}))))->kind(), "llama");
  const std::string gguf = contents_of(pycoder() / "pycoder.f16.gguf");
  EXPECT_EQ(must(Tokenizer::open(folder.write("third.name", gguf)))->kind(), "gpt2 llama-bpe");
}

TEST(Open, a_folder_with_nothing_to_open) {
  const Folder folder;
  EXPECT_EQ(Tokenizer::open(folder.path()).error().code, ErrorCode::kUsage);
  EXPECT_EQ(Tokenizer::open(folder.path() / "nowhere.json").error().code, ErrorCode::kFailed);
  EXPECT_EQ(Tokenizer::open(folder.write("empty", "")).error().code, ErrorCode::kBadFile);
  EXPECT_EQ(Tokenizer::open(folder.write("tokenizer.model", "\n\x0e")).error().code, ErrorCode::kBadFile);
}

TEST(Open, the_config_beside_is_read) {
  const Folder folder;
  nlohmann::json file = byte_json({});
  file["added_tokens"] = {{{"id", 256}, {"content", "<|end|>"}, {"special", true}}};
  folder.write("tokenizer.json", file.dump());
  EXPECT_EQ(must(Tokenizer::open(folder.path()))->eos(), std::nullopt);
  folder.write("tokenizer_config.json", R"({"eos_token": "<|end|>"})");
  EXPECT_EQ(must(Tokenizer::open(folder.path()))->eos(), 256);
  folder.write("tokenizer_config.json", "{");
  EXPECT_EQ(Tokenizer::open(folder.path()).error().code, ErrorCode::kBadFile);
}

/// The 256 bytes, "ab" and <|endoftext|>.
std::string vocab_json() {
  nlohmann::json vocab = byte_json({{"a", "b"}})["model"]["vocab"];
  vocab["<|endoftext|>"] = 257;
  return vocab.dump();
}

TEST(Open, a_vocabulary_and_its_merges_in_two_files) {
  const Folder folder;
  const fs::path vocab = folder.write("vocab.json", vocab_json());
  EXPECT_EQ(Tokenizer::open(folder.path()).error().code, ErrorCode::kUsage) << "one of the two is no tokenizer";
  EXPECT_EQ(Tokenizer::open(vocab).error().code, ErrorCode::kBadFile);
  const fs::path merges = folder.write("merges.txt", "#version: 0.2\r\na b\r\n");
  const auto refused = Tokenizer::open(folder.path());
  ASSERT_FALSE(refused.has_value()) << "nothing says how text is cut";
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_NE(refused.error().message.find("tokenizer_class"), std::string::npos) << refused.error().message;
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "GPT2TokenizerFast"})");
  for (const fs::path& path : {folder.path(), vocab, merges}) {
    const TokenizerPointer tokenizer = must(Tokenizer::open(path));
    EXPECT_EQ(tokenizer->kind(), "gpt2 gpt-2");
    EXPECT_EQ(tokenizer->encode("ab a"), (Ids{256, ' ', 'a'}));
    EXPECT_EQ(tokenizer->encode("<|endoftext|>ab", {.parse_special = true}), (Ids{257, 256}));
    EXPECT_EQ(tokenizer->piece(257), "") << "it stands among the words and is none";
    EXPECT_EQ(tokenizer->eos(), 257);
    EXPECT_EQ(tokenizer->bos(), 257);
    EXPECT_FALSE(tokenizer->adds_bos());
  }
  folder.write("added_tokens.json", R"({"<|im_start|>": 258})");
  EXPECT_EQ(Tokenizer::open(vocab).error().code, ErrorCode::kUsage) << "tokens that would be overlooked";
}

TEST(Open, the_class_of_a_vocabulary_says_what_happens_to_text) {
  const auto with = [](const std::string& config) {
    return must(Tokenizer::from_vocab_and_merges(vocab_json(), "a b\n", config));
  };
  const TokenizerPointer qwen = with(
      R"({"tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": true, "eos_token": "<|im_end|>",
          "added_tokens_decoder": {"258": {"content": "<|im_end|>", "special": true}}})");
  EXPECT_EQ(qwen->kind(), "gpt2 qwen2");
  EXPECT_EQ(qwen->eos(), 258);
  EXPECT_EQ(qwen->bos(), std::nullopt);
  EXPECT_EQ(qwen->encode("ab<|im_end|>", {.parse_special = true}), (Ids{' ', 256, 258}));
  EXPECT_EQ(qwen->encode("e\u0301"), (Ids{' ', 0xC3, 0xA9})) << "NFC";
  EXPECT_EQ(with(R"({"tokenizer_class": "GPT2Tokenizer"})")->encode("e\u0301"), (Ids{'e', 0xCC, 0x81})) << "not here";
}

TEST(ForModel, metadata_comes_before_files_beside) {
  const auto gguf = must(TensorFile::open(pycoder() / "pycoder.f16.gguf"));
  EXPECT_EQ(must(Tokenizer::for_model(*gguf))->vocab_size(), 3840U);
  const auto folder = must(TensorFile::open(pycoder_folder()));
  EXPECT_EQ(must(Tokenizer::for_model(*folder))->vocab_size(), 3840U);
  const auto safetensors = must(TensorFile::open(pycoder_folder() / "model.safetensors"));
  EXPECT_EQ(must(Tokenizer::for_model(*safetensors))->vocab_size(), 3840U);
}

TEST(ForModel, a_llama2c_checkpoint_has_its_tokenizer_beside_it) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  const Folder folder;
  const fs::path model = folder.write("stories.bin", contents_of(shared_data("models/stories260K/stories260K.bin")));
  const auto file = must(TensorFile::open(model));
  EXPECT_EQ(Tokenizer::for_model(*file).error().code, ErrorCode::kUsage) << "there is none";
  folder.write("tokenizer.bin", contents_of(shared_data("models/stories260K/tok512.bin")));
  EXPECT_EQ(must(Tokenizer::for_model(*file))->vocab_size(), 512U);
  folder.write("tokenizer.bin", llama2c_bytes({{" ", -1}}));
  EXPECT_EQ(Tokenizer::for_model(*file).error().code, ErrorCode::kBadFile) << "it is that of another model";
}

}  // namespace
}  // namespace tq::test
