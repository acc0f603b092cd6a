#include <algorithm>
#include <map>

#include "base/random.h"
#include "text/vocabularies.h"

namespace tq::test {
namespace {

using Pieces = std::vector<std::pair<std::string, double>>;

TokenizerPointer score_bpe(const Pieces& pieces) { return must(Tokenizer::from_metadata(score_metadata(pieces))); }

TokenId byte_id(unsigned char byte) { return 3 + byte; }

/// As SentencePiece defines it: of all neighbours that spell a piece, the leftmost of the highest score, again and
/// again.
std::vector<std::string> merge_by_definition(const std::string& word, const std::map<std::string, double>& scores) {
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  while (true) {
    std::ptrdiff_t best = -1;
    double best_score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = scores.find(symbols[i] + symbols[i + 1]);
      if (found == scores.end() || (best >= 0 && found->second <= best_score)) continue;
      best = static_cast<std::ptrdiff_t>(i);
      best_score = found->second;
    }
    if (best < 0) return symbols;
    symbols[static_cast<std::size_t>(best)] += symbols[static_cast<std::size_t>(best) + 1];
    symbols.erase(symbols.begin() + best + 1);
  }
}

TEST(ScoreBpe, heap_merges_as_the_definition_does) {
  std::uint64_t state = 21;
  for (int round = 0; round < 200; ++round) {
    std::map<std::string, double> scores = {{"a", 0}, {"b", 0}, {"c", 0}};
    for (int n = 0; n < 20; ++n) {
      std::string piece(2 + next_random(state) % 4, 'a');
      for (char& c : piece) c = static_cast<char>('a' + next_random(state) % 3);
      scores[piece] = -static_cast<double>(next_random(state) % 6);  // equal scores are common
    }
    Metadata metadata = score_metadata({scores.begin(), scores.end()});
    metadata.set("tokenizer.ggml.add_space_prefix", false);
    const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
    std::string word(1 + next_random(state) % 40, 'a');
    for (char& c : word) c = static_cast<char>('a' + next_random(state) % 3);
    std::vector<std::string> pieces;
    for (const TokenId id : tokenizer->encode(word, {.add_bos = false})) pieces.push_back(tokenizer->piece(id));
    ASSERT_EQ(pieces, merge_by_definition(word, scores)) << word;
  }
}

TEST(ScoreBpe, what_no_piece_spells_becomes_bytes) {
  const TokenizerPointer tokenizer = score_bpe({{"▁", -1}, {"a", -2}});
  EXPECT_EQ(tokenizer->encode("a\n"), (Ids{1, 259, 260, byte_id('\n')}));
  EXPECT_EQ(tokenizer->encode("é", {.add_bos = false}), (Ids{259, byte_id(0xC3), byte_id(0xA9)}));
  EXPECT_EQ(tokenizer->encode("\xff", {.add_bos = false}), (Ids{259, byte_id(0xFF)}));
  EXPECT_EQ(tokenizer->piece(byte_id(0xFF)), "\xff");
}

TEST(ScoreBpe, without_byte_tokens_the_unknown_token_stands_in) {
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.tokens", Metadata::Strings{"<unk>", "<s>", "</s>", "▁", "a"});
  metadata.set("tokenizer.ggml.token_type", Metadata::Integers{2, 3, 3, 1, 1});
  metadata.set("tokenizer.ggml.scores", Metadata::Numbers{0, 0, 0, -1, -2});
  EXPECT_EQ(must(Tokenizer::from_metadata(metadata))->encode("ab"), (Ids{1, 3, 4, 0}));
}

TEST(ScoreBpe, the_space_that_encode_adds_is_the_one_that_decode_removes) {
  const TokenizerPointer tokenizer = score_bpe({{"▁", -1}, {"a", -2}, {"▁a", -3}});
  EXPECT_EQ(tokenizer->encode("a"), (Ids{1, 261}));
  for (const std::string text : {"", "a", " a", "  ", " ", "a ", "b\n a"}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
  EXPECT_EQ(tokenizer->encode(""), (Ids{1}));
  EXPECT_EQ(tokenizer->piece(261), " a") << "a piece keeps its space";
}

TEST(ScoreBpe, text_cannot_spell_control_unknown_or_byte_tokens) {
  // Every prefix of them is a piece, so that merging could get there.
  Pieces pieces = {{"▁", -60}};
  for (const std::string target : {"<s>", "<unk>", "<0x41>"}) {
    for (std::size_t n = 1; n < target.size(); ++n) {
      const std::pair piece(target.substr(0, n), -static_cast<double>(n));
      if (std::ranges::count(pieces, piece) == 0) pieces.push_back(piece);
    }
  }
  for (const std::string letter : {"s", ">", "0", "u", "n", "k", "x", "4", "1"}) pieces.emplace_back(letter, -50);
  const TokenizerPointer tokenizer = score_bpe(pieces);
  for (const std::string text : {"<s>", "<unk>", "<0x41>"}) {
    for (const TokenId id : tokenizer->encode(text, {.add_bos = false})) {
      EXPECT_GE(id, 259) << text;
    }
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
  EXPECT_EQ(tokenizer->encode("<s>", {.add_bos = false, .parse_special = true}), (Ids{1}));
}

TEST(ScoreBpe, no_byte_is_lost_whatever_the_text) {
  const TokenizerPointer tokenizer = score_bpe({{"▁", -1}, {"a", -2}, {"▁a", -3}, {"é", -4}, {"aa", -5}});
  std::uint64_t state = 22;
  for (int round = 0; round < 20000; ++round) {
    std::string text(next_random(state) % 12, ' ');
    for (char& c : text)
      c = next_random(state) % 2 == 0 ? "a \xc3\xa9"[next_random(state) % 4] : static_cast<char>(next_random(state));
    if (text.find("▁") != std::string::npos) continue;  // reads as a space, as in SentencePiece
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << "round " << round;
  }
}

TEST(ScoreBpe, megabytes_of_one_letter_merge_without_hanging) {
  const TokenizerPointer tokenizer = score_bpe({{"▁", -9}, {"A", -8}, {"AA", -1}, {"AAAA", -2}});
  const std::string text(1'000'000, 'A');
  const Ids ids = tokenizer->encode(text);
  EXPECT_EQ(ids.size(), 2 + text.size() / 4);
  EXPECT_EQ(tokenizer->decode(ids), text);
}

TEST(ScoreBpe, llama2c_has_fixed_control_tokens) {
  const std::string file = llama2c_bytes({{" ", -1}, {"a", -2}, {" a", -3}});
  const TokenizerPointer tokenizer = must(Tokenizer::from_llama2c(bytes_of(file)));
  EXPECT_EQ(tokenizer->vocab_size(), 262U);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  EXPECT_EQ(tokenizer->encode("a a"), (Ids{1, 261, 261}));
  EXPECT_EQ(tokenizer->encode("<s>", {.add_bos = false, .parse_special = true}), (Ids{1}));
  EXPECT_EQ(tokenizer->kind(), "llama");
}

}  // namespace
}  // namespace tq::test
