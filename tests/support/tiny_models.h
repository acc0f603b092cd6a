// The tiny models of tools/tiny_models, made from their recipes: as a GGUF in memory, and as a Hugging Face folder.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/float16.h"
#include "base/random.h"
#include "support/model_bytes.h"
#include "support/models.h"
#include "support/temporary_folder.h"

namespace tq::test {

inline const std::vector<std::string>& tiny_models() {
  static const std::vector<std::string> names = {"llama",  "llama-linear", "llama-yarn", "mistral", "mixtral",
                                                 "qwen2",  "qwen3",        "qwen3moe",   "smollm3", "gemma2",
                                                 "gemma3", "phi3",         "gpt2"};
  return names;
}

class TinyModel {
 public:
  explicit TinyModel(const std::string& name)
      : recipe(nlohmann::json::parse(
            std::ifstream(std::filesystem::path(TQ_SOURCE_DIR) / "tests/engine/tiny_models" / (name + ".json")))) {
    for (const auto& [tensor, from] : recipe.at("tensors").items()) {
      std::uint64_t state = from.at("seed");
      Tensor made{from.at("shape"), {}};
      std::size_t n = 1;
      for (const std::size_t size : made.shape) n *= size;
      const double unit = std::ldexp(1.0, -from.at("exponent").get<int>()), added = from.at("added");
      for (std::size_t i = 0; i < n; ++i)
        made.values.push_back(static_cast<float>((static_cast<double>(next_random(state) >> 56) - 128) * unit + added));
      tensors[tensor] = std::move(made);
    }
  }

  /// The bytes of a GGUF: matrices in the recipe's type, the rest in f32.
  std::string gguf() const {
    Gguf file;
    for (const auto& [name, value] : recipe.at("gguf_keys").items()) {
      if (value.is_string()) file.keys.push_back(text_key(name, value));
      if (value.is_number_integer()) file.keys.push_back(key<std::uint32_t>(name, kU32, value));
      if (value.is_number_float()) file.keys.push_back(key<float>(name, kF32, value));
    }
    for (const auto& [name, made] : recipe.at("gguf").items()) add(file, name, changed(made));
    for (const auto& [name, values] : recipe.at("gguf_floats").items())
      add(file, name, {{values.size()}, values.get<std::vector<float>>()});
    return file.bytes();
  }

  /// The same as transformers writes it, into `folder`.
  void write_folder(const TemporaryFolder& folder) const {
    std::string header, data;
    for (const auto& [name, tensor] : tensors) {
      const std::string raw = encoded(tensor.values, recipe.at("type"));
      const std::string type = recipe.at("type") == "f16" ? "F16" : recipe.at("type") == "bf16" ? "BF16" : "F32";
      header += (header.empty() ? "{" : ",") +
                entry(name, type, nlohmann::json(tensor.shape).dump(), data.size(), data.size() + raw.size());
      data += raw;
    }
    folder.write("model.safetensors", safetensors(header + "}", data));
    folder.write("config.json", recipe.at("config").dump());
  }

  struct Tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
  };
  nlohmann::json recipe;
  std::map<std::string, Tensor> tensors;  ///< by their names in Hugging Face's files

 private:
  Tensor changed(const nlohmann::json& made) const {
    const std::string change = made.at("change");
    Tensor result = tensors.at(made.at("from").at(0));
    const std::size_t rows = result.shape[0], cols = result.values.size() / rows;
    const std::vector<float> before = result.values;
    if (change == "plus_one") std::for_each(result.values.begin(), result.values.end(), [](float& w) { w += 1; });
    if (change == "transpose") {
      result.shape = {cols, rows};
      for (std::size_t i = 0; i < before.size(); ++i) result.values[i % cols * rows + i / cols] = before[i];
    }
    if (change == "pairs") {
      const std::size_t head = recipe.at("head_dim"), half = head / 2;
      for (std::size_t i = 0; i < before.size(); ++i) {
        const std::size_t row = i / cols, in_head = row % head;
        const std::size_t to = row - in_head + 2 * (in_head % half) + in_head / half;
        result.values[to * cols + i % cols] = before[i];
      }
    }
    if (change == "stack") {
      result.shape.insert(result.shape.begin(), made.at("from").size());
      for (std::size_t e = 1; e < made.at("from").size(); ++e) {
        const std::vector<float>& more = tensors.at(made.at("from").at(e)).values;
        result.values.insert(result.values.end(), more.begin(), more.end());
      }
    }
    return result;
  }

  void add(Gguf& file, const std::string& name, const Tensor& tensor) const {
    const bool exact = tensor.shape.size() == 1 || name.find("ffn_gate_inp") != name.npos;  // as converters do
    const std::string type = exact ? "f32" : recipe.at("type");
    std::vector<std::uint64_t> dims(tensor.shape.rbegin(), tensor.shape.rend());
    file.data.resize((file.data.size() + 31) / 32 * 32);
    file.tensors.push_back({name, dims, type == "f32" ? 0U : type == "f16" ? 1U : 30U, file.data.size()});
    file.data += encoded(tensor.values, type);
  }

  static std::string encoded(const std::vector<float>& values, const std::string& type) {
    Bytes bytes;
    for (const float value : values) {
      if (type == "f32") bytes.add(value);
      if (type == "f16") bytes.add(float_to_half(value));
      if (type == "bf16") bytes.add(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16));  // exact
    }
    return bytes.get();
  }
};

/// The GGUF of a tiny model with a tensor for each expert, as converters wrote it before they stacked them.
inline std::string gguf_with_single_experts(TinyModel tiny) {
  const nlohmann::json stacked = tiny.recipe.at("gguf");
  nlohmann::json& tensors = tiny.recipe.at("gguf");
  for (const auto& [name, made] : stacked.items()) {
    if (made.at("change") != "stack") continue;
    tensors.erase(name);
    const std::string stem = name.substr(0, name.find("_exps"));
    for (std::size_t e = 0; e < made.at("from").size(); ++e)
      tensors[stem + "." + std::to_string(e) + ".weight"] = {{"from", {made.at("from").at(e)}}, {"change", ""}};
  }
  return tiny.gguf();
}

/// One model from both kinds of files. The files live as long as this.
struct TinyFiles {
  explicit TinyFiles(const std::string& name) : tiny(name), bytes(tiny.gguf()) {
    tiny.write_folder(folder);
    gguf = must(TensorFile::from_gguf(bytes_of(bytes), name + ".gguf"));
    hugging_face = must(TensorFile::open(folder.path()));
  }
  TinyModel tiny;
  std::string bytes;
  TemporaryFolder folder;
  std::shared_ptr<const TensorFile> gguf, hugging_face;
};

/// The tokens of a run of the recipe.
inline std::vector<TokenId> tiny_tokens(const nlohmann::json& run, std::size_t vocab_size) {
  std::uint64_t state = run.at("token_seed");
  std::vector<TokenId> tokens(run.at("tokens").get<std::size_t>());
  for (TokenId& token : tokens) token = static_cast<TokenId>((next_random(state) >> 33) % vocab_size);
  return tokens;
}

}  // namespace tq::test
