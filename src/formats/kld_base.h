// The file that llama-perplexity's --kl-divergence-base writes and its --kl-divergence reads: what a base model
// predicts over windows of a text, so that a model can be compared with a base that does not fit beside it.
//
//   "_logits_"         8 bytes
//   context            u32, tokens of a window
//   vocabulary         i32
//   windows            i32
//   token ids          i32 each, windows x context; readers put BOS in the first place of a window where their
//                      tokenizer's rule says so
//   for each window and each of its positions context/2 … context − 2:
//     step, floor      f32: ln p of a token is floor + step · code
//     codes            u16 each; 0 also for all that is less likely than e^−16 times the top token; one more where the
//                      vocabulary is odd
//
// There is no checksum: the length must be what the header says, and every step and floor must be possible.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/output_file.h"
#include "turboquant/result.h"

namespace tq {

/// Sizes of such a file.
struct KldBaseShape {
  std::size_t context = 0, vocab_size = 0, windows = 0;

  std::size_t scored_per_window() const { return context - 1 - context / 2; }
  std::size_t row_values() const { return (vocab_size + 1) / 2 * 2 + 4; }  ///< of 16 bits
};

/// A view of the bytes, which must outlive it.
class KldBase {
 public:
  /// kBadFile when the bytes are not of this format, or not as many as the header says. Fuzzed.
  static Result<KldBase> parse(std::span<const std::byte> bytes, std::string_view name);

  const KldBaseShape& shape() const { return shape_; }
  std::vector<std::int32_t> tokens() const;
  /// ln p of every token of the vocabulary after the scored position `index` of `window`. kBadFile for numbers that no
  /// distribution has.
  Result<void> read(std::size_t window, std::size_t index, std::span<float> log_probabilities) const;
  /// The bytes of the positions of one window.
  std::span<const std::byte> window(std::size_t index) const;

 private:
  KldBaseShape shape_;
  std::string name_;
  std::span<const std::byte> tokens_, rows_;
};

/// Writes one; the file appears when it is complete.
class KldBaseWriter {
 public:
  /// `tokens`: windows x context. kUsage for sizes that the format cannot hold, kFailed as OutputFile.
  static Result<KldBaseWriter> create(const std::filesystem::path& path, const KldBaseShape& shape,
                                      std::span<const std::int32_t> tokens);
  /// The logits of the next positions, vocab_size each. kFailed for a logit that is not finite.
  Result<void> add(std::span<const float> logits);
  Result<void> commit();

 private:
  KldBaseWriter(OutputFile file, const KldBaseShape& shape) : file_(std::move(file)), shape_(shape) {}

  OutputFile file_;
  KldBaseShape shape_;
  std::size_t written_ = 0;  // positions
};

}  // namespace tq
