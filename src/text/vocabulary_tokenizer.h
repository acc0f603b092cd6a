// What all kinds of tokenizer do alike: BOS, cutting out added tokens, and looking up pieces.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace tq {

/// What is beside a stretch of text.
enum class Neighbour : std::uint8_t { kNothing, kControl, kUserDefined };

/// A text between added tokens; never empty.
struct Stretch {
  std::string_view text;
  Neighbour before = Neighbour::kNothing, behind = Neighbour::kNothing;
};

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const final;
  std::vector<TokenId> encode_parts(std::span<const TextPart> parts, bool add_bos) const final;
  std::string piece(TokenId id) const final;
  std::string decode(std::span<const TokenId> ids) const override;

  std::size_t vocab_size() const final { return pieces_.size(); }
  std::optional<TokenId> bos() const final { return bos_; }
  std::optional<TokenId> eos() const final { return eos_; }
  bool adds_bos() const final { return adds_bos_; }

 protected:
  /// `vocabulary` is checked. `pieces[id]` is the text of a token; those of control, unknown and unused tokens are
  /// empty. `normalize`: what becomes of the text of an added token that is looked for in normalized text.
  VocabularyTokenizer(
      const Vocabulary& vocabulary, std::vector<std::string> pieces,
      const std::function<std::string(std::string_view)>& normalize = [](std::string_view text) {
        return std::string(text);
      });

  /// The stretch as the model sees it; nothing when that is as it stands.
  virtual std::optional<std::string> normalized(const Stretch&) const { return std::nullopt; }
  /// Appends the ids of a normalized text that is not empty and has no added tokens.
  virtual void encode_text(std::string_view text, std::vector<TokenId>& ids) const = 0;

 private:
  void encode_stretch(const Stretch& stretch, bool all, std::vector<TokenId>& ids) const;

  AddedTokens added_, normalized_added_;
  std::vector<std::string> pieces_;
  std::optional<TokenId> bos_, eos_;
  bool adds_bos_;
};

}  // namespace tq
