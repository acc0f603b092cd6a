// The two JSON files beside safetensors: config.json and the index of shards.
#include "formats/hf_config.h"

#include "base/bytes.h"
#include "check.h"
#include "formats/hugging_face.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  const std::string_view json = as_text(std::as_bytes(std::span(data, size)));
  Metadata metadata;
  if (const Result<void> read = parse_hf_config(json, "input", metadata); !read)
    fuzz::check_error(read.error(), "input");
  for (const auto& [key, value] : metadata.values()) fuzz::require(key.starts_with("hf."));
  const auto index = parse_shard_index(json, "input");
  if (!index) {
    fuzz::check_error(index.error(), "input");
    return 0;
  }
  for (const auto& [tensor, file] : *index) {
    fuzz::require(!file.empty() && file != "." && file != ".." && file.find_first_of("/\\\n") == file.npos);
  }
  return 0;
}
