// Rows through a codec and back.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "turboquant/codec.h"

namespace tq::test {

inline std::vector<std::byte> encode(const Codec& codec, const std::vector<float>& rows) {
  const std::size_t n = rows.size() / codec.dim();
  std::vector<std::byte> coded(codec.storage_bytes(n));
  Workspace scratch;
  for (std::size_t r = 0; r < n; ++r) codec.encode(rows.data() + r * codec.dim(), coded.data(), r, scratch);
  return coded;
}

inline std::vector<float> round_trip(const Codec& codec, const std::vector<float>& rows) {
  const std::vector<std::byte> coded = encode(codec, rows);
  std::vector<float> decoded(rows.size());
  codec.decode(coded.data(), 0, rows.size() / codec.dim(), decoded.data());
  return decoded;
}

/// ‖x − x̂‖² / ‖x‖², over all rows together.
inline double relative_error(const std::vector<float>& rows, const std::vector<float>& decoded) {
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    error += std::pow(static_cast<double>(rows[i]) - static_cast<double>(decoded[i]), 2);
    energy += std::pow(static_cast<double>(rows[i]), 2);
  }
  return error / energy;
}

inline double relative_error(const Codec& codec, const std::vector<float>& rows) {
  return relative_error(rows, round_trip(codec, rows));
}

}  // namespace tq::test
