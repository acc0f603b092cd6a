#include "cli/units.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
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

}  // namespace tq::cli
