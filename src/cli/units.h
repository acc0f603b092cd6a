// Numbers as people read them: three digits and a unit.
#pragma once

#include <cstdint>
#include <string>

namespace tq::cli {

std::string bytes_text(std::uint64_t bytes);  ///< "512 B", "8.88 MiB", "1.02 GiB"
std::string count_text(std::uint64_t count);  ///< "980", "4.59 M", "1.24 B"
std::string three_digits(double value);       ///< "0.12", "8.88", "14.9", "512", "20481"
std::string duration_text(double seconds);    ///< "0:07", "12:34", "1:02:03"

/// The largest memory that this process ever had in use.
std::uint64_t peak_memory();

}  // namespace tq::cli
