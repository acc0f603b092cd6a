// A template's source as tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace tq::jinja {

enum class TokenType : std::uint8_t {
  kData,        ///< text that is written as it is
  kPrintBegin,  ///< {{
  kPrintEnd,    ///< }}
  kBlockBegin,  ///< {%
  kBlockEnd,    ///< %}
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,  ///< `text` says which
  kEnd
};

struct Lexeme {
  TokenType type = TokenType::kEnd;
  std::string text = {};  ///< of a string: without quotes and escapes
  std::size_t line = 0;   ///< from 1
  std::int64_t integer = 0;
  double number = 0;
};

/// With the settings that chat templates are written for: trim_blocks, lstrip_blocks, and no newline at the end. Fails
/// with the line.
std::vector<Lexeme> tokenize(std::string_view source);

}  // namespace tq::jinja
