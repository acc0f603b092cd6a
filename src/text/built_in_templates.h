// Chat templates of well-known formats, for models that lost theirs.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace tq {

struct BuiltInTemplate {
  std::string_view name, source;
};
const std::vector<BuiltInTemplate>& built_in_templates();

}  // namespace tq
