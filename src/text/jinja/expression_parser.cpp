#include "text/jinja/expression_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/message.h"

namespace tq::jinja {
namespace {

/// Of brackets in brackets, and of the tree, whose nodes are walked by recursion. Real templates stay below 20 and 60.
constexpr int kMaxOpen = 60, kMaxDepth = 200;

}  // namespace

bool ExpressionParser::take_operator(std::string_view text) {
  if (!is_operator(text)) return false;
  take();
  return true;
}

bool ExpressionParser::take_name(std::string_view text) {
  if (!is_name(text)) return false;
  take();
  return true;
}

void ExpressionParser::refuse_token(std::string_view wanted) const {
  const Lexeme& found = now();
  switch (found.type) {
    case TokenType::kEnd:
      refuse(fmt::format("expected {}, but the template ends", wanted));
    case TokenType::kPrintEnd:
      refuse(fmt::format("expected {}, not '}}}}'", wanted));
    case TokenType::kBlockEnd:
      refuse(fmt::format("expected {}, not '%}}'", wanted));
    default:
      refuse(fmt::format("expected {}, not {}", wanted, in_quotes(found.text)));
  }
}

void ExpressionParser::expect_operator(std::string_view text) {
  if (!take_operator(text)) refuse_token(fmt::format("'{}'", text));
}

std::string ExpressionParser::expect_name(std::string_view what) {
  if (!is(TokenType::kName)) refuse_token(what);
  return take().text;
}

ExpressionPointer ExpressionParser::make(ExpressionKind kind, std::size_t line) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  return made;
}

void ExpressionParser::adopt(Expression& parent, ExpressionPointer child) const {
  if (child != nullptr) {
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kMaxDepth)
      throw Failure{fmt::format("an expression is more than {} levels deep", kMaxDepth), parent.line};
  }
  parent.operands.push_back(std::move(child));
}

ExpressionPointer ExpressionParser::make(ExpressionKind kind, ExpressionPointer left, ExpressionPointer right) const {
  ExpressionPointer made = make(kind, left->line);
  adopt(*made, std::move(left));
  adopt(*made, std::move(right));
  return made;
}

ExpressionPointer ExpressionParser::parse_expression() {
  if (++open_ > kMaxOpen) refuse(fmt::format("brackets are nested more than {} levels deep", kMaxOpen));
  ExpressionPointer value = parse_or();
  while (is_name("if")) {
    const std::size_t line = take().line;
    ExpressionPointer made = make(ExpressionKind::kConditional, line);
    adopt(*made, std::move(value));
    adopt(*made, parse_or());
    adopt(*made, take_name("else") ? parse_expression() : nullptr);
    value = std::move(made);
  }
  --open_;
  return value;
}

ExpressionPointer ExpressionParser::parse_tuple(bool with_condition) {
  const auto parse_one = [&] { return with_condition ? parse_expression() : parse_or(); };
  ExpressionPointer first = parse_one();
  if (!is_operator(",")) return first;
  ExpressionPointer tuple = make(ExpressionKind::kTuple, first->line);
  adopt(*tuple, std::move(first));
  while (take_operator(",")) {
    if (is(TokenType::kBlockEnd) || is(TokenType::kPrintEnd) || is_operator(")")) break;
    adopt(*tuple, parse_one());
  }
  return tuple;
}

ExpressionPointer ExpressionParser::parse_or() {
  ExpressionPointer left = parse_and();
  while (take_name("or")) left = make(ExpressionKind::kOr, std::move(left), parse_and());
  return left;
}

ExpressionPointer ExpressionParser::parse_and() {
  ExpressionPointer left = parse_not();
  while (take_name("and")) left = make(ExpressionKind::kAnd, std::move(left), parse_not());
  return left;
}

ExpressionPointer ExpressionParser::parse_not() {
  std::vector<std::size_t> lines;
  while (is_name("not")) lines.push_back(take().line);
  ExpressionPointer value = parse_compare();
  for (; !lines.empty(); lines.pop_back()) {
    ExpressionPointer negated = make(ExpressionKind::kNot, lines.back());
    adopt(*negated, std::move(value));
    value = std::move(negated);
  }
  return value;
}

/// The comparison that stands here, taken; empty when none does.
std::string ExpressionParser::take_comparison() {
  if (is(TokenType::kOperator)) {
    for (const char* text : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (take_operator(text)) return text;
    }
  }
  if (take_name("in")) return "in";
  if (is_name("not") && next().type == TokenType::kName && next().text == "in") {
    take();
    take();
    return "not in";
  }
  return {};
}

