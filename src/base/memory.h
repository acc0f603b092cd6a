// What the machine can still give.
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

namespace tq {

/// Bytes that can be allocated without swapping (MemAvailable of Linux); the largest number where the system does not
/// say.
inline std::uint64_t available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  std::uint64_t kibibytes = 0;
  for (std::string unit; info >> key >> kibibytes; std::getline(info, unit)) {
    if (key == "MemAvailable:") return kibibytes * 1024;
  }
  return std::numeric_limits<std::uint64_t>::max();
}

}  // namespace tq
