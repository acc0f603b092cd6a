#include "engine/kv_cache.h"

#include <fmt/format.h>

#include <limits>
#include <new>

#include "base/checked.h"
#include "base/memory.h"

namespace tq {
namespace {

/// Values are transposed for fast sums, except in heads whose last 16 coordinates would be filled up with nothing.
CodecSpec value_spec(const CacheSpec& spec, std::size_t head_dim) {
  return spec.v.with_layout(head_dim % 16 == 0 ? Layout::kTransposed : Layout::kRows);
}

/// The largest number when it would not fit in 64 bits.
std::uint64_t cache_bytes(const ModelConfig& config, const Codec& k, const Codec& v, std::size_t context) {
  const auto heads = std::uint64_t{config.n_layers} * config.n_kv_heads;
  const auto head_bytes = checked_multiply<std::uint64_t>(context + 64, k.group_bytes() + v.group_bytes());
  const auto roof = head_bytes ? checked_multiply<std::uint64_t>(heads, *head_bytes) : std::nullopt;
  if (context > std::numeric_limits<std::size_t>::max() / 2 || !roof) return std::numeric_limits<std::uint64_t>::max();
  return heads * (k.storage_bytes(context) + v.storage_bytes(context));
}

}  // namespace

Result<CacheFootprint> cache_footprint(const ModelConfig& config, const CacheSpec& spec, std::size_t context) {
  const Result<std::shared_ptr<const Codec>> k = make_codec(spec.k, config.head_dim);
  if (!k) return std::unexpected(k.error());
  const Result<std::shared_ptr<const Codec>> v = make_codec(value_spec(spec, config.head_dim), config.head_dim);
  if (!v) return std::unexpected(v.error());
  return CacheFootprint{cache_bytes(config, **k, **v, context), (*k)->bits_per_value(), (*v)->bits_per_value()};
}

Result<KvCache> KvCache::create(const ModelConfig& config, const CacheSpec& spec, std::size_t context) {
  Result<std::shared_ptr<const Codec>> k = make_codec(spec.k, config.head_dim);
  if (!k) return fail(k.error().code, fmt::format("a cache of keys: {}", k.error().message));
  Result<std::shared_ptr<const Codec>> v = make_codec(value_spec(spec, config.head_dim), config.head_dim);
  if (!v) return fail(v.error().code, fmt::format("a cache of values: {}", v.error().message));

  KvCache cache;
  cache.k_codec_ = std::move(*k);
  cache.v_codec_ = std::move(*v);
  cache.n_kv_heads_ = config.n_kv_heads;
  cache.key_bytes_ = cache.k_codec_->storage_bytes(context);
  cache.head_bytes_ = cache.key_bytes_ + cache.v_codec_->storage_bytes(context);
  const std::uint64_t bytes = cache_bytes(config, *cache.k_codec_, *cache.v_codec_, context);
  cache.footprint_ = {bytes, cache.k_codec_->bits_per_value(), cache.v_codec_->bits_per_value()};
  const std::uint64_t available = available_memory();
  if (bytes < available) cache.storage_.reset(new (std::nothrow) std::byte[bytes]);
  if (cache.storage_ == nullptr) {
    constexpr double kMebi = 1024.0 * 1024.0;
    return fail(
        ErrorCode::kOutOfMemory,
        fmt::format("a {} cache for {} tokens takes {:.0f} MiB, and {:.0f} MiB are free; lower -c or take fewer bits",
                    spec.name(), context, static_cast<double>(bytes) / kMebi, static_cast<double>(available) / kMebi));
  }
  return cache;
}

}  // namespace tq
