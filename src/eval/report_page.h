// The page that shows reports of every kind.
#pragma once

#include <string>
#include <string_view>

namespace tq::eval {

/// The page with the figures in it. `json` is of schema turboquant.report/1: lists `reports`, `comparisons` and
/// `retrievals`, each of which may be absent.
std::string page_of(std::string_view json);

}  // namespace tq::eval
