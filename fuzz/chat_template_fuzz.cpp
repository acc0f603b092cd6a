// Chat templates. What is no template, or fails when it runs, says so in one line; what renders keeps the user's text
// apart.
#include <string>
#include <string_view>

#include "check.h"
#include "turboquant/chat.h"

namespace tq {
namespace {

using fuzz::require;

/// U+2603 is in no template that does not write it itself.
constexpr std::string_view kUserText = "\xE2\x98\x83";

void check_message(const Error& error) {
  require(error.message.starts_with("input: ") && error.message.size() < 1000);
  for (const char c : error.message) require(!((c >= 0 && c < 0x20) || c == 0x7F));
}

void render(std::string_view source, std::string variables) {
  const auto parsed = ChatTemplate::parse(source, "input", "<s>", "</s>");
  if (!parsed) {
    require(parsed.error().code == ErrorCode::kBadFile);
    return check_message(parsed.error());
  }
  const std::string text = "a " + std::string(kUserText) + " \xC3 b\n";
  const auto parts =
      (*parsed)->render({.messages = {{"system", text}, {"user", text}, {"assistant", text}, {"user", text}},
                         .variables = std::move(variables)});
  if (!parts) {
    require(parts.error().code == ErrorCode::kUsage);
    return check_message(parts.error());
  }
  if (source.find(kUserText) != source.npos || source.find('\\') != source.npos)
    return;  // written by itself, or escaped
  for (const TextPart& part : *parts) {
    require(!part.text.empty());
    require(!part.parse_special || part.text.find(kUserText) == part.text.npos);
  }
}

}  // namespace
}  // namespace tq

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  tq::render(source, R"({"tools": [{"name": "f", "n": [1, 2.5, null, true]}], "x": 3})");
  return 0;
}
