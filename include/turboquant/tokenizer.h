// Text ↔ token ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"
#include "turboquant/tensor_file.h"

namespace tq {

using TokenId = std::int32_t;

struct EncodeOptions {
  bool add_bos = true;  ///< put the BOS token first, if the model's rule says so
  /// Read control tokens (`<|endoftext|>` and its like) as tokens; leave off for text from outside. Tokens that a model
  /// defines as part of ordinary text (runs of spaces, `<tool_call>`) are always read.
  bool parse_special = false;
};

/// A stretch of a text that others wrote parts of, such as a rendered conversation.
struct TextPart {
  std::string text;
  bool parse_special = false;  ///< its control tokens count; off for what a user wrote
};

/// Byte-level BPE (GGUF `gpt2` model, `tokenizer.json`, `vocab.json` with `merges.txt`, rank files of tiktoken),
/// score-merged BPE and unigram of SentencePiece (GGUF `llama` and `t5` models, `tokenizer.json`, `tokenizer.model`,
/// llama2.c `tokenizer.bin`). Any bytes are safe as text, invalid UTF-8 included, in O(n log n). Immutable; safe to
/// share between threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// From GGUF metadata (`tokenizer.ggml.*`). kBadFile when the lists do not fit each other, kUsage for a kind that is
  /// not built.
  static Result<std::shared_ptr<const Tokenizer>> from_metadata(const Metadata& metadata);
  /// From a `tokenizer.json`, a `tokenizer.model` of SentencePiece, a rank file of tiktoken, a llama2.c
  /// `tokenizer.bin`, a `vocab.json` with `merges.txt` beside it, a folder that holds one of them, or a GGUF file. The
  /// kind is told by the first bytes, that of `vocab.json` by its name.
  static Result<std::shared_ptr<const Tokenizer>> open(const std::filesystem::path& path);
  /// From the contents of a `tokenizer.json`; `config_json` is the `tokenizer_config.json` beside it, or empty. Fuzzed.
  static Result<std::shared_ptr<const Tokenizer>> from_json(std::string_view json, std::string_view config_json);
  /// From the contents of a llama2.c `tokenizer.bin`. Fuzzed.
  static Result<std::shared_ptr<const Tokenizer>> from_llama2c(std::span<const std::byte> bytes);
  /// From the contents of a `tokenizer.model` or a rank file; `config_json` as above. kUsage for a type of model that
  /// is not built, or ranks of an encoding that is not known. Fuzzed.
  static Result<std::shared_ptr<const Tokenizer>> from_sentencepiece(std::string_view bytes,
                                                                     std::string_view config_json);
  static Result<std::shared_ptr<const Tokenizer>> from_tiktoken(std::string_view bytes, std::string_view config_json);
  /// From the contents of a `vocab.json` and a `merges.txt`; `config_json` says by its `tokenizer_class` how text is
  /// cut. Fuzzed.
  static Result<std::shared_ptr<const Tokenizer>> from_vocab_and_merges(std::string_view vocab, std::string_view merges,
                                                                        std::string_view config_json);
  /// The tokenizer that belongs to a model file: its metadata, or the tokenizer file beside it.
  static Result<std::shared_ptr<const Tokenizer>> for_model(const TensorFile& file);

  virtual std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  /// The parts as one text, in which control tokens are read only where they lie wholly within one part that allows it.
  /// Elsewhere the ids are those of the text as a whole: the border between two parts is none for merging.
  virtual std::vector<TokenId> encode_parts(std::span<const TextPart> parts, bool add_bos) const;

  /// The bytes of one token as they appear in text (may be a part of a UTF-8 character); empty for control tokens and
  /// ids out of range. A leading space that the tokenizer itself added in encode() is removed by decode(), not here.
  virtual std::string piece(TokenId id) const = 0;
  /// The text of `ids`: concatenated pieces. Control tokens give nothing.
  virtual std::string decode(std::span<const TokenId> ids) const = 0;

  virtual std::size_t vocab_size() const = 0;
  virtual std::optional<TokenId> bos() const = 0;
  virtual std::optional<TokenId> eos() const = 0;
  /// Whether the model expects BOS before a text (`add_bos_token`).
  virtual bool adds_bos() const = 0;
  /// "gpt2" (byte-level BPE) or "tiktoken" and the pre-tokenizer's name, as in "gpt2 llama-bpe"; "llama" (BPE of
  /// SentencePiece); or "t5" (unigram).
  virtual std::string kind() const = 0;
};

/// Text as it comes, token by token: what it gives never ends within a UTF-8 character that a later token may finish.
/// All that add() and finish() give together is decode() of the same ids. Not to be shared between threads.
class TextStream {
 public:
  /// `goes_on`: the ids follow others, so that a space in front is text. `tokenizer` must outlive the stream.
  explicit TextStream(const Tokenizer& tokenizer, bool goes_on = false)
      : tokenizer_(tokenizer), is_at_start_(!goes_on) {}

  /// The text that is certain now; often none, or that of several tokens. Bytes that cannot become UTF-8 any more are
  /// given as they are.
  std::string add(TokenId id);
  /// What is left: a character that was never finished.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool is_at_start_;
  std::string held_;
};

}  // namespace tq
