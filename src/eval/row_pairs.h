// Rows next to each other: which of two is closer to the base, beyond chance?
#pragma once

#include <span>
#include <string>
#include <vector>

#include "turboquant/report.h"

namespace tq::eval {

/// EvalReport::pairs of rows that have seen the same tokens.
std::vector<RowPair> pairs_of(std::span<const Comparison* const> rows);

/// Titles, and a line for each row in the order of ranking(): what changes from the row above it. Empty where there are
/// no two rows, or the report has no pairs.
std::vector<std::vector<std::string>> ranking_lines(const EvalReport& report);

/// What the figures are, for people.
constexpr const char* kRankingNote =
    "Δ: from the row above, token by token; beyond chance: by more than three standard errors";

}  // namespace tq::eval
