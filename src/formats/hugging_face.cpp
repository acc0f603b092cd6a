#include "formats/hugging_face.h"

#include <set>
#include <system_error>

#include "formats/hf_config.h"
#include "formats/json.h"
#include "formats/safetensors.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

bool is_present(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<void> read_config(const fs::path& path, TensorFileBuilder& builder) {
  if (!is_present(path)) return {};
  const Result<std::string> json = read_file(path, kMaxConfigBytes);
  if (!json) return std::unexpected(json.error());
  return parse_hf_config(*json, path.string(), builder.metadata());
}

Result<void> read_tensors(const fs::path& path, TensorFileBuilder& builder) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  return parse_safetensors(builder.keep(std::move(*file)), path.string(), builder);
}

bool is_plain_name(std::string_view name) {
  return is_name(name) && name != "." && name != ".." && name.find_first_of("/\\") == name.npos;
}

Result<void> read_shards(const fs::path& folder, const fs::path& index_path, TensorFileBuilder& builder) {
  const Result<std::string> json = read_file(index_path, kMaxSafetensorsHeader);
  if (!json) return std::unexpected(json.error());
  const auto index = parse_shard_index(*json, index_path.string());
  if (!index) return std::unexpected(index.error());

  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, shard] : *index) shards[shard].insert(tensor);
  for (const auto& [shard, tensors] : shards) {
    if (!is_present(folder / shard)) {
      return bad_file(index_path.string(), "the file {}, which it names, is not beside it; fetch that too",
                      in_quotes(shard));
    }
    const std::size_t before = builder.tensor_count();
    if (Result<void> read = read_tensors(folder / shard, builder); !read) return read;
    for (const std::string& tensor : tensors) {
      const auto position = builder.position(tensor);
      if (!position || *position < before) {
        return bad_file(index_path.string(), "it puts the tensor {} into {}, which has none of that name",
                        in_quotes(tensor), in_quotes(shard));
      }
    }
  }
  return {};
}

}  // namespace

Result<std::map<std::string, std::string>> parse_shard_index(std::string_view json, std::string_view name) {
  simdjson::dom::parser parser;
  const Result<simdjson::dom::object> root = parse_json_object(json, name, parser);
  if (!root) return std::unexpected(root.error());
  std::map<std::string, std::string> index;
  int maps = 0;
  for (const auto [key, value] : *root) {
    if (key != "weight_map") continue;
    simdjson::dom::object entries;
    if (++maps > 1 || value.get(entries)) return bad_file(name, "weight_map must be one object of texts");
    for (const auto [tensor, shard_value] : entries) {
      std::string_view shard;
      if (shard_value.get(shard)) return bad_file(name, "the file of the tensor {} is not a text", in_quotes(tensor));
      if (!is_plain_name(shard)) {
        return bad_file(name, "the file {} of the tensor {} must be a plain file name", in_quotes(shard),
                        in_quotes(tensor));
      }
      if (!index.emplace(tensor, shard).second) return bad_file(name, "the tensor {} stands twice", in_quotes(tensor));
      if (index.size() > TensorFileBuilder::kMaxTensors)
        return bad_file(name, "no model has more than {} tensors", index.size() - 1);
    }
  }
  if (index.empty()) return bad_file(name, "it has no weight_map, so no shard is known");
  return index;
}

Result<void> read_safetensors_file(const fs::path& path, std::span<const std::byte> bytes, TensorFileBuilder& builder) {
  if (Result<void> read = parse_safetensors(bytes, path.string(), builder); !read) return read;
  return read_config(path.parent_path() / "config.json", builder);
}

Result<void> read_hugging_face_folder(const fs::path& folder, TensorFileBuilder& builder) {
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  if (!is_present(single) && !is_present(index)) {
    return bad_file(
        folder.string(),
        "the folder has neither model.safetensors nor model.safetensors.index.json; name a GGUF file in it, or "
        "convert its checkpoint to safetensors");
  }
  Result<void> read = is_present(single) ? read_tensors(single, builder) : read_shards(folder, index, builder);
  if (!read) return read;
  return read_config(folder / "config.json", builder);
}

}  // namespace tq
