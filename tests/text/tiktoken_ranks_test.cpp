#include "text/vocabularies.h"

namespace tq::test {
namespace {

std::string base64(const std::string& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kDigits[bits >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

/// The 256 bytes at the ranks 0 to 255, then `tokens`.
std::string rank_file(const std::vector<std::string>& tokens) {
  std::string file;
  std::size_t rank = 0;
  for (int byte = 0; byte < 256; ++byte) {
    file += base64(std::string(1, static_cast<char>(byte))) + " " + std::to_string(rank++) + "\n";
  }
  for (const std::string& token : tokens) file += base64(token) + " " + std::to_string(rank++) + "\n";
  return file;
}

const std::string kConfig = R"({"pre_tokenizer": "gpt-2"})";

Error refusal(const std::string& file, const std::string& config = kConfig) {
  const auto result = Tokenizer::from_tiktoken(file, config);
  if (result) throw std::runtime_error("not refused");
  EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << result.error().message;
  EXPECT_FALSE(result.error().message.ends_with('.')) << result.error().message;
  return result.error();
}

TEST(TiktokenRanks, any_two_that_spell_a_token_merge_the_lowest_rank_first) {
  const TokenizerPointer tokenizer = must(Tokenizer::from_tiktoken(rank_file({"bc", "ab", "abc", "xyz"}), kConfig));
  EXPECT_EQ(tokenizer->encode("abc"), (Ids{258}));
  EXPECT_EQ(tokenizer->encode("abcd"), (Ids{258, 'd'})) << "bc first, and then a with it";
  EXPECT_EQ(tokenizer->encode("abab"), (Ids{257, 257}));
  EXPECT_EQ(tokenizer->encode("xyz"), (Ids{259})) << "a word that is a token is taken whole";
  EXPECT_EQ(tokenizer->encode("xyzz"), (Ids{'x', 'y', 'z', 'z'})) << "no two neighbours spell a token";
  EXPECT_EQ(tokenizer->kind(), "tiktoken gpt-2");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(all)), all);
}

TEST(TiktokenRanks, the_number_of_ranks_tells_the_encoding) {
  std::vector<std::string> tokens;
  for (int i = 256; i < 50256; ++i) tokens.push_back({'~', static_cast<char>(i >> 8), static_cast<char>(i), '~'});
  const TokenizerPointer tokenizer = must(Tokenizer::from_tiktoken(rank_file(tokens), ""));
  EXPECT_EQ(tokenizer->kind(), "tiktoken gpt-2");
  EXPECT_EQ(tokenizer->vocab_size(), 50257U);
  EXPECT_EQ(tokenizer->eos(), 50256);
  EXPECT_EQ(tokenizer->encode("<|endoftext|>", {.parse_special = true}), (Ids{50256}));
  EXPECT_EQ(tokenizer->encode("<|endoftext|>").size(), 13U);
  tokens.pop_back();
  const Error error = refusal(rank_file(tokens), "");
  EXPECT_EQ(error.code, ErrorCode::kUsage);
  EXPECT_NE(error.message.find("cl100k_base"), std::string::npos) << error.message;
}

TEST(TiktokenRanks, the_config_beside_adds_tokens) {
  const TokenizerPointer tokenizer = must(
      Tokenizer::from_tiktoken(rank_file({}), R"({"pre_tokenizer": "gpt-2", "bos_token": "<s>", "add_bos_token": true,
                         "added_tokens_decoder": {"300": {"content": "<s>", "special": true}}})"));
  EXPECT_EQ(tokenizer->encode("a"), (Ids{300, 'a'}));
  EXPECT_EQ(refusal(rank_file({}), R"({"pre_tokenizer": "nobody"})").code, ErrorCode::kUsage);
}

TEST(TiktokenRanks, malformed) {
  const std::string good = rank_file({"ab"});
  ASSERT_TRUE(Tokenizer::from_tiktoken(good, kConfig).has_value());
  EXPECT_EQ(must(Tokenizer::from_tiktoken(good + "\r\n\n", kConfig))->encode("ab"), (Ids{256})) << "empty lines";
  for (const std::string line :
       {"YWI=", "YWI= ", " 257", "YWI= x", "YWI= -1", "YWI= 257 1", "YWI 257", "Y*I= 257", "YWJ= 257", "=WI= 257",
        "==== 257", "YWJj 256", "YWI= 257", "YWJj 99999999", "YWJj 18446744073709551616", "YWJj 4000000000"}) {
    EXPECT_EQ(refusal(good + line + "\n").code, ErrorCode::kBadFile) << line;
  }
  EXPECT_EQ(refusal(good.substr(0, good.size() / 2)).code, ErrorCode::kBadFile);
  EXPECT_EQ(refusal(good + base64(std::string(5000, 'a')) + " 257\n").code, ErrorCode::kBadFile);
  EXPECT_EQ(refusal("").code, ErrorCode::kBadFile);
  EXPECT_EQ(refusal(good.substr(good.find('\n') + 1)).code, ErrorCode::kBadFile) << "a byte is missing";
}

}  // namespace
}  // namespace tq::test