ExpressionPointer ExpressionParser::parse_compare() {
  ExpressionPointer left = parse_sum();
  std::string comparison = take_comparison();
  if (comparison.empty()) return left;
  ExpressionPointer made = make(ExpressionKind::kCompare, left->line);
  adopt(*made, std::move(left));
  for (; !comparison.empty(); comparison = take_comparison()) {
    made->names.push_back(comparison);
    adopt(*made, parse_sum());
  }
  return made;
}

ExpressionPointer ExpressionParser::parse_sum() {
  ExpressionPointer left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    const std::string name = take().text;
    left = make(ExpressionKind::kBinary, std::move(left), parse_concat());
    left->name = name;
  }
  return left;
}

ExpressionPointer ExpressionParser::parse_concat() {
  ExpressionPointer first = parse_product();
  if (!is_operator("~")) return first;
  ExpressionPointer made = make(ExpressionKind::kConcat, first->line);
  adopt(*made, std::move(first));
  while (take_operator("~")) adopt(*made, parse_product());
  return made;
}

ExpressionPointer ExpressionParser::parse_product() {
  ExpressionPointer left = parse_power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const std::string name = take().text;
    left = make(ExpressionKind::kBinary, std::move(left), parse_power());
    left->name = name;
  }
  return left;
}

ExpressionPointer ExpressionParser::parse_power() {
  ExpressionPointer left = parse_unary(true);
  while (take_operator("**")) {
    left = make(ExpressionKind::kBinary, std::move(left), parse_unary(true));
    left->name = "**";
  }
  return left;
}

