// What all kinds of tokenizer do alike: BOS, cutting out added tokens, and looking up pieces.
#pragma once

#include <string>
#include <vector>

#include "text/added_tokens.h"

namespace tq {

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
  /// empty.
  VocabularyTokenizer(const Vocabulary& vocabulary, std::vector<std::string> pieces);

  /// Appends the ids of a text that is not empty and has no added tokens. Before it came one, or nothing.
  virtual void encode_text(std::string_view text, std::vector<TokenId>& ids) const = 0;

 private:
  AddedTokens added_;
  std::vector<std::string> pieces_;
  std::optional<TokenId> bos_, eos_;
  bool adds_bos_;
};

}  // namespace tq
