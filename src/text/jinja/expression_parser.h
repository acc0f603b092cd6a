// The expressions of a template, in Jinja's order of precedence.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/lexer.h"
#include "text/jinja/syntax.h"

namespace tq::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Lexeme> lexemes) : lexemes_(std::move(lexemes)) {}

 protected:
  /// With `if` and `else`. Never null.
  ExpressionPointer parse_expression();
  /// Also several with commas between them, which are a tuple. `with_condition`: an `if` behind it belongs to it.
  ExpressionPointer parse_tuple(bool with_condition = true);
  /// `| name(…) | name …` as filters without a first operand.
  std::vector<Expression> parse_filters();
  /// The call arguments behind an opening parenthesis, into operands and named.
  void parse_arguments(Expression& call);

  const Lexeme& now() const { return lexemes_[at_]; }
  const Lexeme& next() const { return lexemes_[at_ + 1 < lexemes_.size() ? at_ + 1 : at_]; }
  Lexeme& take() { return lexemes_[at_ + 1 < lexemes_.size() ? at_++ : at_]; }
  bool is(TokenType type) const { return now().type == type; }
  bool is_operator(std::string_view text) const { return is(TokenType::kOperator) && now().text == text; }
  bool is_name(std::string_view text) const { return is(TokenType::kName) && now().text == text; }
  bool take_operator(std::string_view text);
  bool take_name(std::string_view text);
  void expect_operator(std::string_view text);
  std::string expect_name(std::string_view what);
  [[noreturn]] void refuse(std::string message) const { throw Failure{std::move(message), now().line}; }
  [[noreturn]] void refuse_token(std::string_view wanted) const;

 private:
  ExpressionPointer parse_or();
  ExpressionPointer parse_and();
  ExpressionPointer parse_not();
  ExpressionPointer parse_compare();
  ExpressionPointer parse_sum();
  ExpressionPointer parse_concat();
  ExpressionPointer parse_product();
  ExpressionPointer parse_power();
  ExpressionPointer parse_unary(bool with_filters);
  ExpressionPointer parse_primary();
  ExpressionPointer parse_constant();
  ExpressionPointer parse_parentheses();
  ExpressionPointer parse_list();
  ExpressionPointer parse_dict();
  ExpressionPointer parse_postfix(ExpressionPointer left);
  ExpressionPointer parse_subscript(ExpressionPointer left);
  ExpressionPointer parse_filters_and_tests(ExpressionPointer left);
  ExpressionPointer parse_test(ExpressionPointer left);
  bool begins_test_argument() const;
  std::string take_comparison();

  ExpressionPointer make(ExpressionKind kind, std::size_t line) const;
  ExpressionPointer make(ExpressionKind kind, ExpressionPointer left, ExpressionPointer right) const;
  void adopt(Expression& parent, ExpressionPointer child) const;

  std::vector<Lexeme> lexemes_;
  std::size_t at_ = 0;
  int open_ = 0;  ///< expressions within expressions that are being read
};

}  // namespace tq::jinja
