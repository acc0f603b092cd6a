#include "text/jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/message.h"
#include "text/jinja/expression_parser.h"

namespace tq::jinja {
namespace {

/// Of statements in statements. Real templates stay below 15.
constexpr int kMaxNesting = 60;

using Words = std::initializer_list<std::string_view>;

class Parser : ExpressionParser {
 public:
  explicit Parser(std::string_view source) : ExpressionParser(tokenize(source)) {}

  Template run() {
    Template parsed;
    parsed.body = parse_body({});
    return parsed;
  }

 private:
  using StatementPointer = std::unique_ptr<Statement>;

  StatementPointer make(StatementKind kind) const {
    auto made = std::make_unique<Statement>();
    made->kind = kind;
    made->line = now().line;
    return made;
  }

  /// Up to the block that begins with one of `ends`, whose name is the next token then; to the end of the template when
  /// there are none.
  Body parse_body(Words ends) {
    if (++nesting_ > kMaxNesting) refuse(fmt::format("statements are nested more than {} levels deep", kMaxNesting));
    Body body;
    while (!is(TokenType::kEnd)) {
      if (is(TokenType::kData)) {
        StatementPointer data = make(StatementKind::kData);
        data->text = Text(take().text);
        body.push_back(std::move(data));
      } else if (is(TokenType::kPrintBegin)) {
        body.push_back(parse_print());
      } else {
        take();  // {%
        if (is(TokenType::kName) && std::ranges::find(ends, now().text) != ends.end()) {
          --nesting_;
          return body;
        }
        body.push_back(parse_statement());
      }
    }
    if (ends.size() > 0) refuse(fmt::format("the template ends before {{% {} %}}", *(ends.end() - 1)));
    --nesting_;
    return body;
  }

  void expect_block_end() {
    if (!is(TokenType::kBlockEnd)) refuse_token("'%}'");
    take();
  }

  /// The body of a statement up to `end`, which is taken with its tag.
  Body parse_body_to(std::string_view end) {
    expect_block_end();
    Body body = parse_body({end});
    take();
    expect_block_end();
    return body;
  }

  StatementPointer parse_print() {
    take();
    StatementPointer print = make(StatementKind::kPrint);
    print->value = parse_tuple();
    if (!is(TokenType::kPrintEnd)) refuse_token("'}}'");
    take();
    return print;
  }

  StatementPointer parse_statement() {
    struct Row {
      std::string_view name;
      StatementPointer (Parser::*parse)();
    };
    static constexpr std::array kRows = {
        Row{"if", &Parser::parse_if},       Row{"for", &Parser::parse_for},
        Row{"set", &Parser::parse_set},     Row{"macro", &Parser::parse_macro},
        Row{"call", &Parser::parse_call},   Row{"filter", &Parser::parse_filter_block},
        Row{"with", &Parser::parse_with},   Row{"generation", &Parser::parse_generation},
        Row{"break", &Parser::parse_break}, Row{"continue", &Parser::parse_continue},
    };
    if (!is(TokenType::kName)) refuse_token("the name of a statement");
    const auto row = std::ranges::find(kRows, now().text, &Row::name);
    if (row == kRows.end()) {
      refuse(fmt::format(
          "there is no statement {} here; if, for, set, macro, call, filter, with, break and continue are built",
          in_quotes(now().text)));
    }
    take();
    return (this->*row->parse)();
  }

  StatementPointer parse_if() {
    StatementPointer made = make(StatementKind::kIf);
    while (true) {
      Branch branch;
      branch.condition = parse_tuple(false);
      expect_block_end();
      branch.body = parse_body({"elif", "else", "endif"});
      made->branches.push_back(std::move(branch));
      if (take_name("elif")) continue;
      if (take_name("else")) {
        made->otherwise = parse_body_to("endif");
        return made;
      }
      take();  // endif
      expect_block_end();
      return made;
    }
  }

  std::vector<std::string> parse_targets() {
    std::vector<std::string> targets;
    const bool in_parentheses = take_operator("(");
    do targets.push_back(expect_name("the name of a variable"));
    while (take_operator(","));
    if (in_parentheses) expect_operator(")");
    return targets;
  }

