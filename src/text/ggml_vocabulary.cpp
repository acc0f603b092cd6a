#include "text/ggml_vocabulary.h"

#include <limits>

#include "base/checked.h"
#include "formats/message.h"

namespace tq {
namespace {

/// By the number in `tokenizer.ggml.token_type`. Converters write 0 where they do not know better.
constexpr std::array kKinds = {TokenKind::kNormal,      TokenKind::kNormal, TokenKind::kUnknown, TokenKind::kControl,
                               TokenKind::kUserDefined, TokenKind::kUnused, TokenKind::kByte};

Result<std::vector<Token>> read_tokens(const Metadata& metadata, std::string_view name) {
  const Metadata::Strings* texts = metadata.strings("tokenizer.ggml.tokens");
  if (texts == nullptr) return bad_file(name, "the list tokenizer.ggml.tokens is missing");
  const Metadata::Integers* types = metadata.integers("tokenizer.ggml.token_type");
  if (types == nullptr && metadata.has("tokenizer.ggml.token_type")) {
    return bad_file(name, "tokenizer.ggml.token_type is not a list of integers");
  }
  if (types != nullptr && types->size() != texts->size()) {
    return bad_file(name, "there are {} tokens and {} token types", texts->size(), types->size());
  }
  std::vector<Token> tokens(texts->size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::int64_t type = types == nullptr ? 1 : (*types)[id];
    if (type < 0 || static_cast<std::uint64_t>(type) >= kKinds.size()) {
      return bad_file(name, "the token {} has the type {}, which is unknown", id, type);
    }
    tokens[id] = {.text = (*texts)[id], .kind = kKinds[static_cast<std::size_t>(type)]};
  }
  return tokens;
}

Result<std::optional<TokenId>> read_id(const Metadata& metadata, std::string_view key, std::optional<TokenId> otherwise,
                                       std::string_view name) {
  if (!metadata.has(key)) return otherwise;
  const std::optional<std::int64_t> id = metadata.integer(key);
  if (id == -1 || id == std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
  const auto fits = id ? checked_cast<TokenId>(*id) : std::nullopt;
  if (!fits || *fits < 0) return bad_file(name, "{} is not the id of a token", key);
  return fits;
}

/// What the three ids are where the file does not say.
struct Defaults {
  std::optional<TokenId> bos = {}, eos = {}, unknown = {};
  bool adds_bos = false;
};

Result<Vocabulary> read_vocabulary(const Metadata& metadata, const Defaults& defaults, std::string_view name) {
  Vocabulary vocabulary;
  Result<std::vector<Token>> tokens = read_tokens(metadata, name);
  if (!tokens) return fail(std::move(tokens));
  vocabulary.tokens = std::move(*tokens);
  const auto read = [&](const char* key, std::optional<TokenId> otherwise, std::optional<TokenId>& id) -> Result<void> {
    const Result<std::optional<TokenId>> found = read_id(metadata, key, otherwise, name);
    if (!found) return std::unexpected(found.error());
    id = *found;
    return {};
  };
  if (auto ok = read("tokenizer.ggml.bos_token_id", defaults.bos, vocabulary.bos); !ok) return fail(std::move(ok));
  if (auto ok = read("tokenizer.ggml.eos_token_id", defaults.eos, vocabulary.eos); !ok) return fail(std::move(ok));
  if (auto ok = read("tokenizer.ggml.unknown_token_id", defaults.unknown, vocabulary.unknown); !ok) {
    return fail(std::move(ok));
  }
  vocabulary.adds_bos = metadata.boolean("tokenizer.ggml.add_bos_token").value_or(defaults.adds_bos);
  return vocabulary;
}

Result<const Metadata::Numbers*> read_scores(const Metadata& metadata, std::size_t count, std::string_view name) {
  const Metadata::Numbers* scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores == nullptr) return bad_file(name, "the list tokenizer.ggml.scores is missing");
  if (scores->size() != count) return bad_file(name, "there are {} tokens and {} scores", count, scores->size());
  return scores;
}

SpaceRules read_spaces(const Metadata& metadata, bool is_prefixed, bool removes_extra) {
  is_prefixed = metadata.boolean("tokenizer.ggml.add_space_prefix").value_or(is_prefixed);
  return {.prefix = is_prefixed ? SpaceRules::Prefix::kEachStretch : SpaceRules::Prefix::kNever,
          .prefix_unless_space = false,
          .removes_extra = removes_extra};
}

}  // namespace

Result<ByteBpeParts> read_ggml_byte_bpe(const Metadata& metadata, std::string_view name) {
  const std::optional<std::string_view> pre = metadata.string("tokenizer.ggml.pre");
  const PreTokenizerRow* row = pre ? find_pre_tokenizer(*pre) : nullptr;
  if (row == nullptr) {
    // Guessing would give ids that look right and are not.
    return fail(ErrorCode::kUsage, fmt::format("{}: its pre-tokenizer (tokenizer.ggml.pre) is {}; these are built: {}",
                                               name, pre ? in_quotes(*pre) : "not named", pre_tokenizer_names()));
  }
  Result<Vocabulary> vocabulary = read_vocabulary(metadata, {.adds_bos = row->adds_bos}, name);
  if (!vocabulary) return fail(std::move(vocabulary));
  const Metadata::Strings* merges = metadata.strings("tokenizer.ggml.merges");
  if (merges == nullptr) return bad_file(name, "the list tokenizer.ggml.merges is missing");
  ByteBpeParts parts{.vocabulary = std::move(*vocabulary),
                     .merges = {},
                     .pre_tokenizer = row,
                     .merges_by_spelling = false,
                     .ignore_merges = row->ignore_merges,
                     .adds_space_prefix = false,
                     .normalizer = {}};
  parts.merges.reserve(merges->size());
  for (const std::string& merge : *merges) {
    Result<std::pair<std::string, std::string>> pieces = split_merge(merge, name);
    if (!pieces) return fail(std::move(pieces));
    parts.merges.push_back(std::move(*pieces));
  }
  return parts;
}

Result<ScoreBpeParts> read_ggml_score_bpe(const Metadata& metadata, std::string_view name) {
  // Where the file does not say, it has the ids that SentencePiece gives.
  Result<Vocabulary> vocabulary = read_vocabulary(metadata, {.bos = 1, .eos = 2, .unknown = 0, .adds_bos = true}, name);
  if (!vocabulary) return fail(std::move(vocabulary));
  const Result<const Metadata::Numbers*> scores = read_scores(metadata, vocabulary->tokens.size(), name);
  if (!scores) return std::unexpected(scores.error());
  Result<std::vector<std::uint32_t>> ranks = rank_scores(**scores, name);
  if (!ranks) return fail(std::move(ranks));
  return ScoreBpeParts{.vocabulary = std::move(*vocabulary),
                       .ranks = std::move(*ranks),
                       .merges = {},
                       .normalizer = {},
                       .spaces = read_spaces(metadata, true, false)};
}

Result<UnigramParts> read_ggml_unigram(const Metadata& metadata, std::string_view name) {
  Result<Vocabulary> vocabulary = read_vocabulary(metadata, {.eos = 1, .unknown = 2}, name);
  if (!vocabulary) return fail(std::move(vocabulary));
  const Result<const Metadata::Numbers*> scores = read_scores(metadata, vocabulary->tokens.size(), name);
  if (!scores) return std::unexpected(scores.error());
  const bool removes_extra = metadata.boolean("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  UnigramParts parts{.vocabulary = std::move(*vocabulary),
                     .scores = **scores,
                     .normalizer = {},
                     .spaces = read_spaces(metadata, false, removes_extra),
                     .splits_at_spaces = false};
  if (const Metadata::Integers* bytes = metadata.integers("tokenizer.ggml.precompiled_charsmap")) {
    std::string blob;
    for (const std::int64_t byte : *bytes) blob += static_cast<char>(byte & 0xFF);
    Result<Charsmap> map = Charsmap::read(blob, name);
    if (!map) return fail(std::move(map));
    parts.normalizer.add(std::make_shared<const Charsmap>(std::move(*map)));
  } else if (metadata.has("tokenizer.ggml.precompiled_charsmap")) {
    return bad_file(name, "tokenizer.ggml.precompiled_charsmap is not a list of bytes");
  }
  return parts;
}

}  // namespace tq
