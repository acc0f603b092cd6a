// Tokenizers from hostile files, and any text through tokenizers that are sound. The first byte chooses; see kTargets.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/byte_alphabet.h"
#include "text/pre_tokenizer.h"
#include "turboquant/tokenizer.h"

namespace tq {
namespace {

using TokenizerPointer = std::shared_ptr<const Tokenizer>;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Whatever the vocabulary, ids are in range and decoding them is safe.
void use(const Result<TokenizerPointer>& tokenizer, std::string_view text) {
  if (!tokenizer) return require(!tokenizer.error().message.empty());
  for (const bool parse_special : {false, true}) {
    const std::vector<TokenId> ids = (*tokenizer)->encode(text, {.parse_special = parse_special});
    for (const TokenId id : ids) require(id >= 0 && static_cast<std::size_t>(id) < (*tokenizer)->vocab_size());
    TextStream stream(**tokenizer);
    std::string all;
    for (const TokenId id : ids) all += stream.add(id);
    require(all + stream.finish() == (*tokenizer)->decode(ids));
  }
}

void read_json(std::string_view input) {
  // A zero byte, which JSON cannot hold, separates the file from its config.
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view config = input.substr(std::min(cut + 1, input.size()));
  use(Tokenizer::from_json(input.substr(0, cut), config), input);
}

void read_llama2c(std::string_view input) { use(Tokenizer::from_llama2c(std::as_bytes(std::span(input))), input); }

/// A zero byte ends the config.
void read_sentencepiece(std::string_view input) {
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view file = input.substr(std::min(cut + 1, input.size()));
  use(Tokenizer::from_sentencepiece(file, input.substr(0, cut)), input);
}

/// The input stands behind lines for the 256 bytes, which no mutation would keep whole; the first byte chooses how it
/// is cut.
void read_tiktoken(std::string_view input) {
  static const std::string kBytes = [] {
    constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string lines;
    for (unsigned byte = 0; byte < 256; ++byte) {
      lines += {kDigits[byte >> 2], kDigits[(byte & 3U) << 4], '=', '=', ' '};
      lines += std::to_string(byte) + '\n';
    }
    return lines;
  }();
  if (input.empty()) return use(Tokenizer::from_tiktoken("", ""), "a");
  const bool is_alone = static_cast<unsigned char>(input[0]) % 2 == 0;
  const std::string file = (is_alone ? "" : kBytes) + std::string(input.substr(1));
  use(Tokenizer::from_tiktoken(file, is_alone ? "" : R"({"pre_tokenizer":"gpt-2"})"), input);
}

/// Zero bytes end the vocabulary and the merges; the config is what is left. An empty vocabulary stands for one of all
/// bytes, which no mutation would keep whole.
void read_vocab_and_merges(std::string_view input) {
  auto next = [rest = input]() mutable {
    const std::string_view part = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    return part;
  };
  static const std::string kBytes = [] {
    std::string json;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const std::string text = ByteAlphabet::spell(static_cast<std::uint8_t>(byte));
      json += (byte == 0 ? "{\"" : ",\"") + std::string(text == "\"" || text == "\\" ? "\\" : "") + text +
              "\":" + std::to_string(byte);
    }
    return json + R"(,"ab":256,"Ġa":257,"<|endoftext|>":258})";
  }();
  const std::string_view vocab = next(), merges = next(), config = next();
  use(Tokenizer::from_vocab_and_merges(vocab.empty() ? kBytes : vocab, merges, config), input);
}

void read_gguf(std::string_view input) {
  const auto file = TensorFile::from_gguf(std::as_bytes(std::span(input)), "fuzz.gguf");
  if (file) use(Tokenizer::for_model(**file), input);
}

Metadata metadata_of_bytes() {
  Metadata::Strings tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(ByteAlphabet::spell(static_cast<std::uint8_t>(byte)));
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.merges", Metadata::Strings{});
  return metadata;
}

const std::vector<std::string_view> kPreTokenizers = pre_tokenizer_families();

/// The first line of the input are digits that choose pre-tokenizer and kind; then a token a line, and behind an empty
/// line a merge a line (or, for the kinds `llama` and `t5`, nothing that counts).
void read_lists(std::string_view input) {
  const auto next_line = [&input] {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string line(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
  };
  const std::string choice = next_line();
  Metadata metadata = metadata_of_bytes();
  const std::size_t pre = choice.empty() ? 0 : static_cast<unsigned char>(choice[0]) % kPreTokenizers.size();
  if (choice.size() > 1) metadata.set("tokenizer.ggml.model", std::string(choice.size() > 2 ? "t5" : "llama"));
  metadata.set("tokenizer.ggml.pre", std::string(kPreTokenizers[pre]));
  Metadata::Strings tokens = *metadata.strings("tokenizer.ggml.tokens"), merges;
  Metadata::Integers types(tokens.size(), 1);
  Metadata::Numbers scores(tokens.size(), 0);
  for (std::string line = next_line(); !line.empty(); line = next_line()) {
    types.push_back(static_cast<unsigned char>(line[0]) % 7);
    scores.push_back(-static_cast<double>(line.size()));
    tokens.push_back(line.substr(1));
  }
  while (!input.empty() && merges.size() < 100) merges.push_back(next_line());
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  metadata.set("tokenizer.ggml.scores", std::move(scores));
  metadata.set("tokenizer.ggml.merges", std::move(merges));
  use(Tokenizer::from_metadata(metadata), std::string(choice) + std::string(input));
}

std::vector<TokenizerPointer> sound_tokenizers() {
  std::vector<TokenizerPointer> all(kPreTokenizers.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    Metadata metadata = metadata_of_bytes();
    metadata.set("tokenizer.ggml.pre", std::string(kPreTokenizers[i]));
    Metadata::Strings tokens = *metadata.strings("tokenizer.ggml.tokens");
    tokens.insert(tokens.end(), {"aa", "Ġa", "Ã©", "ĊĊ", "ĠĠ", "ÿÿ"});
    metadata.set("tokenizer.ggml.tokens", std::move(tokens));
    metadata.set("tokenizer.ggml.merges", Metadata::Strings{"a a", "Ġ a", "Ã ©", "Ċ Ċ", "Ġ Ġ", "ÿ ÿ"});
    all[i] = *Tokenizer::from_metadata(metadata);
  }
  return all;
}

void encode_text(std::string_view input) {
  static const auto kTokenizers = sound_tokenizers();
  // Every fifth, so that an execution stays short.
  for (std::size_t i = input.size() % 5; i < kTokenizers.size(); i += 5) {
    require(kTokenizers[i]->decode(kTokenizers[i]->encode(input)) == input);
  }
}

constexpr std::array kTargets = {read_json,   read_llama2c,       read_gguf,     read_lists,
                                 encode_text, read_sentencepiece, read_tiktoken, read_vocab_and_merges};

}  // namespace
}  // namespace tq

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  tq::kTargets[data[0] % tq::kTargets.size()](input.substr(1));
  return 0;
}
