#include "text/tokenizer_config.h"

#include <algorithm>
#include <charconv>

#include "formats/json.h"
#include "text/tokenizer_pipeline.h"

namespace tq {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

/// A token that the config names, as a text or as an object with `content`.
std::string named_token(object root, const char* key) {
  std::string_view text;
  element token;
  if (!get_field(root, key, token)) return {};
  if (token.get(text) != simdjson::SUCCESS) get_field(token, "content", text);
  return std::string(text);
}

Result<void> read_added(object root, std::vector<TokenizerConfig::Added>& added, std::string_view name) {
  object list;
  if (!get_field(root, "added_tokens_decoder", list)) return {};
  for (const auto [key, entry] : list) {
    TokenizerConfig::Added one;
    std::string_view text;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), one.id);
    if (error != std::errc() || end != key.data() + key.size() || one.id < 0 || !get_field(entry, "content", text)) {
      return bad_file(name, "its added_tokens_decoder has the entry {}, which is not a token with an id",
                      in_quotes(key));
    }
    bool special = false;
    get_field(entry, "special", special);
    one.token.text = text;
    one.token.kind = special ? TokenKind::kControl : TokenKind::kUserDefined;
    get_field(entry, "lstrip", one.token.strips_left);
    get_field(entry, "rstrip", one.token.strips_right);
    get_field(entry, "single_word", one.token.is_single_word);
    get_field(entry, "normalized", one.token.is_normalized);
    added.push_back(std::move(one));
  }
  std::ranges::sort(added, {}, &TokenizerConfig::Added::id);
  return {};
}

Result<void> find_id(const Vocabulary& vocabulary, std::string_view text, std::optional<TokenId>& id,
                     std::string_view name) {
  if (text.empty()) return {};
  const auto found = std::ranges::find(vocabulary.tokens, text, &Token::text);
  if (found == vocabulary.tokens.end()) {
    return bad_file(name, "the token {} of its tokenizer_config.json is not in the vocabulary", in_quotes(text));
  }
  id = static_cast<TokenId>(found - vocabulary.tokens.begin());
  return {};
}

}  // namespace

Result<TokenizerConfig> TokenizerConfig::read(std::string_view json, std::string_view name) {
  TokenizerConfig config;
  if (json.empty()) return config;
  simdjson::dom::parser parser;
  const Result<object> root = parse_json_object(json, name, parser);
  if (!root) return std::unexpected(root.error());
  config.bos = named_token(*root, "bos_token");
  config.eos = named_token(*root, "eos_token");
  std::string_view pre_tokenizer;
  if (get_field(*root, "pre_tokenizer", pre_tokenizer)) config.pre_tokenizer = pre_tokenizer;
  std::string_view tokenizer_class;
  if (get_field(*root, "tokenizer_class", tokenizer_class)) config.tokenizer_class = tokenizer_class;
  get_field(*root, "add_prefix_space", config.adds_space_prefix);
  bool adds_bos = false;
  if (get_field(*root, "add_bos_token", adds_bos)) config.adds_bos = adds_bos;
  if (Result<void> read = read_added(*root, config.added, name); !read) return fail(std::move(read));
  return config;
}

Result<void> TokenizerConfig::add_to(Vocabulary& vocabulary, std::string_view name) const {
  std::vector<Token>& tokens = vocabulary.tokens;
  for (const Added& one : added) {
    const auto id = static_cast<std::size_t>(one.id);
    if (id >= tokens.size() + kMaxGap) {
      return bad_file(name, "the token {} of its tokenizer_config.json has the id {}, and the vocabulary ends at {}",
                      in_quotes(one.token.text), id, tokens.size());
    }
    if (id >= tokens.size()) tokens.resize(id + 1);
    Token& there = tokens[id];
    if (there.kind != TokenKind::kUnused && there.text != one.token.text) {
      return bad_file(name, "the token {} is {}, and {} in its tokenizer_config.json", id, in_quotes(there.text),
                      in_quotes(one.token.text));
    }
    const bool is_unknown = there.kind == TokenKind::kUnknown;
    there = one.token;
    if (is_unknown) there.kind = TokenKind::kUnknown;
  }
  if (Result<void> found = find_id(vocabulary, bos, vocabulary.bos, name); !found) return found;
  if (Result<void> found = find_id(vocabulary, eos, vocabulary.eos, name); !found) return found;
  if (adds_bos) vocabulary.adds_bos = *adds_bos;
  return {};
}

}  // namespace tq
