#include "text/tokenizer_json.h"

#include <algorithm>
#include <optional>

#include "formats/json.h"
#include "text/byte_bpe.h"
#include "text/score_bpe.h"
#include "text/tokenizer_pipeline.h"
#include "text/unigram.h"

namespace tq {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/// Each step returns false after the first failure, which is kept in error_.
class TokenizerJsonReader {
 public:
  TokenizerJsonReader(std::string_view json, std::string_view config, std::string_view name)
      : json_(json), config_(config), name_(name) {}

  Result<std::shared_ptr<const Tokenizer>> read() {
    if (!read_roots() || !(is_unigram_ ? read_scored_pieces() : read_tokens()) || !read_added_tokens() ||
        !(is_unigram_ || read_merges()) || !read_special_ids()) {
      return std::unexpected(error_);
    }
    if (is_unigram_) return make_as_unigram();
    if (pipeline_.pre_tokenizer == nullptr) return make_with_marks();
    bool ignore_merges = false;
    get_field(model_, "ignore_merges", ignore_merges);
    return make_byte_bpe({.vocabulary = std::move(vocabulary_),
                          .merges = std::move(merges_),
                          .pre_tokenizer = pipeline_.pre_tokenizer,
                          .merges_by_spelling = false,
                          .ignore_merges = ignore_merges,
                          .adds_space_prefix = pipeline_.adds_space_prefix,
                          .normalizer = std::move(pipeline_.normalizer)},
                         name_);
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name_, what, std::forward<Args>(args)...).error();
    return false;
  }

  bool refuse(const Error& error) {
    error_ = error;
    return false;
  }

  bool refuse_kind(std::string_view what) {
    return refuse(Error{ErrorCode::kUsage, fmt::format("{}: {} is not built; BPE and Unigram are", name_, what)});
  }

