#include "eval/layer_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/text_table.h"

namespace tq {
namespace {

/// "0.0951 (3)".
std::string largest(const EvalRow& row, VectorError LayerError::*tensor) {
  std::size_t at = 0;
  for (std::size_t l = 0; l < row.layers.size(); ++l) {
    const double error = (row.layers[l].*tensor).relative_error;
    if (!std::isfinite(error)) return fmt::format("- ({})", l);
    if (error > (row.layers[at].*tensor).relative_error) at = l;
  }
  const double error = (row.layers[at].*tensor).relative_error;
  return error == 0 ? "0" : fmt::format("{:.3g} ({})", error, at);
}

}  // namespace

std::optional<std::size_t> worst_layer(const EvalRow& row) {
  std::optional<std::size_t> worst;
  double before = 0, most = 0;
  for (std::size_t l = 0; l < row.layers.size(); ++l) {
    const double error = row.layers[l].hidden.relative_error;
    if (!std::isfinite(error)) return l;
    if (error - before > most) worst = l;
    most = std::max(most, error - before);
    before = error;
  }
  return worst;
}

std::vector<std::vector<std::string>> eval::layer_lines(const EvalReport& report) {
  std::vector<std::vector<std::string>> lines;
  for (const EvalRow& row : report.rows) {
    if (row.layers.empty()) continue;
    if (lines.empty()) lines.push_back({"layers", "K", "V", "attention", "hidden", "worst"});
    const std::optional<std::size_t> worst = worst_layer(row);
    lines.push_back({row_name(report, row), largest(row, &LayerError::k), largest(row, &LayerError::v),
                     largest(row, &LayerError::attention), largest(row, &LayerError::hidden),
                     worst ? fmt::format("{}", *worst) : "-"});
  }
  return lines;
}

}  // namespace tq
