// A single safetensors file. Configurations and shards: hf_config.h, hugging_face.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/tensor_file_builder.h"

namespace tq {

/// Of the format; also taken as the limit of the index of a sharded model.
constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// Reads the tensors; the views point into `bytes`. kBadFile, with `name` in front. Any bytes are safe. Every byte
/// belongs to the header or to exactly one tensor.
Result<void> parse_safetensors(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder);

}  // namespace tq
