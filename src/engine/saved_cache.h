// A sequence and its coded cache as one file.
//
//   "tq cache"           8 bytes
//   version              u32, 1
//   description          u32 bytes of text: lines `key: value`
//   tokens, oldest       u64 each: how many tokens, and the first of those whose exact rows the window holds
//   token ids            i32 each
//   for each layer and key/value head: whole groups of codes of the keys, and of the values; the exact rows of the
//   first
//                        positions, of keys and of values; those of the window, likewise, in the order of positions
//   means of the keys    floats, with centring and from the first full block on
//   checksum             u64, XXH3 of all before it
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv_cache.h"
#include "engine/loaded_model.h"

namespace tq {

/// Everything that decides what the bytes of a cache mean, one `key: value` a line: equal texts, equal meaning. The
/// line `model` is for people.
std::string describe_cache(const LoadedModel& model, const KvCache& cache, std::size_t context);

/// What a file must fit.
struct SavedCacheLimits {
  std::string_view description;
  const CachePlan& plan;
  std::size_t context, vocab_size;
};

struct SavedCache {
  std::vector<TokenId> tokens;
  std::size_t oldest = 0;
  std::span<const std::byte> rows;  ///< of the size that the plan asks for; in the bytes that were parsed
};

/// kBadFile, or kUsage for more tokens than the context holds.
Result<SavedCache> parse_saved_cache(std::span<const std::byte> bytes, std::string_view name,
                                     const SavedCacheLimits& limits);
/// Into a cache of the plan that parse_saved_cache() was given.
void restore_rows(const SavedCache& saved, KvCache& cache);

Result<void> write_saved_cache(const std::filesystem::path& path, std::string_view description,
                               std::span<const TokenId> tokens, KvCache& cache);

}  // namespace tq
