// Figures in columns, for a terminal. What is not finite is a dash.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "turboquant/eval.h"

namespace tq::eval {

std::string or_dash(double value, std::string text);  ///< `text`, or a dash where `value` is not finite
std::string percent(double share);                    ///< "98.44"
std::string speed(double per_second);                 ///< "153"
std::string cache_bits(const EvalRow& row);           ///< of keys and values: "16", "4.25", "4.25:2.25"
std::string kibibytes(std::uint64_t bytes);

/// Lines of equally many cells, the titles first. Columns from `first_number` on stand to the right.
std::string text_table(std::span<const std::vector<std::string>> lines, std::size_t first_number);

}  // namespace tq::eval
