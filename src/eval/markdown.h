// Names from files inside Markdown.
#pragma once

#include <string>
#include <string_view>

namespace tq::eval {

/// Everything that Markdown or HTML would take for markup is escaped.
std::string escaped_markdown(std::string_view text);
/// A code block whose fence is longer than any run of backticks in it.
std::string markdown_code(std::string_view text);

}  // namespace tq::eval
