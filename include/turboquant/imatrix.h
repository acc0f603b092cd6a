// How much each input of a model's linear layers matters on a text, as files of llama.cpp's llama-imatrix have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/result.h"

namespace tq {

struct ImportanceMatrix {
  /// GGUF name of a matrix → the mean of x_j² over the tokens of the text, for each column j; of a stack those of all
  /// experts, one behind the other, 0 where an expert saw no token.
  std::map<std::string, std::vector<float>, std::less<>> squares = {};
  std::string text = {};     ///< the name of the text, if the file has one
  std::uint64_t tokens = 0;  ///< that each layer saw; 0 when the file does not say it
};

/// Reads the GGUF form and the older binary one (`.dat`), told apart by the first bytes. kBadFile for anything else,
/// with `name` in front: counts beyond the end, values that are no finite number from 0, a name that stands twice.
/// Fuzzed.
Result<ImportanceMatrix> parse_imatrix(std::span<const std::byte> bytes, std::string_view name);
Result<ImportanceMatrix> read_imatrix(const std::filesystem::path& path);
/// The GGUF form. Chunks are of `chunk_tokens`. kFailed.
Result<void> write_imatrix(const ImportanceMatrix& matrix, std::uint32_t chunk_tokens,
                           const std::filesystem::path& path);

}  // namespace tq
