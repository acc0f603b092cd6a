// A JSON schema, a zero byte, and a text that is followed as far as the schema allows it.
#include <nlohmann/json.hpp>
#include <string>

#include "check.h"
#include "turboquant/output_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view schema = input.substr(0, input.find('\0'));
  const std::string_view text = input.substr(std::min(schema.size() + 1, size));
  const auto grammar = OutputGrammar::from_json_schema(schema, "input");
  if (!grammar) {
    if (grammar.error().code != ErrorCode::kUsage) fuzz::check_error(grammar.error(), "input");
    return 0;
  }
  OutputConstraint constraint(*grammar);
  std::string written;
  for (const char byte : text) {
    if (!constraint.allows({&byte, 1})) continue;
    constraint.accept({&byte, 1});
    written += byte;
  }
  fuzz::require(!constraint.must_end() || constraint.may_end());
  if (!constraint.may_end()) return 0;
  try {
    [[maybe_unused]] const auto json =
        nlohmann::json::parse(written);            // a parse_error that nobody catches is a finding
  } catch (const nlohmann::json::out_of_range&) {  // a number beyond double
  }
  return 0;
}
