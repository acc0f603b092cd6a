// GGUF, versions 2 and 3 (little-endian): one file.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "formats/tensor_file_builder.h"

namespace tq {

/// Reads metadata and tensors of a GGUF; the views point into `bytes`. kBadFile, with `name` in front. Any bytes are
/// safe.
///
/// Stricter than the format asks for, since real writers keep to it: tensors follow each other with less than the
/// alignment between them and behind the last, in any order of the table; keys are printable ASCII and stand once.
Result<void> parse_gguf(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder);
/// The same of a file that may be one part of several.
Result<void> parse_gguf_part(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder);

}  // namespace tq
