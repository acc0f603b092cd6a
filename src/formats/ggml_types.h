// The tensor types of GGUF files: how many values a block holds, and in how many bytes.
#pragma once

#include <cstdint>
#include <string_view>

namespace tq {

struct GgmlType {
  std::uint32_t id;
  const char* name;  ///< lower case; a codec's name where there is a codec
  std::uint32_t block_values, block_bytes;
};

/// nullptr for ids that were never given out or were withdrawn (4, 5, 31 to 33, 36 to 38).
const GgmlType* find_ggml_type(std::uint32_t id);
/// nullptr for a name that is no type of GGUF.
const GgmlType* find_ggml_type(std::string_view name);

}  // namespace tq
