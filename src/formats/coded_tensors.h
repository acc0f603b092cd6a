// What a GGUF says of the tensors that `tq quantize` wrote: docs/file-format.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/codec.h"
#include "turboquant/result.h"
#include "turboquant/tensor_file.h"

namespace tq {

constexpr std::int64_t kCodedFileVersion = 1;
constexpr std::string_view kCodedKeys = "turboquant.";  ///< what all of them begin with
constexpr std::string_view kVersionKey = "turboquant.version";
constexpr std::string_view kHeaderChecksumKey = "turboquant.header_checksum";
constexpr std::string_view kCodecsKey = "turboquant.codecs";
constexpr std::string_view kTensorsKey = "turboquant.tensor.names";
constexpr std::string_view kTensorCodecsKey = "turboquant.tensor.codecs";
constexpr std::string_view kTensorColumnsKey = "turboquant.tensor.columns";
constexpr std::string_view kTensorRowsKey = "turboquant.tensor.rows";
constexpr std::string_view kTensorChecksumsKey = "turboquant.tensor.checksums";
/// Behind the name of a coded tensor, so that no program takes its bytes for weights.
constexpr std::string_view kCodedSuffix = ".tqw";

/// Every field of a spec: `tq4 rotation=random-hadamard rounds=3 block=0 scale=least-squares wide=0 layout=interleaved
/// seed=1 version=1`.
std::string coding_text(const CodecSpec& spec);
/// kUsage, with what is wrong, for anything that coding_text() does not write or this build cannot decode.
Result<CodecSpec> parse_coding(std::string_view text);

/// Whether rows of this length can be coded as `spec` in a file: their rotation must not need a table of more than 256
/// MiB, which only lengths with an odd factor above 8192 do. What the codec itself asks for, make_codec() knows.
bool is_row_for_files(const CodecSpec& spec, std::uint64_t columns);

/// Whether any key is one of those above, so that a damaged version is no way around them.
bool is_coded_file(const Metadata& metadata);

/// Gives `tensors`, all of the table in its order, their names, types, shapes, codings and checksums. kBadFile, with
/// `name` in front. Payloads are not looked at.
Result<void> read_coded_tensors(const Metadata& metadata, std::span<TensorView* const> tensors, std::string_view name);

}  // namespace tq
