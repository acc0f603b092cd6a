// Hash tables over text from outside. The seed is drawn anew for each run: with a known one, a file could be made whose
// entries all collide.
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tq {

struct SeededHash {
  using is_transparent = void;
  std::uint64_t operator()(std::string_view text) const {
    return XXH3_64bits_withSeed(text.data(), text.size(), kSeed);
  }
  std::uint64_t operator()(std::uint64_t key) const { return XXH3_64bits_withSeed(&key, sizeof key, kSeed); }

 private:
  inline static const std::uint64_t kSeed = std::random_device{}();
};

/// Text → T, looked up by string_view.
template <class T>
using TextMap = std::unordered_map<std::string, T, SeededHash, std::equal_to<>>;

}  // namespace tq
