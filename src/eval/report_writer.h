// What the JSON reports of eval, compare and needle have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "turboquant/eval.h"

namespace tq::eval {

using Json = nlohmann::ordered_json;

/// null where `value` is not finite.
Json finite(double value);

/// `schema`, `model` and `machine`: how every report begins.
Json report_head(const char* schema, const decltype(EvalReport::model)& model,
                 const decltype(EvalReport::machine)& machine);

/// The specs, bits and bytes of a level: how every row begins.
Json row_head(const EvalRow& level);

/// Indented; what is no UTF-8 in a name or a text becomes U+FFFD.
std::string text_of(const Json& json);

}  // namespace tq::eval
