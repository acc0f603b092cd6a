#include "eval/text_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tq::eval {
namespace {

/// Letters as a terminal counts them: bytes that continue a UTF-8 character take no column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string padded(const std::string& text, std::size_t width, bool to_the_right) {
  const std::string spaces(width - std::min(width, width_of(text)), ' ');
  return to_the_right ? spaces + text : text + spaces;
}

}  // namespace

std::string or_dash(double value, std::string text) { return std::isfinite(value) ? std::move(text) : "-"; }

std::string percent(double share) { return or_dash(share, fmt::format("{:.2f}", 100 * share)); }

std::string speed(double per_second) { return or_dash(per_second, fmt::format("{:.0f}", per_second)); }

std::string cache_bits(const EvalRow& row) {
  const auto text = [](double value) { return fmt::format("{:.4g}", value); };
  return row.kv_bits_k == row.kv_bits_v ? text(row.kv_bits_k) : text(row.kv_bits_k) + ":" + text(row.kv_bits_v);
}

std::string kibibytes(std::uint64_t bytes) { return fmt::format("{:.0f}", static_cast<double>(bytes) / 1024); }

std::string text_table(std::span<const std::vector<std::string>> lines, std::size_t first_number) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  std::string table;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) text += padded(line[i], widths[i], i >= first_number) + "  ";
    text.erase(text.find_last_not_of(' ') + 1);
    table += text + "\n";
  }
  return table;
}

}  // namespace tq::eval
