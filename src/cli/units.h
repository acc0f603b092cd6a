// Numbers as people read them: three digits and a unit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "turboquant/result.h"

namespace tq::cli {

std::string bytes_text(std::uint64_t bytes);  ///< "512 B", "8.88 MiB", "1.02 GiB"
std::string count_text(std::uint64_t count);  ///< "980", "4.59 M", "1.24 B"
std::string three_digits(double value);       ///< "0.12", "8.88", "14.9", "512", "20481"
std::string duration_text(double seconds);    ///< "0:07", "12:34", "1:02:03"

/// "1.5GiB", "900MB", "1234": the way back, without or with a space. kUsage, naming `option`, for anything else.
Result<std::uint64_t> parse_bytes(const std::string& text, std::string_view option);

/// The largest memory that this process ever had in use.
std::uint64_t peak_memory();

}  // namespace tq::cli
