#include "engine/kv_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "base/checked.h"
#include "base/memory.h"
#include "engine/matrix.h"

namespace tq {
namespace {

/// Keys whose mean is taken out: the group that codecs interleave. A mean of 32 has 1/32 of the variance of a key, so
/// more would lower the energy that is coded by less than 3 %, and each costs an exact row.
constexpr std::size_t kCenteringBlock = 32;

/// A constant b in a rotary pair of frequency ω is at position p what it was at 0, turned by the angle ωp. Taking the
/// early one out of all leaves |b|²(2 − 2 cos ωp), on average over C positions |b|²(2 − 2 sin(ωC)/(ωC)): less than |b|²
/// as long as sin(x)/x > 1/2 at x = ωC, which holds up to x = 1.895.
constexpr double kLargestTurn = 1.895;

/// Values are transposed for fast sums, except in heads whose last 16 coordinates would be filled up with nothing.
CodecSpec value_spec(const CodecSpec& v, std::size_t head_dim) {
  return v.with_layout(head_dim % 16 == 0 ? Layout::kTransposed : Layout::kRows);
}

/// The largest number when it would not fit in 64 bits.
std::uint64_t cache_bytes(const ModelConfig& config, const CachePlan& plan, std::size_t context) {
  constexpr std::uint64_t kTooMany = std::numeric_limits<std::uint64_t>::max();
  const auto heads = std::uint64_t{config.n_layers} * config.n_kv_heads;
  std::uint64_t group_bytes = 0;
  for (const LayerCache& layer : plan.layers)
    group_bytes = std::max<std::uint64_t>(group_bytes, layer.k->group_bytes() + layer.v->group_bytes());
  // No head has more than twice `context` exact rows a side, of 2 bytes a value, and a mean of floats.
  const std::uint64_t row_bytes = group_bytes + 12 * std::uint64_t{config.head_dim};
  const auto head_bytes = checked_multiply<std::uint64_t>(context + 64, row_bytes);
  const auto roof = head_bytes ? checked_multiply<std::uint64_t>(heads, *head_bytes) : std::nullopt;
  if (context > std::numeric_limits<std::size_t>::max() / 2 || !roof) return kTooMany;
  std::uint64_t bytes = heads * (plan.block > 0 ? config.head_dim * sizeof(float) : 0);
  for (const LayerCache& layer : plan.layers) bytes += config.n_kv_heads * std::uint64_t{layer.head_bytes};
  return bytes;
}

/// The layers of `plan`, whose other fields are known. Equal specs share a codec.
Result<void> add_layers(const ModelConfig& config, std::size_t context, CachePlan& plan) {
  const Result<std::vector<CacheCodecs>> codecs = plan.spec.codecs(config.n_layers);
  if (!codecs) return std::unexpected(codecs.error());
  CodecCache made;
  std::size_t first_byte = 0;
  for (const CacheCodecs& specs : *codecs) {
    const auto k = made.get(specs.k, config.head_dim);
    if (!k) return fail(k.error().code, fmt::format("a cache of keys: {}", k.error().message));
    const auto v = made.get(value_spec(specs.v, config.head_dim), config.head_dim);
    if (!v) return fail(v.error().code, fmt::format("a cache of values: {}", v.error().message));
    LayerCache layer{.k = *k, .v = *v, .first_byte = first_byte};
    layer.key_bytes = layer.k->storage_bytes(context);
    layer.value_bytes = layer.v->storage_bytes(context);
    layer.head_bytes =
        layer.key_bytes + layer.value_bytes + plan.exact_bytes(CacheSide::kKeys) + plan.exact_bytes(CacheSide::kValues);
    first_byte += config.n_kv_heads * layer.head_bytes;
    plan.layers.push_back(std::move(layer));
  }
  return {};
}

/// 1 for coordinates in which a constant stays one over `context` positions: see kLargestTurn.
std::vector<float> slow_coordinates(const ModelConfig& config, std::size_t context,
                                    std::span<const double> frequencies) {
  std::vector<float> slow(config.head_dim, 1.0F);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (frequencies[i] * static_cast<double>(context) <= kLargestTurn) continue;
    const bool halves = config.rope_halves;
    slow[halves ? i : 2 * i] = slow[halves ? i + frequencies.size() : 2 * i + 1] = 0.0F;
  }
  return slow;
}

}  // namespace