ExpressionPointer ExpressionParser::parse_unary(bool with_filters) {
  ExpressionPointer value;
  if (is_operator("-") || is_operator("+")) {
    if (++open_ > kMaxOpen) refuse("there are too many signs in a row");
    const bool is_negative = is_operator("-");
    value = make(is_negative ? ExpressionKind::kNegative : ExpressionKind::kPositive, take().line);
    adopt(*value, parse_unary(false));
    --open_;
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPointer ExpressionParser::parse_constant() {
  ExpressionPointer made = make(ExpressionKind::kConstant, now().line);
  if (is(TokenType::kString)) {
    std::string text;
    while (is(TokenType::kString)) text += take().text;
    made->text = Text(text);
    made->value = Value(&made->text);
  } else if (is(TokenType::kInteger)) {
    made->value = Value(take().integer);
  } else {
    made->value = Value(take().number);
  }
  return made;
}

ExpressionPointer ExpressionParser::parse_primary() {
  if (is(TokenType::kString) || is(TokenType::kInteger) || is(TokenType::kFloat)) return parse_constant();
  if (is_operator("(")) return parse_parentheses();
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  if (!is(TokenType::kName)) refuse_token("a value");
  const Lexeme& lexeme = take();
  const std::string& name = lexeme.text;
  const bool is_true = name == "true" || name == "True", is_none = name == "none" || name == "None";
  ExpressionPointer made = make(ExpressionKind::kConstant, lexeme.line);
  if (is_true || name == "false" || name == "False") {
    made->value = Value(is_true);
  } else if (is_none) {
    made->value = Value::none();
  } else {
    made->kind = ExpressionKind::kName;
    made->name = name;
    made->text = Text(name);
  }
  return made;
}

ExpressionPointer ExpressionParser::parse_parentheses() {
  const std::size_t line = take().line;
  ExpressionPointer value = is_operator(")") ? make(ExpressionKind::kTuple, line) : parse_tuple();
  expect_operator(")");
  return value;
}

ExpressionPointer ExpressionParser::parse_list() {
  ExpressionPointer list = make(ExpressionKind::kList, take().line);
  while (!take_operator("]")) {
    if (!list->operands.empty()) expect_operator(",");
    if (take_operator("]")) break;
    adopt(*list, parse_expression());
  }
  return list;
}

ExpressionPointer ExpressionParser::parse_dict() {
  ExpressionPointer dict = make(ExpressionKind::kDict, take().line);
  while (!take_operator("}")) {
    if (!dict->operands.empty()) expect_operator(",");
    if (take_operator("}")) break;
    adopt(*dict, parse_expression());
    expect_operator(":");
    adopt(*dict, parse_expression());
  }
  return dict;
}

ExpressionPointer ExpressionParser::parse_postfix(ExpressionPointer left) {
  while (true) {
    const std::size_t line = now().line;
    if (take_operator(".")) {
      const bool is_index = is(TokenType::kInteger);
      ExpressionPointer made = make(is_index ? ExpressionKind::kItem : ExpressionKind::kAttribute, line);
      adopt(*made, std::move(left));
      if (is_index) {
        adopt(*made, parse_constant());
      } else {
        made->name = expect_name("the name of an attribute");
        made->text = Text(made->name);
      }
      left = std::move(made);
    } else if (take_operator("[")) {
      left = parse_subscript(std::move(left));
    } else if (take_operator("(")) {
      ExpressionPointer made = make(ExpressionKind::kCall, line);
      adopt(*made, std::move(left));
      parse_arguments(*made);
      left = std::move(made);
    } else {
      return left;
    }
  }
}

ExpressionPointer ExpressionParser::parse_subscript(ExpressionPointer left) {
  ExpressionPointer made = make(ExpressionKind::kItem, now().line);
  adopt(*made, std::move(left));
  if (!is_operator(":")) adopt(*made, parse_expression());
  if (is_operator(":")) {
    made->kind = ExpressionKind::kSlice;
    if (made->operands.size() == 1) adopt(*made, nullptr);
    while (take_operator(":")) {
      if (made->operands.size() == 4) refuse("a slice has three parts");
      adopt(*made, is_operator(":") || is_operator("]") ? nullptr : parse_expression());
    }
  }
  expect_operator("]");
  return made;
}

void ExpressionParser::parse_arguments(Expression& call) {
  bool is_first = true;
  while (!take_operator(")")) {
    if (!is_first) expect_operator(",");
    if (take_operator(")")) return;
    is_first = false;
    if (is_operator("*") || is_operator("**")) refuse("arguments with * are not built");
    if (is(TokenType::kName) && next().type == TokenType::kOperator && next().text == "=") {
      std::string name = take().text;
      take();
      ExpressionPointer value = parse_expression();
      call.depth = std::max(call.depth, value->depth + 1);
      call.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!call.named.empty()) refuse("an argument without a name follows one with a name");
      adopt(call, parse_expression());
    }
  }
}

std::vector<Expression> ExpressionParser::parse_filters() {
  std::vector<Expression> filters;
  do {
    Expression filter;
    filter.kind = ExpressionKind::kFilter;
    filter.line = now().line;
    filter.name = expect_name("the name of a filter");
    filter.operands.push_back(nullptr);
    if (take_operator("(")) parse_arguments(filter);
    filters.push_back(std::move(filter));
  } while (take_operator("|"));
  return filters;
}

ExpressionPointer ExpressionParser::parse_filters_and_tests(ExpressionPointer left) {
  while (true) {
    const std::size_t line = now().line;
    if (take_operator("|")) {
      ExpressionPointer filter = make(ExpressionKind::kFilter, line);
      adopt(*filter, std::move(left));
      filter->name = expect_name("the name of a filter");
      if (take_operator("(")) parse_arguments(*filter);
      left = std::move(filter);
    } else if (take_name("is")) {
      left = parse_test(std::move(left));
    } else if (take_operator("(")) {  // the call of what a filter gave
      ExpressionPointer made = make(ExpressionKind::kCall, line);
      adopt(*made, std::move(left));
      parse_arguments(*made);
      left = std::move(made);
    } else {
      return left;
    }
  }
}

bool ExpressionParser::begins_test_argument() const {
  if (is(TokenType::kString) || is(TokenType::kInteger) || is(TokenType::kFloat)) return true;
  if (is_operator("[") || is_operator("{")) return true;
  return is(TokenType::kName) && !is_name("else") && !is_name("or") && !is_name("and") && !is_name("is") &&
         !is_name("if") && !is_name("not") && !is_name("in");
}

ExpressionPointer ExpressionParser::parse_test(ExpressionPointer left) {
  const std::size_t line = now().line;
  const bool is_negated = take_name("not");
  ExpressionPointer test = make(ExpressionKind::kTest, line);
  adopt(*test, std::move(left));
  test->name = expect_name("the name of a test");
  if (take_operator("(")) {
    parse_arguments(*test);
  } else if (begins_test_argument()) {
    adopt(*test, parse_postfix(parse_primary()));
  }
  if (!is_negated) return test;
  ExpressionPointer negated = make(ExpressionKind::kNot, line);
  adopt(*negated, std::move(test));
  return negated;
}

}  // namespace tq::jinja
