#include "text/byte_bpe.h"

#include <array>
#include <optional>

#include "formats/message.h"
#include "text/byte_alphabet.h"
#include "text/merge.h"
#include "text/utf8.h"
#include "text/vocabulary_tokenizer.h"

namespace tq {
namespace {

/// The tokens that each byte becomes before merging.
using ByteIds = std::array<std::vector<TokenId>, 256>;

bool can_be_merged(TokenKind kind) { return kind == TokenKind::kNormal || kind == TokenKind::kByte; }

Result<ByteIds> read_bytes(const TokenIndex& index, bool may_lack, std::string_view name) {
  ByteIds bytes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto found = index.find(ByteAlphabet::spell(static_cast<std::uint8_t>(byte)));
    if (found != index.end()) bytes[byte] = {found->second};
  }
  const std::array replacement = {&bytes[0xEF], &bytes[0xBF], &bytes[0xBD]};  // U+FFFD
  std::vector<TokenId> replacement_ids;
  for (const std::vector<TokenId>* ids : replacement)
    replacement_ids.insert(replacement_ids.end(), ids->begin(), ids->end());
  for (std::vector<TokenId>& ids : bytes) {
    if (!ids.empty()) continue;
    if (!may_lack || replacement_ids.size() != replacement.size()) {
      return bad_file(name, "the vocabulary has no tokens for single bytes, so some text could not be said in it");
    }
    ids = replacement_ids;
  }
  return bytes;
}

/// What the tokens mean as text. A token that is not spelled in the alphabet stands for itself.
std::vector<std::string> read_pieces(const Vocabulary& vocabulary) {
  std::vector<std::string> pieces(vocabulary.tokens.size());
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const Token& token = vocabulary.tokens[id];
    if (token.kind == TokenKind::kUserDefined) pieces[id] = token.text;
    if (can_be_merged(token.kind)) pieces[id] = ByteAlphabet::read(token.text).value_or(token.text);
  }
  return pieces;
}

class ByteBpe final : public VocabularyTokenizer {
 public:
  ByteBpe(const ByteBpeParts& parts, PairMerges merges, ByteIds bytes)
      : VocabularyTokenizer(parts.vocabulary, read_pieces(parts.vocabulary),
                            [&](std::string_view text) { return parts.normalizer.apply(text); }),
        splitter_(*parts.pre_tokenizer),
        pre_tokenizer_name_(parts.pre_tokenizer->names.front()),
        normalizer_(parts.normalizer),
        adds_space_prefix_(parts.adds_space_prefix),
        merges_by_spelling_(parts.merges_by_spelling),
        merges_(std::move(merges)),
        bytes_(std::move(bytes)) {
    if (parts.ignore_merges || parts.merges_by_spelling) index_words(parts.vocabulary);
  }

  std::string kind() const override {
    return fmt::format("{} {}", merges_by_spelling_ ? "tiktoken" : "gpt2", pre_tokenizer_name_);
  }

 private:
  void index_words(const Vocabulary& vocabulary) {
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
      const Token& token = vocabulary.tokens[id];
      std::optional<std::string> word = ByteAlphabet::read(token.text);
      if (can_be_merged(token.kind) && word) words_.emplace(std::move(*word), static_cast<TokenId>(id));
    }
  }

  std::optional<std::string> normalized(const Stretch& stretch) const override {
    if (normalizer_.is_empty()) return std::nullopt;
    return normalizer_.apply(stretch.text);
  }

  void encode_text(std::string_view text, std::vector<TokenId>& ids) const override {
    std::string prefixed;
    if (adds_space_prefix_ && text.front() != ' ') {
      prefixed = ' ';
      text = prefixed += text;
    }
    Merger merger;
    while (!text.empty()) {
      const Utf8Run run = utf8_run(text);
      const std::string_view part = text.substr(0, run.size);
      text.remove_prefix(run.size);
      const auto encode_one = [&](std::string_view word) { encode_word(word, merger, ids); };
      if (run.is_valid) {
        splitter_.split(part, encode_one);
      } else {
        encode_one(part);
      }
    }
  }

  void encode_word(std::string_view word, Merger& merger, std::vector<TokenId>& ids) const {
    if (!words_.empty() && word.size() <= kMaxTokenBytes) {
      const auto found = words_.find(word);
      if (found != words_.end()) return ids.push_back(found->second);
    }
    constexpr std::size_t kMaxBytes = Merger::kMaxSymbols / 3;  // a byte becomes three symbols at most
    for (std::size_t done = 0; done < word.size(); done += kMaxBytes) {
      merge(word.substr(done, kMaxBytes), merger);
      for (const Symbol& symbol : merger.symbols) ids.push_back(symbol.id);
    }
  }

  void merge(std::string_view word, Merger& merger) const {
    merger.symbols.clear();
    for (const char byte : word) {
      for (const TokenId id : bytes_[static_cast<unsigned char>(byte)]) {
        const auto position = static_cast<std::uint32_t>(merger.symbols.size());
        merger.symbols.push_back({id, position, position + 1});
      }
    }
    if (!merges_by_spelling_) {
      merger.merge([this](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
      return;
    }
    merger.merge([&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
      const std::size_t size = right.end - left.begin;  // every byte has a token, so symbols count bytes
      const auto found = size > kMaxTokenBytes ? words_.end() : words_.find(word.substr(left.begin, size));
      if (found == words_.end()) return std::nullopt;
      return Merge{static_cast<std::uint32_t>(found->second), found->second};
    });
  }

  PreTokenizer splitter_;
  std::string pre_tokenizer_name_;
  Normalizer normalizer_;
  bool adds_space_prefix_, merges_by_spelling_;
  PairMerges merges_;
  ByteIds bytes_;
  TextMap<TokenId> words_;  ///< tokens that are taken whole, by their bytes
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_byte_bpe(ByteBpeParts parts, std::string_view name) {
  if (Result<void> checked = check_vocabulary(parts.vocabulary, name); !checked) return fail(std::move(checked));
  Result<ByteIds> bytes = read_bytes(index_tokens(parts.vocabulary, can_be_merged), !parts.merges_by_spelling, name);
  if (!bytes) return fail(std::move(bytes));
  // A user-defined token may have merges too, for words that only nearly spell it.
  const TokenIndex pieces = index_tokens(
      parts.vocabulary, [](TokenKind kind) { return can_be_merged(kind) || kind == TokenKind::kUserDefined; });
  Result<PairMerges> merges = PairMerges::read(parts.merges, pieces, name);
  if (!merges) return fail(std::move(merges));
  return std::make_shared<const ByteBpe>(parts, std::move(*merges), std::move(*bytes));
}

}  // namespace tq
