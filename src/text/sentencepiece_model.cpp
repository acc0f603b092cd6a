#include "text/sentencepiece_model.h"

#include <algorithm>
#include <array>

#include "formats/message.h"
#include "text/protobuf.h"
#include "text/score_bpe.h"
#include "text/unigram.h"

namespace tq {
namespace {

/// By the number in SentencePiece.Type.
constexpr std::array kKinds = {TokenKind::kUnused,      TokenKind::kNormal, TokenKind::kUnknown, TokenKind::kControl,
                               TokenKind::kUserDefined, TokenKind::kUnused, TokenKind::kByte};

/// TrainerSpec.model_type.
enum ModelType : std::uint64_t { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

/// What the parts of a ModelProto say, by the numbers of their fields in sentencepiece_model.proto.
class SentencePieceReader {
 public:
  SentencePieceReader(std::string_view bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  Result<std::shared_ptr<const Tokenizer>> read(const TokenizerConfig& config) {
    ProtobufReader reader(bytes_);
    while (const auto field = reader.next()) {
      const std::string_view part = field->text().value_or("");
      bool done = true;
      if (field->number == 1) done = read_piece(part);
      if (field->number == 2) done = read_trainer(part);
      if (field->number == 3) done = read_normalizer(part);
      if (!done) return std::unexpected(error_);
    }
    if (reader.is_broken()) {
      return bad_file(name_, "it is cut off or damaged at byte {}, or not a model of SentencePiece", reader.position());
    }
    if (!check_settings() || !read_special_ids()) return std::unexpected(error_);
    if (Result<void> added = config.add_to(vocabulary_, name_); !added) return fail(std::move(added));
    scores_.resize(vocabulary_.tokens.size());
    return type_ == kUnigram ? make_as_unigram() : make_as_bpe();
  }

 private:
  template <class... Args>
  bool refuse(ErrorCode code, fmt::format_string<Args...> what, Args&&... args) {
    error_ = {code, fmt::format("{}: {}", name_, fmt::format(what, std::forward<Args>(args)...))};
    return false;
  }

  bool read_piece(std::string_view message) {
    Token token;
    float score = 0;
    std::uint64_t type = 1;
    ProtobufReader reader(message);
    while (const auto field = reader.next()) {
      if (field->number == 1) token.text = field->text().value_or("");
      if (field->number == 2) score = field->float32().value_or(0);
      if (field->number == 3) type = field->integer().value_or(0);
    }
    const std::size_t id = vocabulary_.tokens.size();
    if (reader.is_broken()) return refuse(ErrorCode::kBadFile, "the piece {} is damaged", id);
    if (type == 0 || type >= kKinds.size()) {
      return refuse(ErrorCode::kBadFile, "the piece {} has the type {}, which is unknown", id, type);
    }
    if (id == kMaxTokens) return refuse(ErrorCode::kBadFile, "no model has more than {} tokens", kMaxTokens);
    token.kind = kKinds[static_cast<std::size_t>(type)];
    token.is_normalized = token.text.find(kSpaceMark) != token.text.npos;
    if (token.kind == TokenKind::kUnknown && !vocabulary_.unknown) vocabulary_.unknown = static_cast<TokenId>(id);
    vocabulary_.tokens.push_back(std::move(token));
    scores_.push_back(static_cast<double>(score));
    return true;
  }

  bool read_trainer(std::string_view message) {
    ProtobufReader reader(message);
    while (const auto field = reader.next()) {
      if (field->number == 3) type_ = field->integer().value_or(0);
      if (field->number == 24) has_space_suffix_ = field->boolean().value_or(false);
      if (field->number == 46) bos_ = field->text().value_or("");
      if (field->number == 47) eos_ = field->text().value_or("");
    }
    return !reader.is_broken() || refuse(ErrorCode::kBadFile, "its training settings are damaged");
  }

  bool read_normalizer(std::string_view message) {
    ProtobufReader reader(message);
    while (const auto field = reader.next()) {
      if (field->number == 2) charsmap_ = field->text().value_or("");
      if (field->number == 3) adds_prefix_ = field->boolean().value_or(true);
      if (field->number == 4) removes_extra_ = field->boolean().value_or(true);
      if (field->number == 5) marks_spaces_ = field->boolean().value_or(true);
    }
    return !reader.is_broken() || refuse(ErrorCode::kBadFile, "the settings of its normalizer are damaged");
  }

  bool check_settings() {
    if (type_ == kWord || type_ == kChar) {
      return refuse(ErrorCode::kUsage, "models of SentencePiece of the type {} are not built; BPE and unigram are",
                    type_ == kWord ? "word" : "char");
    }
    if (type_ != kUnigram && type_ != kBpe) {
      return refuse(ErrorCode::kBadFile, "its model type is {}, which is unknown", type_);
    }
    if (has_space_suffix_) return refuse(ErrorCode::kUsage, "white space as a suffix is not built");
    if (!marks_spaces_) return refuse(ErrorCode::kUsage, "a vocabulary without marks for spaces is not built");
    return true;
  }

  /// BOS and EOS are control tokens whose texts the training settings may change.
  bool read_special_ids() {
    const auto find = [&](std::string_view text) -> std::optional<TokenId> {
      const auto found = std::ranges::find(vocabulary_.tokens, text, &Token::text);
      if (found == vocabulary_.tokens.end() || found->kind != TokenKind::kControl) return std::nullopt;
      return static_cast<TokenId>(found - vocabulary_.tokens.begin());
    };
    vocabulary_.bos = find(bos_);
    vocabulary_.eos = find(eos_);
    vocabulary_.adds_bos = type_ == kBpe;  // as Llama and Gemma expect; T5 and its like do not
    return true;
  }

  SpaceRules spaces() const {
    return {.prefix = adds_prefix_ ? SpaceRules::Prefix::kAfterControl : SpaceRules::Prefix::kNever,
            .prefix_unless_space = false,
            .removes_extra = removes_extra_};
  }

  Result<Normalizer> normalizer() const {
    Normalizer result;
    if (charsmap_.empty()) return result;
    Result<Charsmap> map = Charsmap::read(charsmap_, name_);
    if (!map) return fail(std::move(map));
    result.add(std::make_shared<const Charsmap>(std::move(*map)));
    return result;
  }

  Result<std::shared_ptr<const Tokenizer>> make_as_unigram() {
    Result<Normalizer> steps = normalizer();
    if (!steps) return fail(std::move(steps));
    return make_unigram({.vocabulary = std::move(vocabulary_),
                         .scores = std::move(scores_),
                         .normalizer = std::move(*steps),
                         .spaces = spaces(),
                         .splits_at_spaces = false},
                        name_);
  }

  Result<std::shared_ptr<const Tokenizer>> make_as_bpe() {
    Result<Normalizer> steps = normalizer();
    if (!steps) return fail(std::move(steps));
    Result<std::vector<std::uint32_t>> ranks = rank_scores(scores_, name_);
    if (!ranks) return fail(std::move(ranks));
    return make_score_bpe({.vocabulary = std::move(vocabulary_),
                           .ranks = std::move(*ranks),
                           .merges = {},
                           .normalizer = std::move(*steps),
                           .spaces = spaces()},
                          name_);
  }

  std::string_view bytes_, name_;
  Vocabulary vocabulary_;
  std::vector<double> scores_;
  std::uint64_t type_ = kUnigram;  // what each setting is where the file does not say
  std::string bos_ = "<s>", eos_ = "</s>";
  std::string_view charsmap_;
  bool adds_prefix_ = true, removes_extra_ = true, marks_spaces_ = true, has_space_suffix_ = false;
  Error error_;
};

}  // namespace

bool is_sentencepiece_model(std::string_view bytes) {
  // Field 1 of the model, a length, field 1 of the piece. Behind a 10 a tokenizer.bin has three bytes of zero.
  return bytes.size() > 4 && bytes[0] == '\n' && bytes[1] != '\0' && (bytes[2] == '\n' || bytes[3] == '\n');
}

Result<std::shared_ptr<const Tokenizer>> read_sentencepiece_model(std::string_view bytes, const TokenizerConfig& config,
                                                                  std::string_view name) {
  return SentencePieceReader(bytes, name).read(config);
}

}  // namespace tq
