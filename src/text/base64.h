// Bytes as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tq {

/// RFC 4648, with padding; nothing when `text` is not in that form, or has bits that belong to no byte.
std::optional<std::string> read_base64(std::string_view text);

}  // namespace tq
