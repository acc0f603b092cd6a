#include "text/jinja/interpreter.h"

#include <fmt/format.h>

#include <algorithm>

#include "formats/message.h"

namespace tq::jinja {
namespace {

/// Statements, expressions and macro calls within each other; a recursive macro takes about ten a level.
constexpr int kMaxDepth = 600;

}  // namespace

class Interpreter::Depth {
 public:
  explicit Depth(Interpreter& interpreter) : depth_(interpreter.depth_) {
    if (++depth_ > kMaxDepth) {
      --depth_;
      throw Failure{"its calls are nested too deep; does a macro call itself without end?"};
    }
  }
  ~Depth() { --depth_; }
  Depth(const Depth&) = delete;
  Depth& operator=(const Depth&) = delete;

 private:
  int& depth_;
};

Interpreter::Interpreter(const Limits& limits, std::time_t now)
    : budget_{limits.steps, limits.memory},
      heap_(budget_),
      globals_(heap_.scope(nullptr)),
      output_limit_(limits.output),
      now_(now) {}

Text Interpreter::run(const Template& parsed) {
  Text out;
  run_body(parsed.body, *heap_.scope(globals_), out);
  return out;
}

void Interpreter::append(Text& out, const Text& text) {
  if (out.size() + text.size() > output_limit_)
    throw Failure{fmt::format("it writes more than {} bytes", output_limit_)};
  budget_.allocate(text.size());
  out.append(text);
}

const Text* Interpreter::string(const Value& value) {
  if (value.is(Kind::kText)) return &value.text();
  Text text;
  print(text, value, budget_);
  return heap_.text(std::move(text));
}

void Interpreter::write(const Value& value, Text& out) {
  if (value.is(Kind::kText)) return append(out, value.text());
  Text text;
  print(text, value, budget_);
  append(out, text);
}

// ---- statements

Interpreter::Flow Interpreter::run_body(const Body& body, Scope& scope, Text& out) {
  for (const auto& statement : body) {
    budget_.spend(1);
    try {
      const Flow flow = run_statement(*statement, scope, out);
      if (flow != Flow::kNext) return flow;
    } catch (Failure& failure) {
      if (failure.line == 0) failure.line = statement->line;
      throw;
    }
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement, Scope& scope, Text& out) {
  switch (statement.kind) {
    case StatementKind::kData:
      append(out, statement.text);
      break;
    case StatementKind::kPrint:
      write(evaluate(*statement.value, scope), out);
      break;
    case StatementKind::kIf:
      return run_if(statement, scope, out);
    case StatementKind::kFor:
      return run_for(statement, scope, out);
    case StatementKind::kSet:
      run_set(statement, scope);
      break;
    case StatementKind::kSetBlock:
      run_set_block(statement, scope);
      break;
    case StatementKind::kMacro:
      scope.set(statement.macro.name,
                Value(heap_.callable({.name = statement.macro.name, .macro = &statement.macro, .scope = &scope})));
      break;
    case StatementKind::kCall:
      run_call_block(statement, scope, out);
      break;
    case StatementKind::kFilter:
      run_filter_block(statement, scope, out);
      break;
    case StatementKind::kWith:
      return run_with(statement, scope, out);
    case StatementKind::kScope: {
      const Depth depth(*this);
      return run_body(statement.body, *heap_.scope(&scope), out);
    }
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement, Scope& scope, Text& out) {
  const Depth depth(*this);
  for (const Branch& branch : statement.branches) {
    if (is_true(evaluate(*branch.condition, scope))) return run_body(branch.body, scope, out);
  }
  return run_body(statement.otherwise, scope, out);
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, Scope& scope, Text& out) {
  const Depth depth(*this);
  std::vector<Value> items = iterate(evaluate(*statement.value, scope));
  if (statement.condition != nullptr) {
    std::erase_if(items, [&](const Value& item) {
      Scope& trial = *heap_.scope(&scope);
      assign(statement.targets, item, trial);
      return !is_true(evaluate(*statement.condition, trial));
    });
  }
  if (items.empty()) return run_body(statement.otherwise, scope, out);
  List& held = *heap_.list(std::move(items));
  Loop& loop = *heap_.loop();
  loop.items = &held.items;
  loop.depth = ++loop_depth_;
  Flow flow = Flow::kNext;
  for (loop.index = 0; loop.index < held.items.size() && flow != Flow::kBreak; ++loop.index) {
    Scope& inner = *heap_.scope(&scope);
    inner.set("loop", Value(&loop));
    assign(statement.targets, held.items[loop.index], inner);
    flow = run_body(statement.body, inner, out);
  }
  --loop_depth_;
  return Flow::kNext;
}

void Interpreter::assign(const std::vector<std::string>& targets, const Value& value, Scope& scope) {
  if (targets.size() == 1) return scope.set(targets[0], value);
  const std::vector<Value> values = iterate(value);
  if (values.size() != targets.size())
    throw Failure{fmt::format("{} values cannot be assigned to {} names", values.size(), targets.size())};
  for (std::size_t i = 0; i < targets.size(); ++i) scope.set(targets[i], values[i]);
}

void Interpreter::run_set(const Statement& statement, Scope& scope) {
  const Value value = evaluate(*statement.value, scope);
  if (statement.object.empty()) return assign(statement.targets, value, scope);
  const Value* object = scope.find(statement.object);
  if (object == nullptr || !object->is(Kind::kNamespace))
    throw Failure{fmt::format("only a namespace can be changed from inside, and '{}' is none", statement.object)};
  heap_.set(object->dict(), heap_.text(Text(statement.targets[0])), value);
}

Value Interpreter::apply(const std::vector<Expression>& filters, Value value, Scope& scope) {
  for (const Expression& expression : filters) value = filter(expression.name, value, arguments_of(expression, scope));
  return value;
}

void Interpreter::run_set_block(const Statement& statement, Scope& scope) {
  const Depth depth(*this);
  Text text;
  run_body(statement.body, *heap_.scope(&scope), text);
  scope.set(statement.targets[0], apply(statement.filters, heap_.string(std::move(text)), scope));
}

void Interpreter::run_filter_block(const Statement& statement, Scope& scope, Text& out) {
  const Depth depth(*this);
  Text text;
  run_body(statement.body, *heap_.scope(&scope), text);
  write(apply(statement.filters, heap_.string(std::move(text)), scope), out);
}

void Interpreter::run_call_block(const Statement& statement, Scope& scope, Text& out) {
  const Depth depth(*this);
  const Value callee = evaluate(*statement.value->operands[0], scope);
  Arguments arguments = arguments_of(*statement.value, scope);
  arguments.named.emplace_back("caller",
                               Value(heap_.callable({.name = "caller", .macro = &statement.macro, .scope = &scope})));
  write(call(callee, arguments), out);
}

Interpreter::Flow Interpreter::run_with(const Statement& statement, Scope& scope, Text& out) {
  const Depth depth(*this);
  Scope& inner = *heap_.scope(&scope);
  for (std::size_t i = 0; i < statement.targets.size(); ++i)
    inner.set(statement.targets[i], evaluate(*statement.values[i], scope));
  return run_body(statement.body, inner, out);
}

// ---- expressions

Value Interpreter::evaluate(const Expression& expression, Scope& scope) {
  const Depth depth(*this);
  budget_.spend(1);
  switch (expression.kind) {
    case ExpressionKind::kConstant:
      return expression.value;
    case ExpressionKind::kName:
      return lookup(expression, scope);
    case ExpressionKind::kNot:
      return Value(!is_true(evaluate(*expression.operands[0], scope)));
    case ExpressionKind::kAnd: {
      const Value left = evaluate(*expression.operands[0], scope);
      return is_true(left) ? evaluate(*expression.operands[1], scope) : left;
    }
    case ExpressionKind::kOr: {
      const Value left = evaluate(*expression.operands[0], scope);
      return is_true(left) ? left : evaluate(*expression.operands[1], scope);
    }
    case ExpressionKind::kConditional: {
      if (is_true(evaluate(*expression.operands[1], scope))) return evaluate(*expression.operands[0], scope);
      return expression.operands[2] == nullptr ? Value() : evaluate(*expression.operands[2], scope);
    }
    default:
      return evaluate_operation(expression, scope);
  }
}

Value Interpreter::evaluate_operation(const Expression& expression, Scope& scope) {
  const auto operand = [&](std::size_t i) { return evaluate(*expression.operands[i], scope); };
  switch (expression.kind) {
    case ExpressionKind::kAttribute:
      return attribute(operand(0), expression.text);
    case ExpressionKind::kItem: {
      const Value object = operand(0);
      return item(object, operand(1));
    }
    case ExpressionKind::kSlice:
      return evaluate_slice(expression, scope);
    case ExpressionKind::kCall:
      return evaluate_call(expression, scope);
    case ExpressionKind::kFilter: {
      const Value value = operand(0);
      return filter(expression.name, value, arguments_of(expression, scope));
    }
    case ExpressionKind::kTest: {
      const Value value = operand(0);
      return Value(test(expression.name, value, arguments_of(expression, scope)));
    }
    case ExpressionKind::kNegative:
      return binary(*this, "-", Value(std::int64_t{0}), operand(0));
    case ExpressionKind::kPositive:
      return binary(*this, "+", Value(std::int64_t{0}), operand(0));
    case ExpressionKind::kBinary: {
      const Value left = operand(0);
      return binary(*this, expression.name, left, operand(1));
    }
    case ExpressionKind::kCompare:
      return evaluate_compare(expression, scope);
    case ExpressionKind::kConcat:
      return evaluate_concat(expression, scope);
    default:
      return evaluate_collection(expression, scope);
  }
}

Value Interpreter::lookup(const Expression& name, const Scope& scope) {
  if (const Value* value = scope.find(name.name)) return *value;
  const Value global = find_global(*this, name.name);
  return global.is_undefined() ? Value::undefined(&name.text) : global;
}

Value Interpreter::evaluate_concat(const Expression& expression, Scope& scope) {
  Text joined;
  for (const ExpressionPointer& operand : expression.operands) {
    const Value value = evaluate(*operand, scope);
    if (value.is(Kind::kText)) {
      budget_.allocate(value.text().size());
      joined.append(value.text());
    } else {
      print(joined, value, budget_);
    }
  }
  return heap_.string(std::move(joined));
}

Value Interpreter::evaluate_collection(const Expression& expression, Scope& scope) {
  if (expression.kind != ExpressionKind::kDict) {
    std::vector<Value> items;
    for (const ExpressionPointer& operand : expression.operands) items.push_back(evaluate(*operand, scope));
    return Value(heap_.list(std::move(items), expression.kind == ExpressionKind::kTuple));
  }
  Dict* dict = heap_.dict();
  for (std::size_t i = 0; i + 1 < expression.operands.size(); i += 2) {
    const Value key = evaluate(*expression.operands[i], scope);
    if (!key.is(Kind::kText)) throw Failure{fmt::format("the key of a dict must be a string, not {}", type_name(key))};
    heap_.set(*dict, &key.text(), evaluate(*expression.operands[i + 1], scope));
  }
  return Value(dict);
}

Value Interpreter::evaluate_slice(const Expression& expression, Scope& scope) {
  std::vector<Value> parts;
  for (std::size_t i = 0; i < 4; ++i) {
    const bool is_given = i < expression.operands.size() && expression.operands[i] != nullptr;
    parts.push_back(is_given ? evaluate(*expression.operands[i], scope) : Value());
  }
  return slice(*this, parts[0], parts[1], parts[2], parts[3]);
}

Value Interpreter::evaluate_compare(const Expression& expression, Scope& scope) {
  Value left = evaluate(*expression.operands[0], scope);
  for (std::size_t i = 0; i < expression.names.size(); ++i) {
    const Value right = evaluate(*expression.operands[i + 1], scope);
    const std::string& name = expression.names[i];
    bool holds = false;
    if (name == "==" || name == "!=") {
      holds = is_equal(left, right, budget_) == (name == "==");
    } else if (name == "in" || name == "not in") {
      holds = contains(right, left) == (name == "in");
    } else {
      const int order = compare(left, right, budget_);
      holds = name == "<" ? order < 0 : name == "<=" ? order <= 0 : name == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return Value(false);
    left = right;
  }
  return Value(true);
}

Arguments Interpreter::arguments_of(const Expression& expression, Scope& scope) {
  Arguments arguments;
  for (std::size_t i = 1; i < expression.operands.size(); ++i)
    arguments.positional.push_back(evaluate(*expression.operands[i], scope));
  for (const auto& [name, value] : expression.named) arguments.named.emplace_back(name, evaluate(*value, scope));
  return arguments;
}

Value Interpreter::evaluate_call(const Expression& expression, Scope& scope) {
  const Expression& callee = *expression.operands[0];
  const Value function = evaluate(callee, scope);
  if (function.is_undefined() && !callee.name.empty())
    throw Failure{fmt::format("there is no function {}", in_quotes(callee.name))};
  return call(function, arguments_of(expression, scope));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (!callee.is(Kind::kCallable)) throw Failure{fmt::format("{} cannot be called", type_name(callee))};
  const Callable& callable = callee.callable();
  if (callable.macro != nullptr) return call_macro(callable, arguments);
  return callable.native(*this, callable.self, arguments);
}

Value Interpreter::call_macro(const Callable& callable, const Arguments& arguments) {
  const Depth depth(*this);
  const MacroStatement& macro = *callable.macro;
  Scope& scope = *heap_.scope(callable.scope);
  if (arguments.positional.size() > macro.parameters.size()) {
    throw Failure{fmt::format("the macro {} takes {} arguments, not {}", macro.name, macro.parameters.size(),
                              arguments.positional.size())};
  }
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const MacroStatement::Parameter& parameter = macro.parameters[i];
    const auto named = std::ranges::find(arguments.named, parameter.name, [](const auto& pair) { return pair.first; });
    if (i < arguments.positional.size()) {
      scope.set(parameter.name, arguments.positional[i]);
    } else if (named != arguments.named.end()) {
      scope.set(parameter.name, named->second);
    } else {
      scope.set(parameter.name, parameter.otherwise == nullptr ? Value() : evaluate(*parameter.otherwise, scope));
    }
  }
  for (const auto& [name, value] : arguments.named) {
    const bool is_known =
        std::ranges::find(macro.parameters, name, &MacroStatement::Parameter::name) != macro.parameters.end();
    if (!is_known && name != "caller")
      throw Failure{fmt::format("the macro {} has no argument '{}'", macro.name, name)};
    if (!is_known) scope.set("caller", value);
  }
  Text text;
  run_body(macro.body, scope, text);
  return heap_.string(std::move(text));
}

}  // namespace tq::jinja
