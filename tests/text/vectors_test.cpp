// Ids that other implementations give, exactly.
#include <map>

#include "text/vocabularies.h"

namespace tq::test {
namespace {

/// The texts of a family's file, each behind the last.
std::vector<std::string> texts_of(const std::string& family) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string rest = contents_of(shared_data("tokenizers/ggml-vocab/ggml-vocab-" + family + ".gguf.inp"));
  std::vector<std::string> texts;
  for (std::size_t end = rest.find(separator); end != rest.npos; end = rest.find(separator)) {
    texts.push_back(rest.substr(0, end));
    rest.erase(0, end + separator.size());
  }
  if (!rest.empty()) texts.push_back(rest);
  return texts;
}

/// The ids of 46 difficult texts as llama.cpp and the original tokenizers give them (ggml-vocab-*.gguf.inp and .out).
void expect_vectors(const Tokenizer& tokenizer, const std::string& family) {
  const std::vector<std::string> texts = texts_of(family);
  std::istringstream answers(contents_of(shared_data("tokenizers/ggml-vocab/ggml-vocab-" + family + ".gguf.out")));
  std::size_t count = 0;
  for (std::string line; std::getline(answers, line); ++count) {
    ASSERT_LT(count, texts.size()) << family;
    Ids expected;
    std::istringstream words(line);
    for (TokenId id = 0; words >> id;) expected.push_back(id);
    EXPECT_EQ(tokenizer.encode(texts[count], {.add_bos = false}), expected) << family << ": '" << texts[count] << "'";
    EXPECT_EQ(tokenizer.decode(expected), texts[count]) << family;
  }
  EXPECT_EQ(count, 46U) << family;
}

TEST(Vectors, every_family_with_a_vocabulary) {
  for (const std::string family :
       {"gpt-2", "starcoder", "refact", "deepseek-coder", "deepseek-llm", "llama-spm", "phi-3"}) {
    const std::string file = "tokenizers/ggml-vocab/ggml-vocab-" + family + ".gguf";
    TQ_NEEDS_SHARED_DATA(file);
    expect_vectors(*must(Tokenizer::open(shared_data(file))), family);
  }
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

/// The ids of each line of a file of answers.
std::vector<Ids> answers_of(const std::string& family) {
  std::istringstream lines(contents_of(shared_data("tokenizers/ggml-vocab/ggml-vocab-" + family + ".gguf.out")));
  std::vector<Ids> answers;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    answers.emplace_back();
    for (TokenId id = 0; words >> id;) answers.back().push_back(id);
  }
  return answers;
}

TEST(Vectors, roberta_has_the_tokens_of_gpt_2_under_other_ids) {
  // Its vocabulary is not at hand. It is that of GPT-2 in another order, with <s> and </s> (0 and 2) around each text:
  // so the words are cut alike exactly if the ids answer each other one to one.
  TQ_NEEDS_SHARED_DATA("tokenizers/ggml-vocab/ggml-vocab-roberta-bpe.gguf.out");
  TQ_NEEDS_SHARED_DATA("tokenizers/gpt2");
  const auto folder = shared_data("tokenizers/gpt2");
  const TokenizerPointer tokenizer = from_lists("roberta-bpe", folder / "gpt2_vocab.json", folder / "gpt2_merges.txt");
  const std::vector<std::string> texts = texts_of("roberta-bpe");
  const std::vector<Ids> answers = answers_of("roberta-bpe");
  ASSERT_EQ(texts.size(), answers.size());
  std::map<TokenId, TokenId> there, back;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Ids theirs = answers[i];
    const Ids ours = tokenizer->encode(texts[i], {.add_bos = false});
    if (theirs.size() == ours.size() + 2) theirs = Ids(theirs.begin() + 1, theirs.end() - 1);
    ASSERT_EQ(ours.size(), theirs.size()) << texts[i];
    for (std::size_t n = 0; n < ours.size(); ++n) {
      ASSERT_EQ(there.emplace(ours[n], theirs[n]).first->second, theirs[n]) << texts[i];
      ASSERT_EQ(back.emplace(theirs[n], ours[n]).first->second, ours[n]) << texts[i];
    }
  }
  EXPECT_GT(there.size(), 100U);
}

TEST(Vectors, llama_2_from_its_sentencepiece_model) {
  TQ_NEEDS_SHARED_DATA("tokenizers/llama2/tokenizer.model");
  const TokenizerPointer model = must(Tokenizer::open(shared_data("tokenizers/llama2/tokenizer.model")));
  expect_vectors(*model, "llama-spm");
  EXPECT_EQ(model->bos(), 1);
  EXPECT_EQ(model->eos(), 2);
  EXPECT_TRUE(model->adds_bos());
}

TEST(Vectors, llama_3_from_its_rank_file) {
  TQ_NEEDS_SHARED_DATA("tokenizers/llama3/tokenizer.model");
  const TokenizerPointer ranks = must(Tokenizer::open(shared_data("tokenizers/llama3/tokenizer.model")));
  expect_vectors(*ranks, "llama-bpe");
  EXPECT_EQ(ranks->encode("<|eot_id|>", {.parse_special = true}), (Ids{128000, 128009}));
  EXPECT_EQ(ranks->vocab_size(), 128256U);
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
