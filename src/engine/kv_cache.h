// Keys and values of one sequence, coded.
#pragma once

#include <cstddef>
#include <memory>

#include "turboquant/session.h"

namespace tq {

/// For each layer and key/value head, the storage of `context` rows of keys and of as many values, one after the other:
/// one allocation of exactly the bytes that cache_footprint() promises. Rows are written before they are read; memory
/// that is never written is never touched.
class KvCache {
 public:
  static Result<KvCache> create(const ModelConfig& config, const CacheSpec& spec, std::size_t context);

  const Codec& k_codec() const { return *k_codec_; }
  const Codec& v_codec() const { return *v_codec_; }

  /// The storage of one head; row number i is that of position i.
  std::byte* keys(std::size_t layer, std::size_t kv_head) {
    return storage_.get() + (layer * n_kv_heads_ + kv_head) * head_bytes_;
  }
  std::byte* values(std::size_t layer, std::size_t kv_head) { return keys(layer, kv_head) + key_bytes_; }

  const CacheFootprint& footprint() const { return footprint_; }

 private:
  std::shared_ptr<const Codec> k_codec_, v_codec_;
  std::size_t n_kv_heads_ = 0, key_bytes_ = 0, head_bytes_ = 0;
  CacheFootprint footprint_;
  std::unique_ptr<std::byte[]> storage_;
};

}  // namespace tq
