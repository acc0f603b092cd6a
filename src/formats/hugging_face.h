// Models as Hugging Face lays them out: safetensors with a config.json beside them.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "formats/tensor_file_builder.h"

namespace tq {

/// A folder with model.safetensors, or with model.safetensors.index.json and the shards that it names.
Result<void> read_hugging_face_folder(const std::filesystem::path& folder, TensorFileBuilder& builder);

/// One safetensors file, whose bytes are `bytes`, and the config.json beside it if there is one.
Result<void> read_safetensors_file(const std::filesystem::path& path, std::span<const std::byte> bytes,
                                   TensorFileBuilder& builder);

/// The weight_map of a model.safetensors.index.json: tensor → file. File names are plain names, with no way out of the
/// folder.
Result<std::map<std::string, std::string>> parse_shard_index(std::string_view json, std::string_view name);

}  // namespace tq
