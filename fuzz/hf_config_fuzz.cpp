// The two JSON files beside safetensors: config.json, also as every architecture reads it, and the index of shards.
#include "formats/hf_config.h"

#include "base/bytes.h"
#include "check.h"
#include "formats/hugging_face.h"
#include "turboquant/model.h"

namespace {

using namespace tq;

/// A model whose only tensor is the embedding, by both of its names.
void check_config(Metadata metadata) {
  TensorFileBuilder builder;
  builder.metadata() = std::move(metadata);
  for (const char* name : {"model.embed_tokens.weight", "wte.weight"})
    fuzz::require(builder.add({.name = name, .type = "f32", .shape = {8, 8}, .bytes = {}}));
  const auto config = read_model_config(*builder.finish("input", "safetensors"));
  if (!config) {
    if (config.error().code != ErrorCode::kUsage) fuzz::check_error(config.error(), "input");
    for (const char c : config.error().message) fuzz::require(!((c >= 0 && c < 0x20) || c == 0x7F));
    return;
  }
  fuzz::require(config->layers.empty() || config->layers.size() == config->n_layers);
  fuzz::require(config->n_experts_used <= config->n_experts && config->n_experts <= 4096);
  for (const auto* divisors : {&config->rope_scaling.divisors, &config->rope_scaling.long_divisors})
    fuzz::require(divisors->empty() || divisors->size() == config->rope_dim / 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json = as_text(std::as_bytes(std::span(data, size)));
  Metadata metadata;
  if (const Result<void> read = parse_hf_config(json, "input", metadata); !read)
    fuzz::check_error(read.error(), "input");
  for (const auto& [key, value] : metadata.values()) fuzz::require(key.starts_with("hf."));
  check_config(std::move(metadata));
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
