// The config.json of a Hugging Face model.
#pragma once

#include <cstdint>
#include <string_view>

#include "turboquant/result.h"
#include "turboquant/tensor_file.h"

namespace tq {

/// Published ones have a few kilobytes; label lists of classifiers reach a megabyte.
constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{16} << 20;

/// Sets `hf.` and the path of keys, joined by dots, for each number, text, truth value, and array of one of these
/// (truth values become integers). null, empty arrays and all other arrays are left out. kBadFile, with `name` in
/// front. Any bytes are safe.
Result<void> parse_hf_config(std::string_view json, std::string_view name, Metadata& metadata);

}  // namespace tq
