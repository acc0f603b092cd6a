// Ids that other implementations give, exactly.
#include "text/vocabularies.h"

namespace tq::test {
namespace {

/// The ids of 46 difficult texts as llama.cpp and the original tokenizers give them (ggml-vocab-*.gguf.inp and .out).
void expect_vectors(const Tokenizer& tokenizer, const std::string& family) {
  const std::filesystem::path base = shared_data("tokenizers/ggml-vocab/ggml-vocab-" + family + ".gguf");
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string texts = contents_of(base.string() + ".inp");
  std::istringstream answers(contents_of(base.string() + ".out"));
  int count = 0;
  for (std::string line; std::getline(answers, line); ++count) {
    const std::size_t end = texts.find(separator);
    const std::string text = texts.substr(0, end);
    texts.erase(0, end == std::string::npos ? texts.size() : end + separator.size());
    Ids expected;
    std::istringstream words(line);
    for (TokenId id = 0; words >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer.encode(text, {.add_bos = false}), expected) << family << ": '" << text << "'";
    EXPECT_EQ(tokenizer.decode(expected), text) << family;
  }
  EXPECT_EQ(count, 46) << family;
}

TEST(Vectors, every_family_with_a_vocabulary) {
  for (const std::string family : {"gpt-2", "starcoder", "refact", "deepseek-coder", "deepseek-llm", "llama-spm", "phi-3"}) {
    const std::string file = "tokenizers/ggml-vocab/ggml-vocab-" + family + ".gguf";
    TQ_NEEDS_SHARED_DATA(file);
    expect_vectors(*must(Tokenizer::open(shared_data(file))), family);
  }
}

/// A tokenizer from a vocabulary as JSON (token → id) and a list of merges.
TokenizerPointer from_lists(const std::string& pre, const std::filesystem::path& vocabulary,
                            const std::filesystem::path& merges) {
  const nlohmann::json ids = nlohmann::json::parse(contents_of(vocabulary));
  Metadata::Strings tokens(ids.size()), lines;
  for (const auto& [text, id] : ids.items()) tokens.at(id.get<std::size_t>()) = text;
  std::istringstream file(contents_of(merges));
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && !line.starts_with("#version")) lines.push_back(line);
  }
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", pre);
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.merges", std::move(lines));
  return must(Tokenizer::from_metadata(metadata));
}

TEST(Vectors, llama_3) {
  TQ_NEEDS_SHARED_DATA("tokenizers/llama3");
  const auto folder = shared_data("tokenizers/llama3");
  expect_vectors(*from_lists("llama-bpe", folder / "encoder.json", folder / "vocab.bpe"), "llama-bpe");
}

TEST(Vectors, qwen_2) {
  TQ_NEEDS_SHARED_DATA("tokenizers/qwen2.5");
  const auto folder = shared_data("tokenizers/qwen2.5");
  const TokenizerPointer tokenizer = from_lists("qwen2", folder / "vocab.json", folder / "merges.txt");
  expect_vectors(*tokenizer, "qwen2");
  expect_vectors(*tokenizer, "deepseek-r1-qwen");
}

TEST(Vectors, gpt_2_from_its_own_lists) {
  TQ_NEEDS_SHARED_DATA("tokenizers/gpt2");
  const auto folder = shared_data("tokenizers/gpt2");
  expect_vectors(*from_lists("gpt-2", folder / "gpt2_vocab.json", folder / "gpt2_merges.txt"), "gpt-2");
}

TEST(Vectors, llama_2_from_tokenizer_json) {
  TQ_NEEDS_SHARED_DATA("tokenizers/llama2/tokenizer.json");
  const TokenizerPointer json = must(Tokenizer::open(shared_data("tokenizers/llama2/tokenizer.json")));
  expect_vectors(*json, "llama-spm");
  EXPECT_EQ(json->bos(), 1);  // its post-processor puts <s> in front
  EXPECT_TRUE(json->adds_bos());

  // Its ranks stand for the scores of the GGUF, so both agree on a whole book.
  TQ_NEEDS_SHARED_DATA("text/pride-and-prejudice.txt");
  const TokenizerPointer gguf = must(Tokenizer::open(shared_data("tokenizers/ggml-vocab/ggml-vocab-llama-spm.gguf")));
  const std::string book = contents_of(shared_data("text/pride-and-prejudice.txt"));
  EXPECT_EQ(json->encode(book), gguf->encode(book));
  EXPECT_EQ(json->decode(json->encode(book)), book);
}

TEST(Vectors, pycoder_samples_from_both_containers) {
  const nlohmann::json reference = nlohmann::json::parse(contents_of(pycoder() / "reference.json"));
  const TokenizerPointer folder = must(Tokenizer::open(pycoder()));
  const TokenizerPointer gguf = must(Tokenizer::open(pycoder() / "pycoder.f16.gguf"));
  ASSERT_FALSE(reference["tokenizer"].empty());
  for (const auto& sample : reference["tokenizer"]) {
    const auto text = sample["text"].get<std::string>();
    EXPECT_EQ(folder->encode(text), sample["ids"].get<Ids>()) << text;
    EXPECT_EQ(gguf->encode(text), sample["ids"].get<Ids>()) << text;
  }
  EXPECT_EQ(folder->bos(), gguf->bos());
  EXPECT_EQ(folder->eos(), 3838);
  EXPECT_EQ(gguf->eos(), 3838);
  EXPECT_FALSE(folder->adds_bos());
  EXPECT_FALSE(gguf->adds_bos());
  EXPECT_EQ(folder->vocab_size(), 3840U);
  EXPECT_EQ(folder->kind(), "gpt2 llama-bpe");
  EXPECT_EQ(gguf->kind(), "gpt2 llama-bpe");
  const std::string code = contents_of(pycoder() / "README.md");
  EXPECT_EQ(folder->encode(code), gguf->encode(code));
}

TEST(Vectors, stories260K_from_gguf_and_tokenizer_bin) {
  TQ_NEEDS_SHARED_DATA("models/stories260K");
  TQ_NEEDS_SHARED_DATA("text/pride-and-prejudice.txt");
  const TokenizerPointer gguf = must(Tokenizer::open(shared_data("models/stories260K/stories260K.f32.gguf")));
  const TokenizerPointer bin = must(Tokenizer::open(shared_data("models/stories260K/tok512.bin")));
  for (const std::string file : {"text/pride-and-prejudice.txt", "models/stories260K/tok512.bin"}) {
    const std::string text = contents_of(shared_data(file));
    const Ids ids = gguf->encode(text);
    EXPECT_EQ(bin->encode(text), ids);
    EXPECT_EQ(ids.front(), 1);
    EXPECT_EQ(bin->decode(ids), text);
  }
  EXPECT_EQ(bin->encode("</s>a", {.parse_special = true}), gguf->encode("</s>a", {.parse_special = true}));
}

}  // namespace
}  // namespace tq::test
