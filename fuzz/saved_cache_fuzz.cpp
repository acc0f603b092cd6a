// Saved caches. With a first byte that is odd, what follows is taken for everything behind the description: a checksum
// stands in front of the counts otherwise.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "check.h"
#include "engine/saved_cache.h"

namespace {

constexpr std::string_view kDescription = "model: 'm'\ncache: q8_0+sink=1+recent=2+center=mean\n";

void add(std::string& text, auto value) { text.append(reinterpret_cast<const char*>(&value), sizeof value); }

std::string sealed(std::string_view rest) {
  std::string file = "tq cache";
  add(file, std::uint32_t{1});
  add(file, static_cast<std::uint32_t>(kDescription.size()));
  file += kDescription;
  file += rest;
  add(file, std::uint64_t{XXH3_64bits(file.data(), file.size())});
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  static const ModelConfig config = [] {
    ModelConfig one;
    one.architecture = "llama";
    one.n_layers = one.n_heads = one.n_kv_heads = 1;
    one.head_dim = 32;
    return one;
  }();
  constexpr std::size_t kContext = 8, kVocabulary = 10;
  static KvCache cache =
      KvCache::create(config, CacheSpec::parse("q8_0+sink=1+recent=2+center=mean").value(), kContext).value();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::string file = data[0] % 2 == 1 ? sealed(text) : std::string(text);
  const auto saved =
      parse_saved_cache(std::as_bytes(std::span(file)), "input", {kDescription, cache.plan(), kContext, kVocabulary});
  if (!saved) {
    if (saved.error().code != ErrorCode::kUsage) fuzz::check_error(saved.error(), "input");
    return 0;
  }
  fuzz::require(saved->tokens.size() <= kContext && saved->oldest <= saved->tokens.size());
  restore_rows(*saved, cache);
  return 0;
}
