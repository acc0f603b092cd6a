// THE list of tokenizer kinds of GGUF, and where a tokenizer may lie. A new kind is a row of kKinds and a file beside
// this one.
#include "turboquant/tokenizer.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "base/bytes.h"
#include "base/file.h"
#include "formats/message.h"
#include "text/ggml_vocabulary.h"
#include "text/llama2c_vocabulary.h"
#include "text/sentencepiece_model.h"
#include "text/tiktoken_ranks.h"
#include "text/tokenizer_json.h"
#include "text/vocab_and_merges.h"

namespace tq {
namespace {

namespace fs = std::filesystem;
using Opened = Result<std::shared_ptr<const Tokenizer>>;

/// Ten times the largest that is known.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{256} << 20;

/// A whole tokenizer.json in a GGUF, and, as `tq quantize` writes it, the tokenizer_config.json beside it.
constexpr std::string_view kJsonKey = "tokenizer.huggingface.json", kJsonConfigKey = "tokenizer.huggingface.config";

constexpr std::string_view kFileNames =
    "tokenizer.json, tokenizer.model, *.tiktoken, tokenizer.bin, vocab.json with merges.txt";

struct Kind {
  std::string_view model;  ///< `tokenizer.ggml.model`
  Opened (*make)(const Metadata& metadata, std::string_view name);
};

constexpr std::array kKinds = {
    Kind{"gpt2",
         [](const Metadata& metadata, std::string_view name) -> Opened {
           Result<ByteBpeParts> parts = read_ggml_byte_bpe(metadata, name);
           if (!parts) return fail(std::move(parts));
           return make_byte_bpe(std::move(*parts), name);
         }},
    Kind{"llama",
         [](const Metadata& metadata, std::string_view name) -> Opened {
           Result<ScoreBpeParts> parts = read_ggml_score_bpe(metadata, name);
           if (!parts) return fail(std::move(parts));
           return make_score_bpe(std::move(*parts), name);
         }},
    Kind{"t5",
         [](const Metadata& metadata, std::string_view name) -> Opened {
           Result<UnigramParts> parts = read_ggml_unigram(metadata, name);
           if (!parts) return fail(std::move(parts));
           return make_unigram(std::move(*parts), name);
         }},
};

Opened make_from_metadata(const Metadata& metadata, std::string_view name) {
  const std::optional<std::string_view> model = metadata.string("tokenizer.ggml.model");
  if (const auto json = metadata.string(kJsonKey); json && !model)
    return read_tokenizer_json(*json, metadata.string(kJsonConfigKey).value_or(""), name);
  if (!model) return fail(ErrorCode::kUsage, fmt::format("{}: it has no tokenizer (tokenizer.ggml.model)", name));
  const auto kind = std::ranges::find(kKinds, *model, &Kind::model);
  if (kind != kKinds.end()) return kind->make(metadata, name);
  std::array<std::string_view, kKinds.size()> known;
  std::ranges::transform(kKinds, known.begin(), &Kind::model);
  return fail(ErrorCode::kUsage, fmt::format("{}: its tokenizer is of the kind {}; these are built: {}", name,
                                             in_quotes(*model), fmt::join(known, ", ")));
}

bool is_present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Opened make_from_llama2c(std::span<const std::byte> bytes, std::string_view name) {
  Result<ScoreBpeParts> parts = read_llama2c_vocabulary(bytes, name);
  if (!parts) return fail(std::move(parts));
  return make_score_bpe(std::move(*parts), name);
}

/// The tokenizer_config.json beside a file; empty when there is none.
Result<std::string> read_config_beside(const fs::path& path) {
  const fs::path config = path.parent_path() / "tokenizer_config.json";
  return is_present(config) ? read_file(config, kMaxFileBytes) : Result<std::string>(std::string());
}

/// A file that is no GGUF, told apart by its first bytes.
Opened make_from_file(std::string_view contents, std::string_view config_json, const fs::path& path) {
  const std::string name = path.string();
  const std::size_t start = contents.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && contents[start] == '{') {
    return read_tokenizer_json(contents, config_json, name);
  }
  const bool is_sentencepiece = is_sentencepiece_model(contents);
  if (!is_sentencepiece && !is_tiktoken_ranks(contents)) {
    if (path.extension() != ".model" && path.extension() != ".tiktoken") {
      return make_from_llama2c(as_bytes(contents), name);
    }
    return bad_file(name, "it is neither a model of SentencePiece nor a rank file of tiktoken");
  }
  const Result<TokenizerConfig> config = TokenizerConfig::read(config_json, "tokenizer_config.json");
  if (!config) return std::unexpected(config.error());
  return is_sentencepiece ? read_sentencepiece_model(contents, *config, name)
                          : read_tiktoken_ranks(contents, *config, name);
}

Opened open_vocab_and_merges(const fs::path& folder) {
  const fs::path vocab = folder / "vocab.json";
  for (const char* name : {"merges.txt", "vocab.json"}) {
    if (!is_present(folder / name)) return bad_file(vocab.string(), "there is no {} beside it", name);
  }
  const Result<std::string> config_json = read_config_beside(vocab);
  if (!config_json) return std::unexpected(config_json.error());
  const Result<TokenizerConfig> config = TokenizerConfig::read(*config_json, "tokenizer_config.json");
  if (!config) return std::unexpected(config.error());
  if (config->added.empty() && is_present(folder / "added_tokens.json")) {
    return fail(ErrorCode::kUsage,
                fmt::format("{}: tokens that stand in added_tokens.json and not in the added_tokens_decoder of "
                            "tokenizer_config.json are not built",
                            vocab.string()));
  }
  const Result<std::string> tokens = read_file(vocab, kMaxFileBytes);
  if (!tokens) return std::unexpected(tokens.error());
  const Result<std::string> merges = read_file(folder / "merges.txt", kMaxFileBytes);
  if (!merges) return std::unexpected(merges.error());
  return read_vocab_and_merges(*tokens, *merges, *config, vocab.string());
}

Opened open_file(const fs::path& path) {
  if (path.filename() == "vocab.json" || path.filename() == "merges.txt")
    return open_vocab_and_merges(path.parent_path());
  // A GGUF may be as large as its weights, so look before reading it all.
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped) return fail(std::move(mapped));
  if (as_text(mapped->bytes()).starts_with("GGUF")) {
    const Result<std::shared_ptr<const TensorFile>> file = TensorFile::open(path);
    if (!file) return std::unexpected(file.error());
    return make_from_metadata((*file)->metadata(), path.string());
  }
  const Result<std::string> contents = read_file(path, kMaxFileBytes);
  if (!contents) return std::unexpected(contents.error());
  const Result<std::string> config = read_config_beside(path);
  if (!config) return std::unexpected(config.error());
  return make_from_file(*contents, *config, path);
}

