// The errors of layers in a few figures for each row.
#pragma once

#include <string>
#include <vector>

#include "turboquant/report.h"

namespace tq::eval {

/// Titles, and a line for each row whose layers were measured: its name, the largest relative error of keys, values,
/// attention output and hidden state with the layer that has it, and worst_layer(). Empty where there is no such row.
std::vector<std::vector<std::string>> layer_lines(const EvalReport& report);

/// What the figures are, for people.
constexpr const char* kLayerNote =
    "largest relative error of a layer against the base (which layer, from 0);\n"
    "worst: the layer that raises the error of the hidden state the most";

}  // namespace tq::eval
