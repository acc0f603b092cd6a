// Output that follows a JSON schema, held to it byte by byte.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"
#include "turboquant/tokenizer.h"

namespace tq {

/// A context-free grammar over bytes. Immutable; safe to share between threads.
class OutputGrammar {
 public:
  virtual ~OutputGrammar() = default;

  /// The JSON texts of a schema: `type` (also a list), `properties`, `required`, `items`, `minItems`, `maxItems`,
  /// `minLength`, `maxLength`, `enum`, `const`, `anyOf`, `oneOf`, `allOf` of one, `$ref` within the schema, `{}` and
  /// `true`. Every text of the grammar is valid; not every valid text is in it: properties come in the schema's order
  /// and no others, strings are written with the escapes that they need, and white space is a space, or a new line with
  /// up to 20 spaces or tabs, where JSON allows it. kBadFile, with `name` in front, for what is no schema; kUsage for a
  /// keyword that would narrow the texts and is not built, and for a schema that no finite text satisfies. Fuzzed.
  static Result<std::shared_ptr<const OutputGrammar>> from_json_schema(std::string_view schema, std::string_view name);
};

/// How far a text has come in a grammar. Not to be shared between threads.
class OutputConstraint {
 public:
  explicit OutputConstraint(std::shared_ptr<const OutputGrammar> grammar);
  ~OutputConstraint();
  OutputConstraint(OutputConstraint&&) noexcept;
  OutputConstraint& operator=(OutputConstraint&&) noexcept;

  /// Whether some text of the grammar goes on with these bytes.
  bool allows(std::string_view bytes);
  /// The text goes on with bytes that are allowed.
  void accept(std::string_view bytes);
  bool may_end() const;   ///< the text is complete as it is
  bool must_end() const;  ///< … and nothing can follow

  /// −∞ for every token whose text is not allowed or empty, and for `ends` (EOS, say) unless the text may end. `pieces`
  /// are the texts of all tokens (Tokenizer::piece), one for each logit. False when no token is left.
  bool mask(std::span<const std::string> pieces, std::span<const TokenId> ends, std::span<float> logits);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tq
