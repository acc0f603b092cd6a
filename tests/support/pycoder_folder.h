// The built-in model as a Hugging Face folder. The repository holds its weights once, as GGUF; tools/pycoder/export.py
// makes the same folder.
#pragma once

#include <map>

#include "support/model_bytes.h"
#include "support/models.h"
#include "support/temporary_folder.h"

namespace tq::test {

/// Rows of q and k from adjacent pairs (GGUF) to first half, second half (Hugging Face), head by head.
inline std::string half_split(std::string_view rows, std::size_t row_bytes, std::size_t head_dim) {
  std::string split;
  for (std::size_t head = 0; head < rows.size() / row_bytes; head += head_dim) {
    for (const std::size_t side : {0, 1}) {
      for (std::size_t pair = 0; pair < head_dim / 2; ++pair)
        split += rows.substr((head + 2 * pair + side) * row_bytes, row_bytes);
    }
  }
  return split;
}

/// Written once for each process that asks, removed at its end.
inline const std::filesystem::path& pycoder_folder() {
  static const TemporaryFolder folder;
  static const bool written = [] {
    const std::map<std::string, std::string> names = {
        {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"}, {"attn_q", "self_attn.q_proj"},
        {"attn_k", "self_attn.k_proj"},   {"attn_v", "self_attn.v_proj"},           {"attn_output", "self_attn.o_proj"},
        {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},                {"ffn_down", "mlp.down_proj"}};
    const auto gguf = must(TensorFile::open(pycoder_gguf()));
    std::string header, data;
    for (const TensorView& tensor : gguf->tensors()) {
      std::string name = tensor.name;
      if (name == "token_embd.weight") name = "model.embed_tokens.weight";
      if (name == "output_norm.weight") name = "model.norm.weight";
      if (name.starts_with("blk.")) {
        const std::size_t layer = name.find('.', 4), end = name.rfind('.');
        name = "model.layers." + name.substr(4, layer - 4) + "." + names.at(name.substr(layer + 1, end - layer - 1)) +
               name.substr(end);
      }
      std::string raw(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
      if (name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight"))
        raw = half_split(raw, raw.size() / tensor.shape[0], 64);
      std::string shape;
      for (const std::uint64_t size : tensor.shape) shape += (shape.empty() ? "[" : ",") + std::to_string(size);
      header += (header.empty() ? "{" : ",") +
                entry(name, tensor.shape.size() == 1 ? "F32" : "F16", shape + "]", data.size(), data.size() + raw.size());
      data += raw;
    }
    folder.write("model.safetensors", safetensors(header + "}", data));
    for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"})
      std::filesystem::copy_file(pycoder() / name, folder.path() / name);
    return true;
  }();
  (void)written;
  return folder.path();
}

}  // namespace tq::test
