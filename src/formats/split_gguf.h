// A GGUF in several files: NAME-00001-of-00003.gguf and so on, keys in the first, tensors in all.
#pragma once

#include <filesystem>
#include <span>

#include "formats/tensor_file_builder.h"

namespace tq {

/// One GGUF file, whose bytes are `bytes`, and the other parts beside it if it is one of several; any of them may be
/// named. kBadFile for a part that is missing, stands in another's place, or has a tensor of another.
Result<void> read_gguf_file(const std::filesystem::path& path, std::span<const std::byte> bytes,
                            TensorFileBuilder& builder);

}  // namespace tq
