// The built-in model's vocabulary and its first two of eight layers: as good as the whole where only arithmetic, files
// or order matter, in a quarter of the time.
#pragma once

#include "support/model_bytes.h"
#include "support/models.h"
#include "support/temporary_folder.h"

namespace tq::test {

/// A GGUF, written once for each process that asks and removed at its end.
inline const std::filesystem::path& short_pycoder_gguf() {
  constexpr std::uint32_t kLayers = 2;
  static const TemporaryFolder folder;
  static const std::filesystem::path path = [] {
    const auto whole = must(TensorFile::open(pycoder_gguf()));
    Gguf file;
    for (const RawKey& raw : whole->raw_keys()) {
      const bool is_count = raw.name == "llama.block_count";
      file.keys.push_back(is_count ? key<std::uint32_t>(raw.name, kU32, kLayers)
                                   : std::string(reinterpret_cast<const char*>(raw.bytes.data()), raw.bytes.size()));
    }
    for (const TensorView& tensor : whole->tensors()) {
      if (tensor.name.starts_with("blk.") && std::stoul(tensor.name.substr(4)) >= kLayers) continue;
      const std::uint32_t type = tensor.type == "f16" ? 1 : 0;  // as GGUF numbers them; the file has no others than f32
      file.tensors.push_back({tensor.name, {tensor.shape.rbegin(), tensor.shape.rend()}, type, file.data.size()});
      file.data.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
      file.data.resize((file.data.size() + file.alignment - 1) / file.alignment * file.alignment);
    }
    return folder.write("short.gguf", file.bytes());
  }();
  return path;
}

}  // namespace tq::test
