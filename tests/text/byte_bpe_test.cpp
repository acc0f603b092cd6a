#include <algorithm>

#include "base/random.h"
#include "text/pre_tokenizer.h"
#include "text/vocabularies.h"

namespace tq::test {
namespace {

using Merges = std::vector<std::pair<std::string, std::string>>;

std::vector<std::string> every_pre_tokenizer() {
  const std::vector<std::string_view> names = pre_tokenizer_families();
  return {names.begin(), names.end()};
}

TokenizerPointer byte_bpe(const Merges& merges, const std::string& pre = "gpt-2") {
  return must(Tokenizer::from_metadata(byte_metadata(merges, pre)));
}

/// A random merge list over the letters a to d, later merges of earlier ones.
Merges random_merges(std::uint64_t& state, int count) {
  std::vector<std::string> pieces = {"a", "b", "c", "d"};
  Merges merges;
  while (static_cast<int>(merges.size()) < count) {
    const std::string left = pieces[next_random(state) % pieces.size()],
                      right = pieces[next_random(state) % pieces.size()];
    if (left.size() + right.size() > 12 || std::ranges::count(merges, std::pair(left, right)) > 0) continue;
    merges.emplace_back(left, right);
    if (std::ranges::count(pieces, left + right) == 0) pieces.push_back(left + right);
  }
  return merges;
}

/// Byte-pair encoding as its definition says: the leftmost of the most urgent pairs, again and again.
std::vector<std::string> merge_by_definition(const std::string& word, const Merges& merges) {
  std::vector<std::string> symbols;
  for (const char c : word) symbols.emplace_back(1, c);
  while (true) {
    std::size_t best_rank = merges.size(), best = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank =
          static_cast<std::size_t>(std::ranges::find(merges, std::pair(symbols[i], symbols[i + 1])) - merges.begin());
      if (rank < best_rank) {
        best_rank = rank;
        best = i;
      }
    }
    if (best_rank == merges.size()) return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(ByteBpe, heap_merges_as_the_definition_does) {
  std::uint64_t state = 11;
  for (int round = 0; round < 200; ++round) {
    const Merges merges = random_merges(state, 1 + round % 30);
    const TokenizerPointer tokenizer = byte_bpe(merges);
    std::string word(next_random(state) % 40, 'a');
    for (char& c : word) c = static_cast<char>('a' + next_random(state) % 4);
    std::vector<std::string> pieces;
    for (const TokenId id : tokenizer->encode(word)) pieces.push_back(tokenizer->piece(id));
    ASSERT_EQ(pieces, merge_by_definition(word, merges)) << word;
  }
}

/// Bytes that are often text: ASCII, whole characters, marks, white space of all kinds, and broken sequences.
std::string random_text(std::uint64_t& state) {
  const std::vector<std::string> parts = {
      "a",        "B7",           " ",    "  \n",   "'s",       "\r\n\t",
      "é",        "\u0301",       "你好", "\u180e", "\u2028",   "🚀",
      "\u200d",   "<|end|>",      "...",  "\xff",   "\xe4\xbd", "\xf5\x80",
      "\xc0\x80", "\xed\xa0\x80", "٣",    "\u0085", "ſ",        std::string(1, '\0')};
  std::string text;
  for (std::uint64_t n = next_random(state) % 12; n > 0; --n) {
    if (next_random(state) % 3 == 0) {
      text += static_cast<char>(next_random(state) & 0xFF);
    } else {
      text += parts[next_random(state) % parts.size()];
    }
  }
  return text;
}

TEST(ByteBpe, no_byte_is_lost_whatever_the_text) {
  for (const std::string& pre : every_pre_tokenizer()) {
    Metadata metadata = byte_metadata({{"a", "a"}, {"Ġ", "a"}, {"Ã", "©"}, {"Ċ", "Ċ"}}, pre);
    add_token(metadata, "<|end|>", 3);
    add_token(metadata, "好", 4);
    const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
    std::uint64_t state = 12;
    for (int round = 0; round < 1500; ++round) {
      const std::string text = random_text(state);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << pre << ", round " << round;
    }
  }
}

TEST(ByteBpe, no_byte_is_lost_by_pycoder) {
  const TokenizerPointer tokenizer = must(Tokenizer::open(pycoder()));
  std::uint64_t state = 13;
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(state);
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << "round " << round;
  }
}

TEST(ByteBpe, bytes_that_are_not_utf8_are_words_of_their_own) {
  // The merge of 'a' with the byte FF (ÿ in the alphabet) never happens; that of FF with FF does, within the run.
  const TokenizerPointer tokenizer = byte_bpe({{"a", "ÿ"}, {"ÿ", "ÿ"}});
  EXPECT_EQ(tokenizer->encode("a\xff\xff"), (Ids{'a', 257}));
  EXPECT_EQ(tokenizer->encode("\xc3\xff"), (Ids{0xC3, 0xFF}));
  EXPECT_EQ(tokenizer->piece(257), "\xff\xff");
}

TEST(ByteBpe, a_byte_that_the_vocabulary_lacks_reads_as_replacement_character) {
  Metadata metadata = byte_metadata({});
  Metadata::Strings tokens = *metadata.strings("tokenizer.ggml.tokens");
  tokens[0xFF] = "other";
  metadata.set("tokenizer.ggml.tokens", tokens);
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xff")), "a\uFFFD");
}

/// The words that a pre-tokenizer of the table makes of a text.
std::vector<std::string> words_of(const std::string& pre, std::string_view text) {
  std::vector<std::string> words;
  PreTokenizer(*find_pre_tokenizer(pre)).split(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

TEST(ByteBpe, a_long_text_without_a_border_is_no_trap) {
  // Trying a pattern again from each character of a run takes quadratic time: minutes here.
  for (const std::string& pre : every_pre_tokenizer()) {
    const PreTokenizer splitter(*find_pre_tokenizer(pre));
    for (const std::string unit :
         {"A", " ", "\n", "!", "7", "\u0301", " \n", "\n ", "'", "一", "a ", "(", "aB", "\u3000"}) {
      std::string text;
      while (text.size() < 50'000) text += unit;
      text += '7';  // so that a run of spaces does not end the text, nor belong to a letter behind it
      std::size_t size = 0;
      splitter.split(text, [&](std::string_view word) { size += word.size(); });
      ASSERT_EQ(size, text.size()) << pre << " '" << unit << "'";
    }
  }
}

TEST(ByteBpe, a_long_word_merges_without_hanging) {
  // Merging by the definition takes quadratic time: minutes here.
  const TokenizerPointer tokenizer = byte_bpe({{"A", "A"}, {"AA", "AA"}, {"Ġ", "Ġ"}, {"ĠĠ", "ĠĠ"}});
  for (const std::string unit : {"A", " ", "a\xff", "\xff"}) {
    std::string text;
    while (text.size() < 100'000) text += unit;
    ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << " '" << unit << "'";
  }
}

TEST(ByteBpe, a_pattern_matches_however_long_the_run) {
  // Llama 3's pattern looks for a line break from the end of the run back, and PCRE2 gives up after ten million steps
  // unless told otherwise. The last space belongs to the x.
  const std::vector<std::string> words = words_of("llama-bpe", std::string(10'100'000, ' ') + "x");
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words.back(), " x");
}

TEST(ByteBpe, a_long_run_merges_from_the_left) {
  const TokenizerPointer tokenizer = byte_bpe({{"A", "A"}, {"AA", "AA"}});
  EXPECT_EQ(tokenizer->encode("AAAAAAA"), (Ids{257, 256, 'A'}));
}

TEST(ByteBpe, control_tokens_only_with_parse_special) {
  Metadata metadata = byte_metadata({});
  const TokenId end = add_token(metadata, "<|end|>", 3);
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  const Ids spelled(tokenizer->encode("a<|end|>b"));
  EXPECT_EQ(std::ranges::count(spelled, end), 0);
  EXPECT_EQ(tokenizer->encode("a<|end|>b", {.parse_special = true}), (Ids{'a', end, 'b'}));
  EXPECT_EQ(tokenizer->encode("<|end|>", {.parse_special = true}), (Ids{end}));
  EXPECT_EQ(tokenizer->piece(end), "");
  EXPECT_EQ(tokenizer->decode(Ids{'a', end, 'b'}), "ab");
}

TEST(ByteBpe, a_control_token_is_no_word_either) {
  // llama-bpe takes a word that is a token whole; a control token without punctuation must not come in that way.
  Metadata metadata = byte_metadata({}, "llama-bpe");
  const TokenId stop = add_token(metadata, "stop", 3);
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  EXPECT_EQ(tokenizer->encode("stop", {.add_bos = false}), (Ids{'s', 't', 'o', 'p'}));
  EXPECT_EQ(tokenizer->encode("stop", {.add_bos = false, .parse_special = true}), (Ids{stop}));
}

TEST(ByteBpe, user_defined_tokens_are_part_of_any_text) {
  Metadata metadata = byte_metadata({});
  const TokenId tool = add_token(metadata, "<tool>", 4);
  const TokenId ticks = add_token(metadata, "```", 4), more = add_token(metadata, "```python", 4);
  const TokenId forged = add_token(metadata, "<|assistant|>", 4);
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  EXPECT_EQ(tokenizer->encode("x<tool>"), (Ids{'x', tool}));
  EXPECT_EQ(tokenizer->encode("```python```pyth"), (Ids{more, ticks, 'p', 'y', 't', 'h'})) << "the longest counts";
  EXPECT_EQ(tokenizer->piece(tool), "<tool>");
  // Written like a control token, so it is one, whatever its type says.
  EXPECT_EQ(std::ranges::count(tokenizer->encode("<|assistant|>"), forged), 0);
  EXPECT_EQ(tokenizer->encode("<|assistant|>", {.parse_special = true}), (Ids{forged}));
}

TEST(ByteBpe, white_space_is_that_of_unicode_6_3) {
  // U+180E was white space before 6.3, and PCRE2's \s still has it. With it "\u180e\u180e!" would be cut after the
  // first.
  const TokenizerPointer tokenizer = byte_bpe({{"á", "ł"}, {"áł", "İ"}, {"áłİ", "áłİ"}});
  const std::string mark = "\u180e";
  ASSERT_EQ(tokenizer->encode(mark).size(), 1U);
  EXPECT_EQ(tokenizer->encode(mark + mark + "!").size(), 2U);
}

TEST(ByteBpe, bos_by_the_rule_of_the_model) {
  Metadata metadata = byte_metadata({});
  const TokenId begin = add_token(metadata, "<|begin|>", 3);
  metadata.set("tokenizer.ggml.bos_token_id", std::int64_t{begin});
  EXPECT_FALSE(must(Tokenizer::from_metadata(metadata))->adds_bos());
  metadata.set("tokenizer.ggml.add_bos_token", true);
  const TokenizerPointer tokenizer = must(Tokenizer::from_metadata(metadata));
  EXPECT_EQ(tokenizer->encode("a"), (Ids{begin, 'a'}));
  EXPECT_EQ(tokenizer->encode(""), (Ids{begin}));
  EXPECT_EQ(tokenizer->encode("a", {.add_bos = false}), (Ids{'a'}));
  // Llama 3's files do not say, and its models expect it.
  metadata = byte_metadata({}, "llama-bpe");
  metadata.set("tokenizer.ggml.bos_token_id", std::int64_t{7});
  EXPECT_TRUE(must(Tokenizer::from_metadata(metadata))->adds_bos());
}

TEST(ByteBpe, ids_out_of_range_have_no_piece) {
  const TokenizerPointer tokenizer = byte_bpe({});
  EXPECT_EQ(tokenizer->piece(-1), "");
  EXPECT_EQ(tokenizer->piece(256), "");
  EXPECT_EQ(tokenizer->decode(Ids{-5, 'a', 1 << 30}), "a");
  EXPECT_EQ(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->eos(), std::nullopt);
}

}  // namespace
}  // namespace tq::test
