// A template as a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace tq::jinja {

struct Expression;
using ExpressionPointer = std::unique_ptr<Expression>;

enum class ExpressionKind : std::uint8_t {
  kConstant,     ///< value
  kName,         ///< name
  kList,         ///< operands
  kTuple,        ///< operands
  kDict,         ///< operands: key, value, key, value, …
  kAttribute,    ///< operands[0] . name
  kItem,         ///< operands[0] [ operands[1] ]
  kSlice,        ///< operands[0] [ 1 : 2 : 3 ], each of which may be null
  kCall,         ///< operands[0] ( operands[1…], named )
  kFilter,       ///< operands[0] | name ( operands[1…], named )
  kTest,         ///< operands[0] is name ( operands[1…], named )
  kNot,          ///< operands[0]
  kNegative,     ///< operands[0]
  kPositive,     ///< operands[0]
  kAnd,          ///< operands[0], operands[1]
  kOr,           ///< operands[0], operands[1]
  kBinary,       ///< operands[0] name operands[1]: + - * / // % ** ~
  kCompare,      ///< operands[0] names[0] operands[1] names[1] operands[2] …: == != < <= > >= in, not in
  kConditional,  ///< operands[0] if operands[1] else operands[2], which may be null
  kConcat        ///< operands, joined as strings
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  std::size_t line = 0;
  int depth = 1;  ///< of the tree below
  Value value = {};
  Text text = {};  ///< a constant string, which `value` points to, or the name as a value
  std::string name = {};
  std::vector<std::string> names = {};
  std::vector<ExpressionPointer> operands = {};
  std::vector<std::pair<std::string, ExpressionPointer>> named = {};
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

/// `{{ }}`, `{% set %}`, …: one struct, of which each kind uses its part.
enum class StatementKind : std::uint8_t {
  kData,      ///< text
  kPrint,     ///< value
  kIf,        ///< branches, otherwise
  kFor,       ///< targets, value, condition, body, otherwise
  kSet,       ///< targets = value, or object.targets[0] = value
  kSetBlock,  ///< targets[0] = body | filters
  kMacro,     ///< macro
  kCall,      ///< value is the call, macro the caller
  kFilter,    ///< body | filters
  kWith,      ///< targets[i] = values[i], body
  kScope,     ///< body, in a scope of its own
  kBreak,
  kContinue
};

struct Branch {
  ExpressionPointer condition;
  Body body;
};

struct MacroStatement {
  struct Parameter {
    std::string name;
    ExpressionPointer otherwise;  ///< may be null
  };
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
};

struct Statement {
  StatementKind kind = StatementKind::kData;
  std::size_t line = 0;
  Text text = {};
  ExpressionPointer value = {}, condition = {};
  std::vector<ExpressionPointer> values = {};
  std::string object = {};  ///< of `set object.name = …`
  std::vector<std::string> targets = {};
  std::vector<Branch> branches = {};
  std::vector<Expression> filters = {};  ///< each without its first operand
  MacroStatement macro = {};
  Body body = {}, otherwise = {};
};

/// Immutable once parsed.
struct Template {
  Body body;
};

}  // namespace tq::jinja
