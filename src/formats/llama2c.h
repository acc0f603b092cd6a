// The .bin checkpoints of llama2.c: version 0 (no magic) and version 1 ("ak42"), both f32.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "formats/tensor_file_builder.h"

namespace tq {

/// Whether `bytes` begin as a checkpoint of version 0 does: seven sizes that fit each other.
bool looks_like_llama2c(std::span<const std::byte> bytes);

/// Reads a checkpoint under GGUF's keys and tensor names; rotary pairs are adjacent, as in GGUF. The views point into
/// `bytes`. The name of the model is the stem of the file name `name`. kBadFile, with `name` in front. Any bytes are
/// safe.
Result<void> parse_llama2c(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder);

}  // namespace tq
