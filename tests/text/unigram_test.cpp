#include <algorithm>
#include <limits>
#include <map>

#include "base/random.h"
#include "text/sentencepiece.h"
#include "text/vocabularies.h"

namespace tq::test {
namespace {

/// <pad>, </s>, <unk>, then `pieces`, as GGUF has the vocabulary of T5.
Metadata unigram_metadata(const std::vector<std::pair<std::string, double>>& pieces) {
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("t5"));
  metadata.set("tokenizer.ggml.tokens", Metadata::Strings{"<pad>", "</s>", "<unk>"});
  metadata.set("tokenizer.ggml.token_type", Metadata::Integers{3, 3, 2});
  metadata.set("tokenizer.ggml.scores", Metadata::Numbers{0, 0, 0});
  for (const auto& [piece, score] : pieces) add_token(metadata, piece, 1, score);
  return metadata;
}

/// The largest sum of scores over all ways to spell `word`.
double best_by_trying_all(const std::string& word, const std::map<std::string, double>& scores) {
  if (word.empty()) return 0;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t size = 1; size <= word.size(); ++size) {
    const auto found = scores.find(word.substr(0, size));
    if (found != scores.end()) best = std::max(best, found->second + best_by_trying_all(word.substr(size), scores));
  }
  return best;
}

TEST(Unigram, no_other_spelling_has_a_larger_sum) {
  std::uint64_t state = 31;
  for (int round = 0; round < 300; ++round) {
    // Multiples of a half, so that sums are exact and equal ones are common.
    std::map<std::string, double> scores = {{"a", -4}, {"b", -4.5}, {"c", -5}};
    for (int n = 0; n < 12; ++n) {
      std::string piece(2 + next_random(state) % 3, 'a');
      for (char& c : piece) c = static_cast<char>('a' + next_random(state) % 3);
      scores[piece] = -0.5 * static_cast<double>(4 + next_random(state) % 20);
    }
    const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(unigram_metadata({scores.begin(), scores.end()})));
    std::string word(1 + next_random(state) % 10, 'a');
    for (char& c : word) c = static_cast<char>('a' + next_random(state) % 3);
    double sum = 0;
    std::string spelled;
    for (const TokenId id : tokenizer->encode(word)) {
      sum += scores.at(tokenizer->piece(id));
      spelled += tokenizer->piece(id);
    }
    ASSERT_EQ(spelled, word);
    ASSERT_EQ(sum, best_by_trying_all(word, scores)) << word;
  }
}

TEST(Unigram, of_equal_sums_the_longest_last_piece) {
  const TokenizerPointer tokenizer =
      must(Tokenizer::from_metadata(unigram_metadata({{"a", -1}, {"aa", -2}, {"aaa", -3}})));
  EXPECT_EQ(tokenizer->encode("aaaa"), (Ids{3, 5}));
}

TEST(Unigram, spaces_as_the_metadata_say) {
  Metadata metadata = unigram_metadata({{"▁", -2}, {"a", -2}, {"▁a", -3}});
  EXPECT_EQ(must(Tokenizer::from_metadata(metadata))->encode("a  a "), (Ids{4, 3, 5, 3}));
  metadata.set("tokenizer.ggml.add_space_prefix", true);
  metadata.set("tokenizer.ggml.remove_extra_whitespaces", true);
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  EXPECT_EQ(tokenizer->encode("  a  a "), (Ids{5, 5}));
  EXPECT_EQ(tokenizer->encode("   "), Ids{}) << "nothing is left";
  EXPECT_EQ(tokenizer->decode(Ids{5, 5}), "a a");
  EXPECT_EQ(tokenizer->eos(), 1);
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
}

TEST(Unigram, a_character_map_from_metadata) {
  Metadata metadata = unigram_metadata({{"a", -2}, {"b", -2}, {"c", -2}});
  Metadata::Integers map;
  for (const char byte : charsmap_of_one_rule()) map.push_back(static_cast<unsigned char>(byte));
  metadata.set("tokenizer.ggml.precompiled_charsmap", map);
  EXPECT_EQ(must(Tokenizer::from_metadata(metadata))->encode("ab"), (Ids{4, 5, 4}));
  map.resize(9);
  metadata.set("tokenizer.ggml.precompiled_charsmap", map);
  EXPECT_EQ(Tokenizer::from_metadata(metadata).error().code, ErrorCode::kBadFile);
  metadata.set("tokenizer.ggml.precompiled_charsmap", std::string("text"));
  EXPECT_EQ(Tokenizer::from_metadata(metadata).error().code, ErrorCode::kBadFile);
}

TEST(Unigram, malformed_metadata) {
  const Metadata good = unigram_metadata({{"a", -2}});
  Metadata bad = good;
  bad.set("tokenizer.ggml.scores", Metadata::Numbers{0, 0, 0});
  EXPECT_EQ(Tokenizer::from_metadata(bad).error().code, ErrorCode::kBadFile) << "fewer scores than tokens";
  bad = good;
  bad.set("tokenizer.ggml.scores", Metadata::Numbers{0, 0, 0, std::numeric_limits<double>::infinity()});
  EXPECT_EQ(Tokenizer::from_metadata(bad).error().code, ErrorCode::kBadFile);
  bad = good;
  bad.set("tokenizer.ggml.unknown_token_id", std::int64_t{-1});
  EXPECT_EQ(Tokenizer::from_metadata(bad).error().code, ErrorCode::kBadFile) << "neither bytes nor unknown";
}

TEST(Unigram, a_long_word_takes_linear_time) {
  // Trying all spellings, or all pairs of places, would never end.
  const TokenizerPointer tokenizer =
      must(Tokenizer::from_metadata(unigram_metadata({{"a", -3}, {"aa", -4}, {std::string(64, 'a'), -20}})));
  EXPECT_EQ(tokenizer->encode(std::string(640'000, 'a')).size(), 10'000U);
}

}  // namespace
}  // namespace tq::test
