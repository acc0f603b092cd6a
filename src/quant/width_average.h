// Averages such as tq3.5: two neighbouring widths of one kind of codec, and a number between them.
#pragma once

#include <optional>
#include <string_view>

#include "turboquant/codec.h"

namespace tq {

struct WidthAverage {
  CodecSpec lower, higher;
  double bits = 0;  ///< of a code on average: lower.bits < bits < higher.bits
};

/// Nothing for any text but the name of a codec whose width has a fraction.
std::optional<WidthAverage> parse_width_average(std::string_view text);

/// The codec whose name is that of `spec` with one more bit, as CodecSpec::parse() gives it. kUsage where there is none.
Result<CodecSpec> one_bit_wider(const CodecSpec& spec);

}  // namespace tq