  StatementPointer parse_for() {
    StatementPointer made = make(StatementKind::kFor);
    made->targets = parse_targets();
    if (!take_name("in")) refuse_token("'in'");
    made->value = parse_tuple(false);
    if (take_name("if")) made->condition = parse_expression();
    if (is_name("recursive")) refuse("recursive loops are not built");
    expect_block_end();
    ++loops_;
    made->body = parse_body({"else", "endfor"});
    --loops_;
    if (take_name("else")) {
      made->otherwise = parse_body_to("endfor");
      return made;
    }
    take();  // endfor
    expect_block_end();
    return made;
  }

  /// A body that is rendered apart: break and continue cannot leave it.
  Body parse_body_without_loop(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Body body = parse_body_to(end);
    loops_ = loops;
    return body;
  }

  StatementPointer parse_set() {
    StatementPointer made = make(StatementKind::kSet);
    made->targets = parse_targets();
    if (made->targets.size() == 1 && take_operator(".")) {
      made->object = made->targets[0];
      made->targets[0] = expect_name("the name of an attribute");
    }
    if (take_operator("=")) {
      made->value = parse_tuple();
      expect_block_end();
      return made;
    }
    if (made->targets.size() != 1) refuse_token("'='");
    made->kind = StatementKind::kSetBlock;
    if (take_operator("|")) made->filters = parse_filters();
    if (!is(TokenType::kBlockEnd)) refuse_token("'='");
    made->body = parse_body_without_loop("endset");
    return made;
  }

  void parse_parameters(MacroStatement& macro) {
    expect_operator("(");
    while (!take_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      if (take_operator(")")) return;
      MacroStatement::Parameter parameter;
      parameter.name = expect_name("the name of a parameter");
      if (take_operator("=")) parameter.otherwise = parse_expression();
      macro.parameters.push_back(std::move(parameter));
    }
  }

  StatementPointer parse_macro() {
    StatementPointer made = make(StatementKind::kMacro);
    made->macro.name = expect_name("the name of a macro");
    parse_parameters(made->macro);
    made->macro.body = parse_body_without_loop("endmacro");
    return made;
  }

  StatementPointer parse_call() {
    StatementPointer made = make(StatementKind::kCall);
    made->macro.name = "caller";
    if (is_operator("(")) parse_parameters(made->macro);
    made->value = parse_expression();
    if (made->value->kind != ExpressionKind::kCall) refuse("{% call %} needs the call of a macro");
    made->macro.body = parse_body_without_loop("endcall");
    return made;
  }

  StatementPointer parse_filter_block() {
    StatementPointer made = make(StatementKind::kFilter);
    made->filters = parse_filters();
    made->body = parse_body_without_loop("endfilter");
    return made;
  }

  StatementPointer parse_with() {
    StatementPointer made = make(StatementKind::kWith);
    while (!is(TokenType::kBlockEnd)) {
      if (!made->targets.empty()) expect_operator(",");
      made->targets.push_back(expect_name("the name of a variable"));
      expect_operator("=");
      made->values.push_back(parse_expression());
    }
    made->body = parse_body_to("endwith");
    return made;
  }

  /// Marks what the model itself writes, for training.
  StatementPointer parse_generation() {
    StatementPointer made = make(StatementKind::kScope);
    made->body = parse_body_to("endgeneration");
    return made;
  }

  StatementPointer parse_break() { return parse_jump(StatementKind::kBreak, "break"); }
  StatementPointer parse_continue() { return parse_jump(StatementKind::kContinue, "continue"); }

  StatementPointer parse_jump(StatementKind kind, std::string_view name) {
    if (loops_ == 0) refuse(fmt::format("{{% {} %}} stands in no loop", name));
    StatementPointer made = make(kind);
    expect_block_end();
    return made;
  }

  int nesting_ = 0, loops_ = 0;
};

}  // namespace

Template parse_template(std::string_view source) { return Parser(source).run(); }

}  // namespace tq::jinja