  bool read_roots() {
    const Result<object> root = parse_json_object(json_, name_, parser_);
    if (!root) return refuse(root.error());
    root_ = *root;
    if (!config_.empty()) {
      const Result<object> config = parse_json_object(config_, "tokenizer_config.json", config_parser_);
      if (!config) return refuse(config.error());
      config_root_ = *config;
    }
    object model;
    if (root_["model"].get(model) || root_["model"].get(model_))
      return refuse("it has no model, so it is not a tokenizer.json");
    std::string_view type = "BPE";  // older files do not say
    get_field(model_, "type", type);
    if (type != "BPE" && type != "Unigram") return refuse_kind(fmt::format("the model {}", in_quotes(type)));
    is_unigram_ = type == "Unigram";
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      std::string_view affix;
      if (get_field(model_, key, affix) && !affix.empty()) return refuse_kind(fmt::format("the setting {}", key));
    }
    Result<TokenizerPipeline> pipeline = read_tokenizer_pipeline(root_, name_);
    if (!pipeline) return refuse(pipeline.error());
    pipeline_ = std::move(*pipeline);
    if (is_unigram_ && pipeline_.pre_tokenizer != nullptr) return refuse_kind("Unigram over the byte-level alphabet");
    return true;
  }

  /// Puts a token at its id. An id can be no larger than a file of this size could count up to.
  bool place(std::string_view text, element id_value, TokenKind kind, Token*& placed) {
    std::uint64_t id = 0;
    if (id_value.get(id)) return refuse("the id of the token {} is not a number from 0", in_quotes(text));
    if (id >= std::min<std::uint64_t>(kMaxTokens, json_.size())) {
      return refuse("the token {} has the id {}, and a file of {} bytes cannot have so many tokens", in_quotes(text),
                    id, json_.size());
    }
    std::vector<Token>& tokens = vocabulary_.tokens;
    if (id >= tokens.size()) tokens.resize(static_cast<std::size_t>(id) + 1);
    placed = &tokens[static_cast<std::size_t>(id)];
    if (!placed->text.empty() && placed->text != text) {
      return refuse("the tokens {} and {} both have the id {}", in_quotes(placed->text), in_quotes(text), id);
    }
    placed->text = text;
    placed->kind = kind;
    return true;
  }

  bool read_tokens() {
    object vocab;
    if (!get_field(model_, "vocab", vocab)) return refuse("its model has no object vocab");
    bool byte_fallback = false;
    get_field(model_, "byte_fallback", byte_fallback);
    for (const auto [text, id] : vocab) {
      const bool is_byte = pipeline_.pre_tokenizer == nullptr && byte_fallback && byte_of_token(text);
      Token* placed = nullptr;
      if (!place(text, id, is_byte ? TokenKind::kByte : TokenKind::kNormal, placed)) return false;
    }
    return true;
  }

  /// A list of pieces with their scores, whose ids are their places.
  bool read_scored_pieces() {
    array pieces;
    bool byte_fallback = false;
    std::uint64_t unknown = 0;
    if (!get_field(model_, "vocab", pieces)) return refuse("its model has no list vocab");
    get_field(model_, "byte_fallback", byte_fallback);
    const bool has_unknown = get_field(model_, "unk_id", unknown);
    for (const element entry : pieces) {
      array pair;
      std::string_view text;
      double score = 0;
      const std::size_t id = scores_.size();
      if (entry.get(pair) || pair.size() != 2 || pair.at(0).get(text) || pair.at(1).get(score)) {
        return refuse("the piece {} is not a text and a score", id);
      }
      if (id == kMaxTokens) return refuse("no model has more than {} tokens", kMaxTokens);
      const bool is_byte = byte_fallback && byte_of_token(text);
      const TokenKind kind = has_unknown && id == unknown ? TokenKind::kUnknown
                             : is_byte                    ? TokenKind::kByte
                                                          : TokenKind::kNormal;
      vocabulary_.tokens.push_back({.text = std::string(text), .kind = kind});
      scores_.push_back(score);
    }
    if (has_unknown && unknown >= scores_.size())
      return refuse("unk_id is {}, and there are {} pieces", unknown, scores_.size());
    if (has_unknown) vocabulary_.unknown = static_cast<TokenId>(unknown);
    return true;
  }

  bool read_added_tokens() {
    element list;
    array added;
    if (!get_field(root_, "added_tokens", list) || list.is_null()) return true;
    if (list.get(added)) return refuse("its added_tokens is not a list");
    for (const element entry : added) {
      std::string_view text;
      element id;
      bool special = false;
      Token* placed = nullptr;
      if (!get_field(entry, "content", text) || !get_field(entry, "id", id)) {
        return refuse("an entry of added_tokens has no content or no id");
      }
      get_field(entry, "special", special);
      if (!place(text, id, special ? TokenKind::kControl : TokenKind::kUserDefined, placed)) return false;
      get_field(entry, "lstrip", placed->strips_left);
      get_field(entry, "rstrip", placed->strips_right);
      get_field(entry, "single_word", placed->is_single_word);
      get_field(entry, "normalized", placed->is_normalized);
    }
    return true;
  }

  bool read_merges() {
    array list;
    if (!get_field(model_, "merges", list)) return refuse("its model has no list of merges");
    for (const element entry : list) {
      std::string_view both, left, right;
      array pair;
      if (entry.get(both) == simdjson::SUCCESS) {
        Result<std::pair<std::string, std::string>> pieces = split_merge(both, name_);
        if (!pieces) return refuse(pieces.error());
        merges_.push_back(std::move(*pieces));
      } else if (entry.get(pair) == simdjson::SUCCESS && pair.size() == 2 && !pair.at(0).get(left) &&
                 !pair.at(1).get(right)) {
        merges_.emplace_back(left, right);
      } else {
        return refuse("the merge {} is not two pieces", merges_.size());
      }
    }
    return true;
  }

  /// A token that the config names, as a text or as an object with `content`.
  std::string named_token(const char* key) const {
    std::string_view text;
    element token;
    if (!config_root_ || !get_field(*config_root_, key, token)) return {};
    if (token.get(text) != simdjson::SUCCESS) get_field(token, "content", text);
    return std::string(text);
  }

  bool find_id(std::string_view text, const char* what, std::optional<TokenId>& id) {
    if (text.empty()) return true;
    const auto found = std::ranges::find(vocabulary_.tokens, text, &Token::text);
    if (found == vocabulary_.tokens.end()) {
      return refuse("the {} token {} is not in the vocabulary", what, in_quotes(text));
    }
    id = static_cast<TokenId>(found - vocabulary_.tokens.begin());
    return true;
  }

  bool read_special_ids() {
    const std::string named = named_token("bos_token"), first = pipeline_.first_token;
    const std::string bos = named.empty() ? first : named;
    std::string_view unknown;
    get_field(model_, "unk_token", unknown);
    vocabulary_.adds_bos = !first.empty() && first == bos;
    if (config_root_) get_field(*config_root_, "add_bos_token", vocabulary_.adds_bos);
    return find_id(bos, "BOS", vocabulary_.bos) && find_id(named_token("eos_token"), "EOS", vocabulary_.eos) &&
           (is_unigram_ || find_id(unknown, "unknown", vocabulary_.unknown));
  }

  Result<std::shared_ptr<const Tokenizer>> make_with_marks() {
    return make_score_bpe({.vocabulary = std::move(vocabulary_),
                           .ranks = {},
                           .merges = std::move(merges_),
                           .normalizer = std::move(pipeline_.normalizer),
                           .spaces = pipeline_.spaces},
                          name_);
  }

  Result<std::shared_ptr<const Tokenizer>> make_as_unigram() {
    scores_.resize(vocabulary_.tokens.size());
    return make_unigram({.vocabulary = std::move(vocabulary_),
                         .scores = std::move(scores_),
                         .normalizer = std::move(pipeline_.normalizer),
                         .spaces = pipeline_.spaces,
                         .splits_at_spaces = pipeline_.splits_at_spaces},
                        name_);
  }

  std::string_view json_, config_, name_;
  simdjson::dom::parser parser_, config_parser_;
  object root_;
  std::optional<object> config_root_;
  element model_;
  TokenizerPipeline pipeline_;
  Vocabulary vocabulary_;
  MergeList merges_;
  std::vector<double> scores_;
  bool is_unigram_ = false;
  Error error_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> read_tokenizer_json(std::string_view json, std::string_view config,
                                                             std::string_view name) {
  return TokenizerJsonReader(json, config, name).read();
}

}  // namespace tq
