// Tokens as a tree.
#pragma once

#include <string_view>

#include "text/jinja/syntax.h"

namespace tq::jinja {

/// Throws a Failure with the line for what is no template, or nests too deep.
Template parse_template(std::string_view source);

}  // namespace tq::jinja
