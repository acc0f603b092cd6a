// Small vocabularies to tokenize with, and to break.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/model_bytes.h"
#include "support/must.h"
#include "support/shared_data.h"
#include "text/byte_alphabet.h"
#include "turboquant/tokenizer.h"

namespace tq::test {

using Ids = std::vector<TokenId>;
using TokenizerPointer = std::shared_ptr<const Tokenizer>;

inline std::string contents_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The 256 bytes, which are the ids 0 to 255, and what the merges of `merges` make, in their order.
inline Metadata byte_metadata(const std::vector<std::pair<std::string, std::string>>& merges,
                              const std::string& pre = "gpt-2") {
  Metadata::Strings tokens, lines;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(ByteAlphabet::spell(static_cast<std::uint8_t>(byte)));
  for (const auto& [left, right] : merges) {
    if (std::ranges::find(tokens, left + right) == tokens.end()) tokens.push_back(left + right);
    lines.push_back(left + " " + right);
  }
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", pre);
  metadata.set("tokenizer.ggml.token_type", Metadata::Integers(tokens.size(), 1));
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.merges", std::move(lines));
  return metadata;
}

/// Adds a token of a type of GGUF (3 control, 4 user-defined) and returns its id.
inline TokenId add_token(Metadata& metadata, const std::string& text, std::int64_t type, double score = 0) {
  Metadata::Strings tokens = *metadata.strings("tokenizer.ggml.tokens");
  Metadata::Integers types = *metadata.integers("tokenizer.ggml.token_type");
  tokens.push_back(text);
  types.push_back(type);
  const auto id = static_cast<TokenId>(tokens.size() - 1);
  metadata.set("tokenizer.ggml.tokens", std::move(tokens));
  metadata.set("tokenizer.ggml.token_type", std::move(types));
  if (const Metadata::Numbers* old = metadata.numbers("tokenizer.ggml.scores")) {
    Metadata::Numbers scores = *old;
    scores.push_back(score);
    metadata.set("tokenizer.ggml.scores", std::move(scores));
  }
  return id;
}

/// <unk>, <s>, </s>, the 256 byte tokens (ids 3 to 258), then `pieces` with their scores.
inline Metadata score_metadata(const std::vector<std::pair<std::string, double>>& pieces) {
  Metadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  metadata.set("tokenizer.ggml.tokens", Metadata::Strings{"<unk>", "<s>", "</s>"});
  metadata.set("tokenizer.ggml.token_type", Metadata::Integers{2, 3, 3});
  metadata.set("tokenizer.ggml.scores", Metadata::Numbers{0, 0, 0});
  char text[8];
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    add_token(metadata, text, 6);
  }
  for (const auto& [piece, score] : pieces) add_token(metadata, piece, 1, score);
  return metadata;
}

/// byte_metadata as a tokenizer.json, with the pre-tokenizer of GPT-2.
inline nlohmann::json byte_json(const std::vector<std::pair<std::string, std::string>>& merges) {
  const Metadata metadata = byte_metadata(merges);
  nlohmann::json json;
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["model"] = {{"type", "BPE"}, {"merges", *metadata.strings("tokenizer.ggml.merges")}};
  for (const std::string& token : *metadata.strings("tokenizer.ggml.tokens")) {
    json["model"]["vocab"][token] = json["model"]["vocab"].size();
  }
  return json;
}

/// A tokenizer from a vocabulary as JSON (token → id) and a list of merges.
inline TokenizerPointer from_lists(const std::string& pre, const std::filesystem::path& vocabulary,
                                   const std::filesystem::path& merges) {
  const nlohmann::json config = {{"pre_tokenizer", pre}};
  return must(Tokenizer::from_vocab_and_merges(contents_of(vocabulary), contents_of(merges), config.dump()));
}

/// A tokenizer.bin of llama2.c with these pieces behind the 259 that are always there.
inline std::string llama2c_bytes(const std::vector<std::pair<std::string, float>>& pieces) {
  std::string body;
  std::uint32_t longest = 0;
  const auto add = [&](const std::string& text, float score) {
    const auto length = static_cast<std::uint32_t>(text.size());
    longest = std::max(longest, length);
    body.append(reinterpret_cast<const char*>(&score), 4)
        .append(reinterpret_cast<const char*>(&length), 4)
        .append(text);
  };
  add("<unk>", 0);
  add("\n<s>\n", 0);
  add("\n</s>\n", 0);
  char text[8];
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::snprintf(text, sizeof text, "<0x%02X>", byte);
    add(text, 0);
  }
  for (const auto& [piece, score] : pieces) add(piece, score);
  return std::string(reinterpret_cast<const char*>(&longest), 4) + body;
}

}  // namespace tq::test
