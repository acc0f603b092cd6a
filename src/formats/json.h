// JSON from outside, through simdjson: UTF-8 checked, numbers in range, at most 1024 levels deep.
#pragma once

#include <simdjson.h>

#include <string_view>

#include "formats/message.h"

namespace tq {

/// The root object of `text`. It lives in `parser`. kBadFile when it is not JSON, or not an object. simdjson does not
/// see that a key stands twice; who reads the object must.
inline Result<simdjson::dom::object> parse_json_object(std::string_view text, std::string_view name,
                                                       simdjson::dom::parser& parser) {
  simdjson::dom::element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root)) {
    if (error == simdjson::MEMALLOC) {
      return fail(ErrorCode::kOutOfMemory,
                  fmt::format("{}: its JSON of {} bytes does not fit in memory", name, text.size()));
    }
    std::string_view reason = simdjson::error_message(error);
    return bad_file(name, "its JSON is broken: {}", reason.substr(0, reason.find_first_of(".\n")));
  }
  simdjson::dom::object object;
  if (root.get(object)) return bad_file(name, "its JSON must be an object in braces");
  return object;
}

}  // namespace tq
