// Templates run with variables that are written as JSON.
#pragma once

#include <string>
#include <string_view>

#include "support/must.h"
#include "turboquant/chat.h"

namespace tq::test {

inline std::string text_of(const std::vector<TextPart>& parts) {
  std::string text;
  for (const TextPart& part : parts) text += part.text;
  return text;
}

inline std::string rendered(std::string_view source, const std::string& variables = {}) {
  const auto parsed = must(ChatTemplate::parse(source, "t", "<s>", "</s>"));
  return text_of(must(parsed->render({.messages = {}, .variables = variables, .now = 1700000000})));
}

/// The message of a template that cannot be parsed, or that fails when it runs; empty when neither happens.
inline std::string failure_of(std::string_view source, const std::string& variables = {}) {
  const auto parsed = ChatTemplate::parse(source, "t", "<s>", "</s>");
  if (!parsed) return parsed.error().message;
  const auto parts = (*parsed)->render({.messages = {}, .variables = variables, .now = 1700000000});
  return parts ? "" : parts.error().message;
}

}  // namespace tq::test
