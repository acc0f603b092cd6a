#include "cli/units.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <charconv>
#include <cmath>
#include <span>
#include <string_view>

namespace tq::cli {
namespace {

std::string scaled(std::uint64_t value, double step, std::span<const std::string_view> units) {
  auto number = static_cast<double>(value);
  std::size_t unit = 0;
  while (number >= 999.5 && unit + 1 < units.size()) {  // 999.5 would be shown as 1000
    number /= step;
    ++unit;
  }
  const std::string digits = unit == 0 ? fmt::format("{}", value) : three_digits(number);
  return units[unit].empty() ? digits : fmt::format("{} {}", digits, units[unit]);
}

}  // namespace

std::string three_digits(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  const double size = std::abs(value);
  return fmt::format("{:.{}f}", value, size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  return scaled(bytes, 1024.0, kUnits);
}

std::string count_text(std::uint64_t count) {
  static constexpr std::array<std::string_view, 4> kUnits = {"", "K", "M", "B"};
  return scaled(count, 1000.0, kUnits);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::lround(std::fmax(0.0, std::fmin(seconds, 1e9))));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

Result<std::uint64_t> parse_bytes(const std::string& text, std::string_view option) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr std::array kUnits = {Unit{"", 1},       Unit{"B", 1},        Unit{"KB", 1e3},     Unit{"MB", 1e6},
                                 Unit{"GB", 1e9},   Unit{"KiB", 0x1p10}, Unit{"MiB", 0x1p20}, Unit{"GiB", 0x1p30},
                                 Unit{"K", 0x1p10}, Unit{"M", 0x1p20},   Unit{"G", 0x1p30}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  for (const Unit& known : kUnits) {
    if (error == std::errc{} && unit == known.name && value >= 0 && value * known.bytes < 0x1p62)
      return static_cast<std::uint64_t>(value * known.bytes);
  }
  return fail(ErrorCode::kUsage, fmt::format("{} {} is not a size; 1.5GiB and 900MB are", option, text.substr(0, 64)));
}

}  // namespace tq::cli