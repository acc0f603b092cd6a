// The page that shows reports of every kind.
#pragma once

#include <string>
#include <string_view>

namespace tq::eval {

/// The page with the figures in it. `json` is of schema turboquant.report/1: lists `reports`, `comparisons`,
/// `retrievals` and `tasks`, each but the first of which may be absent.
std::string page_of(std::string_view json);
/// The page of one report, as JSON, in one of the lists.
std::string page_of(std::string_view list, std::string_view report);

}  // namespace tq::eval
