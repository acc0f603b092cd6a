#include "text/tiktoken_ranks.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "formats/message.h"
#include "text/base64.h"
#include "text/byte_alphabet.h"
#include "text/byte_bpe.h"

namespace tq {
namespace {

struct Control {
  std::string_view text;
  TokenId id = 0;
};

struct Encoding {
  std::string_view name;
  std::size_t ranks = 0;
  std::string_view pre_tokenizer;
  std::string_view bos, eos;
  bool adds_bos = false;
  bool normalizes_nfc = false;
  std::size_t tokens = 0;  ///< with those behind the ranks
  std::vector<Control> control;
};

const std::vector<Encoding>& encodings() {
  static const std::vector<Encoding> kEncodings = {
      {"r50k_base", 50256, "gpt-2", "", "<|endoftext|>", false, false, 50257, {{"<|endoftext|>", 50256}}},
      {"p50k_base", 50280, "gpt-2", "", "<|endoftext|>", false, false, 50281, {{"<|endoftext|>", 50256}}},
      {"cl100k_base",
       100256,
       "dbrx",
       "",
       "<|endoftext|>",
       false,
       false,
       100277,
       {{"<|endoftext|>", 100257},
        {"<|fim_prefix|>", 100258},
        {"<|fim_middle|>", 100259},
        {"<|fim_suffix|>", 100260},
        {"<|endofprompt|>", 100276}}},
      {"o200k_base",
       199998,
       "gpt-4o",
       "",
       "<|endoftext|>",
       false,
       false,
       200019,
       {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
      {"llama3",
       128000,
       "llama-bpe",
       "<|begin_of_text|>",
       "<|end_of_text|>",
       true,
       false,
       128256,
       {{"<|begin_of_text|>", 128000},
        {"<|end_of_text|>", 128001},
        {"<|start_header_id|>", 128006},
        {"<|end_header_id|>", 128007},
        {"<|eot_id|>", 128009}}},
      {"qwen",
       151643,
       "qwen2",
       "",
       "<|endoftext|>",
       false,
       true,
       151851,
       {{"<|endoftext|>", 151643}, {"<|im_start|>", 151644}, {"<|im_end|>", 151645}}},
      {"kimi-k2", 163584, "kimi-k2", "", "[EOS]", false, false, 163840, {{"[BOS]", 163584}, {"[EOS]", 163585}}},
  };
  return kEncodings;
}

struct Line {
  std::string token;
  std::size_t rank = 0;
};

std::optional<Line> read_line(std::string_view text) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  const std::size_t space = text.find(' ');
  if (space == text.npos) return std::nullopt;
  std::optional<std::string> token = read_base64(text.substr(0, space));
  Line line;
  const std::string_view number = text.substr(space + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), line.rank);
  if (!token || token->empty() || error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  line.token = std::move(*token);
  return line;
}

std::string_view first_line(std::string_view bytes) { return bytes.substr(0, bytes.find('\n')); }

std::string spelled(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += ByteAlphabet::spell(static_cast<std::uint8_t>(byte));
  return text;
}

/// Puts each token at its rank, and says how many lines there are.
Result<std::size_t> read_ranks(std::string_view bytes, std::vector<Token>& tokens, std::string_view name) {
  const std::size_t size = bytes.size(), limit = std::min(size, kMaxTokens);
  std::size_t count = 0;
  for (std::size_t number = 1; !bytes.empty(); ++number) {
    const std::string_view text = first_line(bytes);
    bytes.remove_prefix(std::min(text.size() + 1, bytes.size()));
    if (text.empty() || text == "\r") continue;
    std::optional<Line> line = read_line(text);
    if (!line) return bad_file(name, "its line {} is not a token in base64 and a rank", number);
    if (line->rank >= limit) {
      return bad_file(name, "its line {} has the rank {}, and a file of {} bytes cannot have so many tokens", number,
                      line->rank, size);
    }
    if (line->rank >= tokens.size()) tokens.resize(line->rank + 1);
    Token& token = tokens[line->rank];
    if (token.kind != TokenKind::kUnused) return bad_file(name, "the rank {} stands twice", line->rank);
    token = {.text = spelled(line->token), .kind = TokenKind::kNormal};
    ++count;
  }
  return count;
}

/// Null when the config names the pre-tokenizer.
Result<const Encoding*> find_encoding(std::size_t ranks, const TokenizerConfig& config, std::string_view name) {
  if (!config.pre_tokenizer.empty()) return nullptr;
  const auto found = std::ranges::find(encodings(), ranks, &Encoding::ranks);
  if (found != encodings().end()) return &*found;
  std::string known;
  for (const Encoding& encoding : encodings()) {
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", encoding.name, encoding.ranks);
  }
  return fail(ErrorCode::kUsage,
              fmt::format("{}: a file of {} ranks belongs to no encoding that is built, and how it cuts text does not "
                          "stand in it; these are built: {}; for another, name its \"pre_tokenizer\" in a "
                          "tokenizer_config.json beside it",
                          name, ranks, known));
}

Result<void> add_control_tokens(const Encoding& encoding, const TokenizerConfig& config, Vocabulary& vocabulary,
                                std::string_view name) {
  vocabulary.tokens.resize(std::max(vocabulary.tokens.size(), encoding.tokens));
  for (const Control& control : encoding.control) {
    const auto is_it = [&](const TokenizerConfig::Added& added) { return added.id == control.id; };
    if (std::ranges::any_of(config.added, is_it)) continue;  // the config knows better
    Token& token = vocabulary.tokens[static_cast<std::size_t>(control.id)];
    if (token.kind != TokenKind::kUnused) return bad_file(name, "the rank {} is a control token's id", control.id);
    token = {.text = std::string(control.text), .kind = TokenKind::kControl};
  }
  const auto find = [&](std::string_view text) -> std::optional<TokenId> {
    const auto found = std::ranges::find(encoding.control, text, &Control::text);
    return found == encoding.control.end() ? std::nullopt : std::optional(found->id);
  };
  vocabulary.bos = find(encoding.bos);
  vocabulary.eos = find(encoding.eos);
  vocabulary.adds_bos = encoding.adds_bos;
  return {};
}

}  // namespace

bool is_tiktoken_ranks(std::string_view bytes) {
  return bytes.size() > 4 && read_line(first_line(bytes.substr(0, 2 * kMaxTokenBytes))).has_value();
}

Result<std::shared_ptr<const Tokenizer>> read_tiktoken_ranks(std::string_view bytes, const TokenizerConfig& config,
                                                             std::string_view name) {
  ByteBpeParts parts;
  const Result<std::size_t> count = read_ranks(bytes, parts.vocabulary.tokens, name);
  if (!count) return std::unexpected(count.error());
  const Result<const Encoding*> encoding = find_encoding(*count, config, name);
  if (!encoding) return std::unexpected(encoding.error());
  parts.merges_by_spelling = true;
  if (*encoding != nullptr) {
    if (Result<void> added = add_control_tokens(**encoding, config, parts.vocabulary, name); !added) {
      return fail(std::move(added));
    }
    if ((*encoding)->normalizes_nfc) parts.normalizer.add(NormalizationForm::kNfc);
  }
  parts.pre_tokenizer = find_pre_tokenizer(*encoding == nullptr ? config.pre_tokenizer : (*encoding)->pre_tokenizer);
  if (parts.pre_tokenizer == nullptr) {
    return fail(ErrorCode::kUsage, fmt::format("{}: its pre_tokenizer is {}; these are built: {}", name,
                                               in_quotes(config.pre_tokenizer), pre_tokenizer_names()));
  }
  if (Result<void> added = config.add_to(parts.vocabulary, name); !added) return fail(std::move(added));
  return make_byte_bpe(std::move(parts), name);
}

}  // namespace tq
