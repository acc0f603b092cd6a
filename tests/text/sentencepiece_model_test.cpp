#include "text/sentencepiece.h"

#include "text/vocabularies.h"

namespace tq::test {
namespace {

TokenizerPointer open(const SentencePieceFile& file, const std::string& config = "") {
  return must(Tokenizer::from_sentencepiece(file.bytes(), config));
}

Error refusal(const std::string& bytes, const std::string& config = "") {
  const auto result = Tokenizer::from_sentencepiece(bytes, config);
  if (result) throw std::runtime_error("not refused");
  EXPECT_EQ(result.error().message.find('\n'), std::string::npos) << result.error().message;
  EXPECT_FALSE(result.error().message.ends_with('.')) << result.error().message;
  return result.error();
}

TEST(SentencePieceModel, type_and_normalizer_decide) {
  SentencePieceFile file;
  EXPECT_EQ(open(file)->kind(), "t5");
  EXPECT_FALSE(open(file)->adds_bos());
  EXPECT_EQ(open(file)->encode("  a  aa "), (Ids{5, 3, 6})) << "extra spaces go unless the file says otherwise";
  file.model_type = 2;
  EXPECT_EQ(open(file)->kind(), "llama");
  EXPECT_TRUE(open(file)->adds_bos());
  file.normalizer = proto_number(3, 0) + proto_number(4, 0);
  EXPECT_EQ(open(file)->encode("a  a"), (Ids{1, 4, 3, 5})) << "no space in front, and none is removed";
}

TEST(SentencePieceModel, a_space_in_front_behind_control_tokens_but_not_behind_user_defined) {
  SentencePieceFile file;
  file.model_type = 2;
  file.normalizer = proto_number(4, 0);
  file.pieces.push_back(sentencepiece("[x]", 0, 4));
  file.pieces.push_back(sentencepiece("▁▁", 0, 4));
  const TokenizerPointer tokenizer = open(file);
  EXPECT_EQ(tokenizer->encode("a</s>a[x]a", {.add_bos = false, .parse_special = true}), (Ids{5, 2, 5, 7, 4}));
  EXPECT_EQ(tokenizer->encode("a</s>", {.add_bos = false}).front(), 5) << "text cannot spell a control token";
  EXPECT_EQ(tokenizer->encode("a   a", {.add_bos = false}), (Ids{5, 8, 5})) << "spaces are marks when ▁▁ is looked for";
}

TEST(SentencePieceModel, special_tokens_may_be_spelled_otherwise) {
  SentencePieceFile file;
  file.pieces.push_back(sentencepiece("<bos>", 0, 3));
  file.trainer = proto_bytes(46, "<bos>") + proto_bytes(47, "nowhere");
  EXPECT_EQ(open(file)->bos(), 7);
  EXPECT_EQ(open(file)->eos(), std::nullopt);
}

TEST(SentencePieceModel, the_config_beside_adds_tokens) {
  SentencePieceFile file;
  const TokenizerPointer tokenizer =
      open(file, R"({"eos_token": "<|end|>", "bos_token": {"content": "<s>"}, "add_bos_token": true,
                     "added_tokens_decoder": {"7": {"content": "<|end|>", "special": true, "rstrip": true},
                                              "9": {"content": "tool", "special": false, "single_word": true}}})");
  EXPECT_EQ(tokenizer->eos(), 7);
  EXPECT_EQ(tokenizer->vocab_size(), 10U);
  EXPECT_EQ(tokenizer->encode("a<|end|>  a", {.parse_special = true}), (Ids{1, 5, 7, 5}));
  EXPECT_EQ(tokenizer->encode("tool", {.add_bos = false}), (Ids{9}));
  for (const std::string config :
       {R"({"eos_token": "nowhere"})", R"({"added_tokens_decoder": {"x": {"content": "y"}}})",
        R"({"added_tokens_decoder": {"-1": {"content": "y"}}})", R"({"added_tokens_decoder": {"4": {"content": "y"}}})",
        R"({"added_tokens_decoder": {"99999": {"content": "y"}}})", R"({"added_tokens_decoder": {"9": {}}})", "{"}) {
    EXPECT_EQ(refusal(file.bytes(), config).code, ErrorCode::kBadFile) << config;
  }
}

TEST(SentencePieceModel, a_character_map_is_applied_first) {
  SentencePieceFile file;
  file.pieces.push_back(sentencepiece("b", -1));
  file.pieces.push_back(sentencepiece("c", -1));
  file.normalizer = proto_bytes(2, charsmap_of_one_rule());
  EXPECT_EQ(open(file)->encode("ab"), (Ids{3, 7, 8, 7}));
}

TEST(SentencePieceModel, a_hostile_character_map_is_refused_or_finds_nothing) {
  const auto with_map = [](const std::string& map) {
    SentencePieceFile file;
    file.normalizer = proto_bytes(2, map);
    return file.bytes();
  };
  const std::string good = charsmap_of_one_rule();
  for (const std::string& map :
       {std::string("\1"), std::string(4, '\0'), Bytes().add<std::uint32_t>(7).add("1234567").get(),
        Bytes().add<std::uint32_t>(0xFFFFFFFC).get(), good.substr(0, 1000), good.substr(0, good.size() - 1),
        good + std::string(2000, 'x') + '\0'}) {
    EXPECT_EQ(refusal(with_map(map)).code, ErrorCode::kBadFile) << map.size();
  }
  // Every unit points far away, or back at itself.
  for (const std::uint32_t unit : {0xFFFFFFFFU, 0x7FFFFFFFU, 0x000003FFU, 0x00000161U, 0x80000161U}) {
    Bytes map;
    map.add<std::uint32_t>(1024);
    for (int i = 0; i < 256; ++i) map.add(unit);
    const auto tokenizer = Tokenizer::from_sentencepiece(with_map(map.get()), "");
    ASSERT_TRUE(tokenizer.has_value());
    (*tokenizer)->encode("aaa bc \xff");
  }
}

TEST(SentencePieceModel, what_is_not_built_is_named) {
  SentencePieceFile file;
  file.model_type = 3;
  EXPECT_NE(refusal(file.bytes()).message.find("word"), std::string::npos);
  EXPECT_EQ(refusal(file.bytes()).code, ErrorCode::kUsage);
  file.model_type = 4;
  EXPECT_EQ(refusal(file.bytes()).code, ErrorCode::kUsage);
  file.model_type = 1;
  file.trainer = proto_number(24, 1);
  EXPECT_EQ(refusal(file.bytes()).code, ErrorCode::kUsage) << "white space as a suffix";
  file.trainer.clear();
  file.normalizer = proto_number(5, 0);
  EXPECT_EQ(refusal(file.bytes()).code, ErrorCode::kUsage) << "spaces that are not marked";
}

TEST(SentencePieceModel, malformed) {
  const SentencePieceFile good;
  const std::string bytes = good.bytes();
  ASSERT_TRUE(Tokenizer::from_sentencepiece(bytes, "").has_value());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto result = Tokenizer::from_sentencepiece(bytes.substr(0, size), "");
    if (!result) EXPECT_EQ(result.error().code, ErrorCode::kBadFile) << size;
  }
  const auto with_piece = [&](const std::string& piece) {
    SentencePieceFile file;
    file.pieces.push_back(piece);
    return file.bytes();
  };
  const std::string nan =
      proto_bytes(1, proto_bytes(1, "b") + proto_varint(2 << 3 | 5) + std::string("\0\0\xc0\x7f", 4));
  SentencePieceFile unknown_type;
  unknown_type.model_type = 9;
  for (const std::string& bad :
       {std::string(), std::string("\n"), bytes + "\n", bytes + "\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        bytes + std::string("\x0b", 1), bytes + std::string(1, '\0'), bytes + std::string(11, '\xff'),
        with_piece(sentencepiece("a", -1)), with_piece(sentencepiece("b", -1, 7)),
        with_piece(sentencepiece("b", -1, 0)), with_piece(sentencepiece("b", -1, 6)),
        with_piece(sentencepiece(std::string(5000, 'b'), -1)), with_piece(nan), with_piece(proto_bytes(1, "\n\x05z")),
        unknown_type.bytes(), sentencepiece("a", -1) + proto_bytes(2, proto_number(3, 1))}) {
    EXPECT_EQ(refusal(bad).code, ErrorCode::kBadFile) << ::testing::PrintToString(bad);
  }
}

}  // namespace
}  // namespace tq::test
