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

/// Byte-level BPE (GGUF `gpt2` model, `tokenizer.json`) and score-merged BPE (GGUF `llama` model, llama2.c
/// `tokenizer.bin`). Any bytes are safe as text, invalid UTF-8 included, in O(n log n). Immutable; safe to share
/// between threads.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// From GGUF metadata (`tokenizer.ggml.*`). kBadFile when the lists do not fit each other, kUsage for a kind that is
  /// not built.
  static Result<std::shared_ptr<const Tokenizer>> from_metadata(const Metadata& metadata);
  /// From `tokenizer.json`, a folder that holds one, a llama2.c `tokenizer.bin`, or a GGUF file.
  static Result<std::shared_ptr<const Tokenizer>> open(const std::filesystem::path& path);
  /// From the contents of a `tokenizer.json`; `config_json` is the `tokenizer_config.json` beside it, or empty. Fuzzed.
  static Result<std::shared_ptr<const Tokenizer>> from_json(std::string_view json, std::string_view config_json);
  /// From the contents of a llama2.c `tokenizer.bin`. Fuzzed.
  static Result<std::shared_ptr<const Tokenizer>> from_llama2c(std::span<const std::byte> bytes);
  /// The tokenizer that belongs to a model file: its metadata, or the `tokenizer.json` or `tokenizer.bin` beside it.
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
  /// "gpt2" (byte-level BPE) and the pre-tokenizer's name, as in "gpt2 llama-bpe"; or "llama" (score-merged BPE).
  virtual std::string kind() const = 0;
};

}  // namespace tq
