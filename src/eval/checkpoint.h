// An evaluation that is not finished, as one file to go on from.
//
//   "tq eval\n"      8 bytes
//   version          u32, 1
//   description      u32 bytes of text: lines `key: value`
//   state            the fields of EvalState in their order, lists with a u64 in front
//   checksum         SHA-256 of all before it, 64 hexadecimal digits
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/lane.h"
#include "turboquant/tokenizer.h"

namespace tq::eval {

/// The base's greedy words after one prompt.
using Words = std::vector<TokenId>;

struct EvalState {
  std::vector<Words> words;
  std::uint64_t alone = 0;    ///< lanes that have ended their continuations, the base the first
  std::uint64_t windows = 0;  ///< that every lane has ended
  LaneRecord floor;
  std::vector<LaneRecord> lanes;

  template <class Archive>
  void exchange(Archive& archive) {
    archive(words);
    archive(alone);
    archive(windows);
    floor.exchange(archive);
    archive(lanes);
  }
};

/// What a file must fit.
struct CheckpointLimits {
  std::string_view description;  ///< all that decides a figure: equal texts, equal evaluations
  std::size_t lanes = 0, vocab_size = 0;
  std::size_t continuations = 0, length = 0;  ///< words of each
  std::size_t windows = 0, scored_per_window = 0;
};

/// kBadFile for damaged bytes; kUsage, naming the first difference, for those of another evaluation. Fuzzed.
Result<EvalState> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name,
                                   const CheckpointLimits& limits);
std::string checkpoint_bytes(EvalState& state, std::string_view description);
/// The file appears complete or not at all.
Result<void> write_checkpoint(const std::filesystem::path& path, EvalState& state, std::string_view description);

}  // namespace tq::eval
