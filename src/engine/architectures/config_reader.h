// Reads what the families have in common from either kind of metadata: GGUF's keys or Hugging Face's config.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/architectures.h"

namespace tq {

/// Remembers the first thing that is wrong; finish() tells it.
class ConfigReader {
 public:
  /// `architecture` is the prefix of GGUF's keys.
  ConfigReader(const TensorFile& file, std::string_view architecture);

  bool hugging_face() const { return hugging_face_; }
  const TensorFile& file() const { return file_; }

  /// `key` is that of config.json, or that of GGUF behind the architecture.
  bool has(std::string_view key) const;
  std::size_t count(std::string_view key, std::optional<std::size_t> otherwise = {});
  float number(std::string_view key, double otherwise);
  bool flag(std::string_view key, bool otherwise) const;
  std::string_view text(std::string_view key, std::string_view otherwise = "") const;
  const Metadata::Integers* integers(std::string_view key) const;
  const Metadata::Strings* strings(std::string_view key) const;
  /// Numbers that may be written without fractions; empty when absent.
  std::vector<float> floats(std::string_view key) const;

  /// Refuses a feature that the forward pass does not have, rather than computing something else.
  void refuse(bool present, std::string_view what);
  /// The file contradicts itself.
  void reject(bool wrong, std::string_view what);

  /// A config with nothing but its names.
  ModelConfig named() const;
  /// What an absent tie_word_embeddings of config.json means, and the activation that it must name.
  struct Defaults {
    bool tied = false;
    Activation activation = Activation::kSilu;
  };
  /// Sizes, norm, rotary base, experts, biases, as Llama has them.
  ModelConfig read(const Defaults& defaults);
  ModelConfig read() { return read(Defaults()); }
  /// The layers that `is_local` names get the window of the file and, where local_rope_theta is set, its angles; the
  /// others see all. A list of the file decides where it has one. `otherwise` is the window of a file that names none;
  /// 0: no layer has one then.
  void read_windows(ModelConfig& config, bool (*is_local)(std::size_t layer), std::size_t otherwise = 0);

  /// Reads the scaling of rotary positions, which follows from the rest, and tells what was wrong.
  Result<ModelConfig> finish(ModelConfig config);

 private:
  std::string full(std::string_view key) const;
  void read_gguf(ModelConfig& config);
  void read_hugging_face(ModelConfig& config, const Defaults& defaults);
  void read_rope_scaling(ModelConfig& config);
  void read_gguf_scaling(ModelConfig& config);
  void read_hugging_face_scaling(ModelConfig& config);
  void read_long_rope(ModelConfig& config, const std::string& prefix);
  std::vector<float> factors(const char* tensor, std::size_t pairs);

  const TensorFile& file_;
  std::string architecture_;
  bool hugging_face_;
  std::optional<Error> error_;
};

}  // namespace tq
