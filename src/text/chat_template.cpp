// Templates and conversations, in and out of the interpreter.
#include <algorithm>
#include <array>

#include "formats/json.h"
#include "formats/message.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"
#include "turboquant/chat.h"

namespace tq {
namespace {

/// Real ones have up to 30 kB.
constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

/// Templates write these as part of control tokens, as in '<|' + message.role + '|>'. Any other role is user's text.
constexpr std::array<std::string_view, 8> kRoles = {"system", "user",     "assistant", "tool",
                                                    "model",  "function", "developer", "ipython"};

bool is_usual(std::string_view role) { return std::ranges::find(kRoles, role) != kRoles.end(); }

/// A failure's words come from the template and its messages, and must be one line.
std::string sentence(const jinja::Failure& failure) {
  constexpr std::size_t kMost = 300;
  std::string text;
  for (const char c : std::string_view(failure.message).substr(0, kMost))
    text += c >= 0 && (c < 0x20 || c == 0x7F) ? ' ' : c;
  return failure.message.size() > kMost ? text + " …" : text;
}

jinja::Value to_value(simdjson::dom::element element, jinja::Heap& heap, int depth) {
  using simdjson::dom::element_type;
  if (depth > jinja::kMaxValueDepth) throw jinja::Failure{"its variables are nested too deep"};
  switch (element.type()) {
    case element_type::ARRAY: {
      jinja::List* list = heap.list();
      for (const auto item : simdjson::dom::array(element)) heap.append(*list, to_value(item, heap, depth + 1));
      return jinja::Value(list);
    }
    case element_type::OBJECT: {
      jinja::Dict* dict = heap.dict();
      for (const auto [key, value] : simdjson::dom::object(element)) {
        std::string_view role;
        const bool has_role = key == "role" && value.get(role) == simdjson::SUCCESS && is_usual(role);
        heap.set(*dict, heap.text(jinja::Text(key, true)),
                 has_role ? heap.string(role) : to_value(value, heap, depth + 1));
      }
      return jinja::Value(dict);
    }
    case element_type::INT64:
      return jinja::Value(std::int64_t(element));
    case element_type::UINT64:
      return jinja::Value(static_cast<double>(std::uint64_t(element)));
    case element_type::DOUBLE:
      return jinja::Value(double(element));
    case element_type::STRING:
      return heap.string(jinja::Text(std::string_view(element), true));
    case element_type::BOOL:
      return jinja::Value(bool(element));
    case element_type::NULL_VALUE:
      break;
  }
  return jinja::Value::none();
}

/// Stretches of the same origin.
std::vector<TextPart> parts_of(const jinja::Text& text) {
  std::vector<TextPart> parts;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin + 1;
    while (end < text.size() && text.from_user(end) == text.from_user(begin)) ++end;
    parts.push_back({std::string(text.bytes().substr(begin, end - begin)), !text.from_user(begin)});
    begin = end;
  }
  return parts;
}

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(jinja::Template parsed, std::string_view name, std::string_view bos_token, std::string_view eos_token)
      : parsed_(std::move(parsed)), name_(name), bos_token_(bos_token), eos_token_(eos_token) {}

  Result<std::vector<TextPart>> render(const ChatInput& input) const override try {
    std::size_t bytes = input.variables.size();
    for (const ChatMessage& message : input.messages) bytes += message.content.size();
    jinja::Interpreter interpreter(jinja::Limits::for_input(bytes), input.now);
    simdjson::dom::parser parser;
    if (Result<void> set = set_variables(interpreter, input, parser); !set) return fail(std::move(set));
    return parts_of(interpreter.run(parsed_));
  } catch (const jinja::Failure& failure) {
    const std::string where = failure.line == 0 ? "" : fmt::format("line {}: ", failure.line);
    return fail(ErrorCode::kUsage, fmt::format("{}: {}{}", name_, where, sentence(failure)));
  }

 private:
  Result<void> set_variables(jinja::Interpreter& interpreter, const ChatInput& input,
                             simdjson::dom::parser& parser) const {
    jinja::Heap& heap = interpreter.heap();
    jinja::List* messages = heap.list();
    for (const ChatMessage& message : input.messages) {
      jinja::Dict* dict = heap.dict();
      heap.set(*dict, heap.text(jinja::Text("role")), heap.string(jinja::Text(message.role, !is_usual(message.role))));
      heap.set(*dict, heap.text(jinja::Text("content")), heap.string(jinja::Text(message.content, true)));
      heap.append(*messages, jinja::Value(dict));
    }
    interpreter.set("messages", jinja::Value(messages));
    interpreter.set("add_generation_prompt", jinja::Value(input.add_generation_prompt));
    interpreter.set("tools", jinja::Value::none());
    interpreter.set("documents", jinja::Value::none());
    interpreter.set("bos_token", heap.string(bos_token_));
    interpreter.set("eos_token", heap.string(eos_token_));
    if (input.variables.empty()) return {};
    const Result<simdjson::dom::object> variables =
        parse_json_object(input.variables, "the template's variables", parser);
    if (!variables) return fail(ErrorCode::kUsage, variables.error().message);
    for (const auto [key, value] : *variables)
      interpreter.set(heap.text(jinja::Text(key))->bytes(), to_value(value, heap, 0));
    return {};
  }

  jinja::Template parsed_;
  std::string name_, bos_token_, eos_token_;
};

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::parse(std::string_view source, std::string_view name,
                                                                std::string_view bos_token,
                                                                std::string_view eos_token) try {
  if (source.size() > kMaxTemplateBytes)
    return bad_file(name, "a chat template of {} bytes is longer than the {} that are allowed", source.size(),
                    kMaxTemplateBytes);
  return std::make_shared<const JinjaTemplate>(jinja::parse_template(source), name, bos_token, eos_token);
} catch (const jinja::Failure& failure) {
  return bad_file(name, "line {}: {}", failure.line, sentence(failure));
}

}  // namespace tq
