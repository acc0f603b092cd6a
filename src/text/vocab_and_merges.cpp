#include "text/vocab_and_merges.h"

#include <algorithm>
#include <array>

#include "formats/json.h"
#include "text/byte_bpe.h"

namespace tq {
namespace {

/// What the tokenizers of transformers that read such files do beside merging.
struct TokenizerClass {
  std::string_view name, pre_tokenizer;
  bool normalizes_nfc, begins_with_end;  ///< the latter: <|endoftext|> is BOS, too
};
constexpr std::array kClasses = {TokenizerClass{"GPT2Tokenizer", "gpt-2", false, true},
                                 TokenizerClass{"CodeGenTokenizer", "gpt-2", false, true},
                                 TokenizerClass{"Qwen2Tokenizer", "qwen2", true, false}};
/// EOS of all of them where the config names no other. It stands in vocab.json like any token.
constexpr std::string_view kEnd = "<|endoftext|>";

/// Null when the config names the pre-tokenizer.
Result<const TokenizerClass*> find_class(const TokenizerConfig& config, std::string_view name) {
  if (!config.pre_tokenizer.empty()) return nullptr;
  std::string_view wanted = config.tokenizer_class;
  if (wanted.ends_with("Fast")) wanted.remove_suffix(4);
  const auto found = std::ranges::find(kClasses, wanted, &TokenizerClass::name);
  if (found != kClasses.end()) return &*found;
  std::array<std::string_view, kClasses.size()> known;
  std::ranges::transform(kClasses, known.begin(), &TokenizerClass::name);
  return fail(
      ErrorCode::kUsage,
      fmt::format("{}: how it cuts text follows from the tokenizer_class of the tokenizer_config.json beside it, "
                  "which is {}; these are built: {}; or name a \"pre_tokenizer\" there",
                  name, wanted.empty() ? "not named" : in_quotes(wanted), fmt::join(known, ", ")));
}

Result<void> read_tokens(std::string_view json, std::vector<Token>& tokens, std::string_view name) {
  simdjson::dom::parser parser;
  const auto root = parse_json_object(json, name, parser);
  if (!root) return std::unexpected(root.error());
  for (const auto [text, value] : *root) {
    std::uint64_t id = 0;
    if (value.get(id)) return bad_file(name, "the id of the token {} is not a number from 0", in_quotes(text));
    if (id >= std::min<std::uint64_t>(kMaxTokens, json.size())) {
      return bad_file(name, "the token {} has the id {}, and a file of {} bytes cannot have so many tokens",
                      in_quotes(text), id, json.size());
    }
    if (id >= tokens.size()) tokens.resize(static_cast<std::size_t>(id) + 1);
    Token& token = tokens[static_cast<std::size_t>(id)];
    if (token.kind != TokenKind::kUnused)
      return bad_file(name, "the tokens {} and {} both have the id {}", in_quotes(token.text), in_quotes(text), id);
    token.text = text;
    token.kind = TokenKind::kNormal;
  }
  return {};
}

/// Lines of two pieces; the first may tell a version.
Result<MergeList> read_merges(std::string_view text) {
  constexpr std::string_view kName = "merges.txt";
  MergeList merges;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (number == 1 && line.starts_with("#version"))) continue;
    Result<std::pair<std::string, std::string>> pieces = split_merge(line, kName);
    if (!pieces) return fail(std::move(pieces));
    merges.push_back(std::move(*pieces));
  }
  return merges;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> read_vocab_and_merges(std::string_view vocab, std::string_view merges,
                                                               const TokenizerConfig& config, std::string_view name) {
  ByteBpeParts parts;
  const Result<const TokenizerClass*> known = find_class(config, name);
  if (!known) return std::unexpected(known.error());
  if (Result<void> read = read_tokens(vocab, parts.vocabulary.tokens, name); !read) return fail(std::move(read));
  Result<MergeList> list = read_merges(merges);
  if (!list) return fail(std::move(list));
  parts.merges = std::move(*list);
  parts.pre_tokenizer = find_pre_tokenizer(*known == nullptr ? config.pre_tokenizer : (*known)->pre_tokenizer);
  if (parts.pre_tokenizer == nullptr) {
    return fail(ErrorCode::kUsage, fmt::format("{}: its pre_tokenizer is {}; these are built: {}", name,
                                               in_quotes(config.pre_tokenizer), pre_tokenizer_names()));
  }
  parts.ignore_merges = parts.pre_tokenizer->ignore_merges;
  parts.adds_space_prefix = config.adds_space_prefix;
  if (*known != nullptr && (*known)->normalizes_nfc) parts.normalizer.add(NormalizationForm::kNfc);
  std::vector<Token>& tokens = parts.vocabulary.tokens;
  if (const auto end = std::ranges::find(tokens, kEnd, &Token::text); end != tokens.end() && *known != nullptr) {
    end->kind = TokenKind::kControl;
    parts.vocabulary.eos = static_cast<TokenId>(end - tokens.begin());
    if ((*known)->begins_with_end) parts.vocabulary.bos = parts.vocabulary.eos;
  }
  if (Result<void> added = config.add_to(parts.vocabulary, name); !added) return fail(std::move(added));
  return make_byte_bpe(std::move(parts), name);
}

}  // namespace tq
