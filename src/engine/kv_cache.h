// Keys and values of one sequence, coded, and the exact rows that a policy keeps beside the codes.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/large_bytes.h"
#include "engine/key_bias.h"
#include "turboquant/session.h"

namespace tq {

enum class CacheSide { kKeys, kValues };

/// The codes of one layer.
struct LayerCache {
  std::shared_ptr<const Codec> k, v;
  std::size_t key_bytes = 0, value_bytes = 0;  ///< codes of a head
  std::size_t head_bytes = 0;                  ///< codes and exact rows of a head
  std::size_t first_byte = 0;                  ///< of the first head, in the allocation
};

/// What a cache of one spec, model and context consists of.
struct CachePlan {
  CacheSpec spec;
  std::vector<LayerCache> layers;
  std::shared_ptr<const Codec> exact;
  std::size_t n_kv_heads = 0, head_dim = 0;
  std::size_t sinks = 0, recent = 0;  ///< at most the context
  std::size_t block = 0;              ///< the first keys, whose mean is taken out of all; 0 without centring
  std::size_t head_rows(CacheSide side) const { return side == CacheSide::kKeys && block > sinks ? block : sinks; }
  std::size_t exact_bytes(CacheSide side) const { return exact->storage_bytes(head_rows(side) + recent); }
  bool keeps_exact() const { return sinks + recent + block > 0; }

  CacheFootprint footprint;
};
Result<CachePlan> plan_cache(const ModelConfig& config, const CacheSpec& spec, std::size_t context);

/// For each layer and key/value head, one after the other: the codes of `context` keys and of as many values, then the
/// exact rows of both; in one allocation, which with the means has exactly the bytes that cache_footprint() promises.
/// Rows are written before they are read; memory that is never written is never touched.
///
/// Exact rows are f16 in the codec's own basis. Every token is coded when it comes (with centring: when the first block
/// is full); exact rows decide what is read. A query at position t reads positions below sinks() and from
/// tail(side, t) on as exact rows, the others as codes (docs/decisions/0007).
class KvCache {
 public:
  /// `rope_frequencies` tell which coordinates turn too fast for a constant to be taken out of them; none of them does
  /// where they are empty.
  static Result<KvCache> create(const ModelConfig& config, const CacheSpec& spec, std::size_t context,
                                std::span<const double> rope_frequencies = {});

  const CachePlan& plan() const { return plan_; }
  const Codec& k_codec(std::size_t layer) const { return *plan_.layers[layer].k; }
  const Codec& v_codec(std::size_t layer) const { return *plan_.layers[layer].v; }
  const Codec& codec(CacheSide side, std::size_t layer) const {
    return side == CacheSide::kKeys ? k_codec(layer) : v_codec(layer);
  }
  const CacheFootprint& footprint() const { return plan_.footprint; }

  /// The codes of one head; row number i is that of position i.
  std::byte* keys(std::size_t layer, std::size_t kv_head) {
    return storage_.get() + plan_.layers[layer].first_byte + kv_head * plan_.layers[layer].head_bytes;
  }
  std::byte* values(std::size_t layer, std::size_t kv_head) {
    return keys(layer, kv_head) + plan_.layers[layer].key_bytes;
  }
  std::byte* codes(CacheSide side, std::size_t layer, std::size_t kv_head) {
    return side == CacheSide::kKeys ? keys(layer, kv_head) : values(layer, kv_head);
  }
  /// The exact rows of one head: plan().head_rows(side) of the first positions, then a ring of plan().recent, in which
  /// position i has the place i mod recent.
  std::byte* exact(CacheSide side, std::size_t layer, std::size_t kv_head) {
    std::byte* first = values(layer, kv_head) + plan_.layers[layer].value_bytes;
    return side == CacheSide::kKeys ? first : first + plan_.exact_bytes(CacheSide::kKeys);
  }

  std::size_t sinks() const { return plan_.sinks; }
  /// The first of the last positions that a query at position t reads as exact rows; t + 1: none.
  std::size_t tail(CacheSide side, std::size_t t) const;
  /// The first position whose exact row the ring still holds.
  std::size_t oldest() const { return oldest_; }

  /// Room for the exact rows of a batch at positions `position` …, of one layer: the ring takes them when the batch has
  /// been attended to.
  void begin_batch(std::size_t position, std::size_t n_tokens);
  std::byte* fresh(CacheSide side, std::size_t kv_head);
  /// Puts the fresh rows of a layer into its ring.
  void keep_fresh(std::size_t layer);
  /// The batch is done in all layers.
  void end_batch();
  void truncate(std::size_t position) { oldest_ = position < oldest_ ? position : oldest_; }
  /// For a cache that is read from a file.
  void set_oldest(std::size_t position) { oldest_ = position; }

  /// Exact rows that lie one after the other.
  struct Run {
    const std::byte* storage;
    std::size_t first, count;
  };
  /// The longest run of the rows `from` … end − 1 that begins with `from`.
  Run exact_run(CacheSide side, std::size_t layer, std::size_t kv_head, std::size_t from, std::size_t end);

  /// What is taken out of the keys of a head: head_dim floats, zeros where that head is not centred. Known when
  /// plan().block tokens are held. Empty without centring.
  std::span<float> mean(std::size_t layer, std::size_t kv_head) {
    if (plan_.block == 0) return {};
    return std::span(means_).subspan((layer * plan_.n_kv_heads + kv_head) * plan_.head_dim, plan_.head_dim);
  }
  /// The keys that come are without this part of their bias; null: they are whole.
  const KeyBias* key_bias() const { return key_bias_.get(); }
  void leave_out(std::shared_ptr<const KeyBias> bias) { key_bias_ = std::move(bias); }
  /// 1 for the coordinates that may be centred, 0 for the others.
  std::span<const float> centred_coordinates() const { return centred_; }

 private:
  CachePlan plan_;
  std::size_t oldest_ = 0;
  std::size_t batch_position_ = 0, batch_tokens_ = 0;
  std::vector<float> means_, centred_;
  std::shared_ptr<const KeyBias> key_bias_;
  std::vector<std::byte> fresh_;
  LargeBytes storage_;
};

}  // namespace tq