Result<CachePlan> plan_cache(const ModelConfig& config, const CacheSpec& spec, std::size_t context) {
  if (spec.automatic) return fail(ErrorCode::kUsage, "the cache 'auto' must be chosen for a model before it is used");
  CachePlan plan;
  plan.spec = spec;
  if (spec.center == KeyCentering::kBias && !has_key_bias(config)) {
    return fail(ErrorCode::kUsage, fmt::format("cache {}: the keys of {} have no bias{}; take center=mean", spec.name(),
                                               config.architecture, config.qkv_bias ? " behind their norm" : ""));
  }
  Result<std::shared_ptr<const Codec>> exact = make_codec(CodecSpec::parse("f16").value(), config.head_dim);
  if (!exact) return fail(std::move(exact));
  plan.exact = std::move(*exact);
  plan.n_kv_heads = config.n_kv_heads;
  plan.head_dim = config.head_dim;
  plan.sinks = std::min(spec.sinks, context);
  plan.recent = std::min(spec.recent, context);
  const bool by_mean = spec.center == KeyCentering::kAuto || spec.center == KeyCentering::kMean;
  plan.block = by_mean ? std::min(kCenteringBlock, context) : 0;
  if (Result<void> added = add_layers(config, context, plan); !added) return std::unexpected(added.error());
  const auto exact_bits = [&](CacheSide side) {
    const auto rows = static_cast<double>(plan.head_rows(side) + plan.recent);
    const double mean = side == CacheSide::kKeys && plan.block > 0 ? 8.0 * sizeof(float) : 0;
    return (rows * plan.exact->bits_per_value() + mean) / std::max(1.0, double(context));
  };
  double k_bits = 0, v_bits = 0;
  for (const LayerCache& layer : plan.layers) {
    k_bits += layer.k->bits_per_value();
    v_bits += layer.v->bits_per_value();
  }
  const auto n_layers = static_cast<double>(plan.layers.size());
  plan.footprint = {cache_bytes(config, plan, context), k_bits / n_layers + exact_bits(CacheSide::kKeys),
                    v_bits / n_layers + exact_bits(CacheSide::kValues)};
  return plan;
}

Result<CacheFootprint> cache_footprint(const ModelConfig& config, const CacheSpec& spec, std::size_t context) {
  const Result<CachePlan> plan = plan_cache(config, spec, context);
  if (!plan) return std::unexpected(plan.error());
  return plan->footprint;
}

Result<KvCache> KvCache::create(const ModelConfig& config, const CacheSpec& spec, std::size_t context,
                                std::span<const double> rope_frequencies) {
  Result<CachePlan> plan = plan_cache(config, spec, context);
  if (!plan) return std::unexpected(plan.error());
  KvCache cache;
  cache.plan_ = std::move(*plan);
  const std::uint64_t bytes = cache.footprint().bytes;
  const std::uint64_t available = available_memory();
  const std::size_t n_heads = config.n_layers * config.n_kv_heads;
  const LayerCache& last = cache.plan_.layers.back();
  const std::size_t codes_and_rows = last.first_byte + config.n_kv_heads * last.head_bytes;
  if (bytes < available) cache.storage_ = try_large_bytes(codes_and_rows);
  if (cache.storage_ == nullptr) {
    constexpr double kMebi = 1024.0 * 1024.0;
    return fail(
        ErrorCode::kOutOfMemory,
        fmt::format("a {} cache for {} tokens takes {:.0f} MiB, and {:.0f} MiB are free; lower -c or take fewer bits",
                    spec.name(), context, static_cast<double>(bytes) / kMebi, static_cast<double>(available) / kMebi));
  }
  if (cache.plan_.block > 0) {
    cache.means_.resize(n_heads * config.head_dim);
    cache.centred_ = slow_coordinates(config, context, rope_frequencies);
  }
  return cache;
}

std::size_t KvCache::tail(CacheSide side, std::size_t t) const {
  if (side == CacheSide::kKeys && t < plan_.block) return 0;  // no key is coded yet
  const std::size_t window = t + 1 - std::min(t + 1, plan_.recent);
  return std::max(window, std::min(oldest_, t + 1));
}

void KvCache::begin_batch(std::size_t position, std::size_t n_tokens) {
  batch_position_ = position;
  batch_tokens_ = n_tokens;
  if (plan_.recent > 0) fresh_.resize(2 * plan_.n_kv_heads * plan_.exact->storage_bytes(n_tokens));
}

std::byte* KvCache::fresh(CacheSide side, std::size_t kv_head) {
  const std::size_t head = side == CacheSide::kKeys ? kv_head : plan_.n_kv_heads + kv_head;
  return fresh_.data() + head * plan_.exact->storage_bytes(batch_tokens_);
}

void KvCache::keep_fresh(std::size_t layer) {
  const std::size_t kept = std::min(plan_.recent, batch_tokens_), row_bytes = plan_.exact->storage_bytes(1);
  for (const CacheSide side : {CacheSide::kKeys, CacheSide::kValues}) {
    for (std::size_t head = 0; head < plan_.n_kv_heads; ++head) {
      std::byte* ring = exact(side, layer, head) + plan_.head_rows(side) * row_bytes;
      for (std::size_t row = batch_tokens_ - kept; row < batch_tokens_; ++row) {
        std::memcpy(ring + (batch_position_ + row) % plan_.recent * row_bytes, fresh(side, head) + row * row_bytes,
                    row_bytes);
      }
    }
  }
}

void KvCache::end_batch() {
  const std::size_t end = batch_position_ + batch_tokens_;
  oldest_ = std::max(oldest_, end - std::min(end, plan_.recent));
}

KvCache::Run KvCache::exact_run(CacheSide side, std::size_t layer, std::size_t kv_head, std::size_t from,
                                std::size_t end) {
  const std::size_t head_rows = plan_.head_rows(side);
  if (from < head_rows) return {exact(side, layer, kv_head), from, std::min(end, head_rows) - from};
  if (from >= batch_position_) return {fresh(side, kv_head), from - batch_position_, end - from};
  const std::size_t place = from % plan_.recent;
  return {exact(side, layer, kv_head), head_rows + place,
          std::min(std::min(end, batch_position_) - from, plan_.recent - place)};
}

}  // namespace tq
