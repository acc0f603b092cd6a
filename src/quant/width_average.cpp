#include "quant/width_average.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tq {

std::optional<WidthAverage> parse_width_average(std::string_view text) {
  const std::size_t digit = text.find_first_of("0123456789");
  if (digit == std::string_view::npos || digit == 0 || text.size() > 16 || text.find('.') == std::string_view::npos) return std::nullopt;
  WidthAverage average;
  const auto [end, error] = std::from_chars(text.data() + digit, text.data() + text.size(), average.bits, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !(average.bits >= 1 && average.bits < 16)) return std::nullopt;
  const auto lower_bits = static_cast<unsigned>(average.bits);
  if (average.bits == lower_bits) return std::nullopt;
  const std::string_view stem = text.substr(0, digit);
  const Result<CodecSpec> lower = CodecSpec::parse(fmt::format("{}{}", stem, lower_bits));
  const Result<CodecSpec> higher = CodecSpec::parse(fmt::format("{}{}", stem, lower_bits + 1));
  if (!lower || !higher) return std::nullopt;
  average.lower = *lower;
  average.higher = *higher;
  return average;
}

Result<CodecSpec> one_bit_wider(const CodecSpec& spec) {
  const std::string name = spec.name();
  const std::size_t digit = std::min(name.find_first_of("0123456789"), name.size());
  const std::size_t behind = std::min(name.find_first_not_of("0123456789", digit), name.size());
  return CodecSpec::parse(fmt::format("{}{}{}", name.substr(0, digit), spec.bits + 1, name.substr(behind)));
}

}  // namespace tq
