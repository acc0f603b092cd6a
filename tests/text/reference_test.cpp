// Texts that are hard to tokenize, against tokenizers that were written a second time: tools/tokenizer_reference.py
// wrote reference/, which has small vocabularies and the number of ids and their hash for each text.
#include <array>

#include "text/pre_tokenizer.h"
#include "text/vocabularies.h"

namespace tq::test {
namespace {

using nlohmann::json;

std::filesystem::path reference(const std::string& name) {
  return std::filesystem::path(TQ_SOURCE_DIR) / "tests/text/reference" / name;
}

const json& expected() {
  static const json kExpected = json::parse(contents_of(reference("expected.json")));
  return kExpected;
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

/// FNV-1a of the ids, four bytes each.
std::string hash_of(const Ids& ids) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const TokenId id : ids) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ (static_cast<std::uint32_t>(id) >> shift & 0xFFU)) * 0x100000001B3U;
    }
  }
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

void expect_reference(const Tokenizer& tokenizer, const std::string& name) {
  const json& answers = expected().at("ids").at(name);
  const json& corpus = expected().at("corpus");
  ASSERT_EQ(answers.size(), corpus.size()) << name;
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    const std::string unit = from_hex(corpus[i][1].get<std::string>());
    std::string text;
    for (int n = corpus[i][2].get<int>(); n > 0; --n) text += unit;
    const Ids ids = tokenizer.encode(text, {.add_bos = false});
    const std::vector<TokenId> shown(ids.begin(), ids.begin() + std::min<std::ptrdiff_t>(std::ssize(ids), 60));
    EXPECT_EQ(ids.size(), answers[i][0].get<std::size_t>()) << name << ", " << corpus[i][0];
    EXPECT_EQ(hash_of(ids), answers[i][1].get<std::string>())
        << name << ", " << corpus[i][0] << ": " << ::testing::PrintToString(shown);
  }
}

TEST(Reference, every_pre_tokenizer_cuts_hard_texts_as_its_pattern_says) {
  const json file = json::parse(contents_of(pycoder() / "tokenizer.json"));
  Metadata metadata;
  {
    const auto gguf = must(TensorFile::open(pycoder() / "pycoder.f16.gguf"));
    metadata = gguf->metadata();
  }
  for (const std::string_view name : pre_tokenizer_families()) {
    metadata.set("tokenizer.ggml.pre", std::string(name));
    expect_reference(*must(Tokenizer::from_metadata(metadata)), "pycoder " + std::string(name));
  }
}

TEST(Reference, normalization_form_c) {
  json file = json::parse(contents_of(pycoder() / "tokenizer.json"));
  file["normalizer"] = {{"type", "NFC"}};
  expect_reference(*must(Tokenizer::from_json(file.dump(), "")), "pycoder NFC");
}

TEST(Reference, sentencepiece_bpe) { expect_reference(*must(Tokenizer::open(reference("bpe.model"))), "bpe.model"); }

TEST(Reference, sentencepiece_unigram_with_a_character_map) {
  expect_reference(*must(Tokenizer::open(reference("unigram.model"))), "unigram.model");
}

TEST(Reference, tiktoken) {
  const std::string ranks = contents_of(reference("small.tiktoken"));
  expect_reference(*must(Tokenizer::from_tiktoken(ranks, R"({"pre_tokenizer": "gpt-4o"})")), "small.tiktoken");
}

TEST(Reference, vocabularies_of_real_models) {
  for (const std::string name : {"llama3/tokenizer.model", "llama2/tokenizer.model"}) {
    TQ_NEEDS_SHARED_DATA("tokenizers/" + name);
    expect_reference(*must(Tokenizer::open(shared_data("tokenizers/" + name))), name);
  }
  for (const auto& [name, pre, vocabulary, merges] : {std::array{"gpt2", "gpt-2", "gpt2_vocab.json", "gpt2_merges.txt"},
                                                      std::array{"qwen2.5", "qwen2", "vocab.json", "merges.txt"}}) {
    TQ_NEEDS_SHARED_DATA(std::string("tokenizers/") + name);
    const auto folder = shared_data(std::string("tokenizers/") + name);
    expect_reference(*from_lists(pre, folder / vocabulary, folder / merges), name);
  }
}

}  // namespace
}  // namespace tq::test