/// The tokenizer file of a folder; empty when there is none.
fs::path tokenizer_in(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "tiktoken.model", "tokenizer.bin"}) {
    if (is_present(folder / name)) return folder / name;
  }
  std::error_code error;
  std::vector<fs::path> ranks;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".tiktoken") ranks.push_back(entry->path());
  }
  if (!ranks.empty()) return *std::ranges::min_element(ranks);
  return is_present(folder / "merges.txt") ? folder / "vocab.json" : fs::path();
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// A llama2.c checkpoint and its tokenizer name each other nowhere; their sizes are all that can be compared.
Result<void> check_size(const TensorFile& file, const Tokenizer& tokenizer) {
  const std::optional<std::int64_t> size = file.metadata().integer("llama.vocab_size");
  if (file.format() != "llama2c" || !size || static_cast<std::uint64_t>(*size) == tokenizer.vocab_size()) return {};
  return bad_file(file.path(), "the model has {} tokens, and the tokenizer beside it {}", *size,
                  tokenizer.vocab_size());
}

}  // namespace

std::vector<TokenId> Tokenizer::encode_parts(std::span<const TextPart> parts, bool add_bos) const {
  std::vector<TokenId> ids = encode("", {.add_bos = add_bos});
  for (const TextPart& part : parts) {
    const std::vector<TokenId> more = encode(part.text, {.add_bos = false, .parse_special = part.parse_special});
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

Opened Tokenizer::from_metadata(const Metadata& metadata) { return make_from_metadata(metadata, "the metadata"); }

Opened Tokenizer::from_json(std::string_view json, std::string_view config_json) {
  return read_tokenizer_json(json, config_json, "tokenizer.json");
}

Opened Tokenizer::from_llama2c(std::span<const std::byte> bytes) { return make_from_llama2c(bytes, "tokenizer.bin"); }

Opened Tokenizer::from_sentencepiece(std::string_view bytes, std::string_view config_json) {
  const Result<TokenizerConfig> config = TokenizerConfig::read(config_json, "tokenizer_config.json");
  if (!config) return std::unexpected(config.error());
  return read_sentencepiece_model(bytes, *config, "tokenizer.model");
}

Opened Tokenizer::from_tiktoken(std::string_view bytes, std::string_view config_json) {
  const Result<TokenizerConfig> config = TokenizerConfig::read(config_json, "tokenizer_config.json");
  if (!config) return std::unexpected(config.error());
  return read_tiktoken_ranks(bytes, *config, "tokenizer.tiktoken");
}

Opened Tokenizer::from_vocab_and_merges(std::string_view vocab, std::string_view merges, std::string_view config_json) {
  const Result<TokenizerConfig> config = TokenizerConfig::read(config_json, "tokenizer_config.json");
  if (!config) return std::unexpected(config.error());
  return read_vocab_and_merges(vocab, merges, *config, "vocab.json");
}

Opened Tokenizer::open(const fs::path& path) {
  if (!is_folder(path)) return open_file(path);
  const fs::path file = tokenizer_in(path);
  if (!file.empty()) return open_file(file);
  return fail(ErrorCode::kUsage, fmt::format("{}: the folder has no tokenizer ({})", path.string(), kFileNames));
}

Opened Tokenizer::for_model(const TensorFile& file) {
  if (file.metadata().has("tokenizer.ggml.model") || file.metadata().has(kJsonKey))
    return make_from_metadata(file.metadata(), file.path());
  const fs::path path = file.path();
  const fs::path found = tokenizer_in(is_folder(path) ? path : path.parent_path());
  if (found.empty()) {
    return fail(ErrorCode::kUsage, fmt::format("{}: neither the file nor its folder has a tokenizer ({}); name one",
                                               file.path(), kFileNames));
  }
  Opened tokenizer = open_file(found);
  if (!tokenizer) return tokenizer;
  if (Result<void> checked = check_size(file, **tokenizer); !checked) return fail(std::move(checked));
  return tokenizer;
}

}  // namespace tq
