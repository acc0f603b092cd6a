// The keys of a compressed file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "compress/plan.h"
#include "formats/gguf_writer.h"

namespace tq {

/// The keys of the model: those of a GGUF byte for byte, without what speaks of its tensors; those of another format
/// from its configuration, with the tokenizer.json beside it. kUsage where the configuration is of no architecture.
Result<GgufKeys> model_keys(const TensorFile& file, std::uint64_t alignment);

/// Appends what coded_tensors.h reads. Returns where the digits of the header's checksum, zeros so far, end in a file
/// with these keys.
std::size_t add_coding_keys(GgufKeys& keys, const std::vector<PlannedTensor>& plan,
                            std::span<const std::uint64_t> checksums);

}  // namespace tq
