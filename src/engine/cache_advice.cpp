#include "engine/cache_advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/key_bias.h"
#include "engine/loaded_model.h"

namespace tq {
namespace {

constexpr unsigned kBits = 4, kMostBits = 8;
/// Attention leans on the first tokens whatever they are, and four exact ones cost next to nothing.
constexpr std::size_t kSinks = 4;

struct Finding {
  unsigned key_bits, value_bits;  ///< to add
  std::string words;
};

/// Below this, published perplexities of 3 and 4 bits explode where those of larger sisters do not.
constexpr std::uint64_t kSmall = 2'000'000'000;

std::vector<Finding> find_in_shape(const ModelConfig& c, std::uint64_t parameters) {
  std::vector<Finding> found;
  if (c.query_key_norm)
    found.push_back({1, 0, "a norm behind the key projection makes a few coordinates of the keys large"});
  if (c.attention_soft_cap > 0) found.push_back({1, 0, "its attention has a soft cap"});
  const bool windows =
      std::any_of(c.layers.begin(), c.layers.end(), [](const LayerAttention& layer) { return layer.window > 0; });
  if (windows) found.push_back({0, 1, "layers with a window sum over few values, so that errors average out less"});
  if (c.n_kv_heads <= 2 || c.n_heads / c.n_kv_heads >= 8) {
    found.push_back({1, 1,
                     fmt::format("{} query heads share {} key/value head{}", c.n_heads, c.n_kv_heads,
                                 c.n_kv_heads == 1 ? "" : "s")});
  }
  if (c.head_dim <= 64) found.push_back({1, 0, fmt::format("a head has only {} coordinates", c.head_dim)});
  if (parameters < kSmall) found.push_back({1, 1, "the model is small"});
  return found;
}

}  // namespace

CacheAdvice advise_cache(const Model& model) {
  return advise_cache(model.config(), model.footprint().parameters,
                      key_bias_ratios(static_cast<const LoadedModel&>(model)));
}

CacheAdvice advise_cache(const ModelConfig& config, std::uint64_t parameters, std::span<const double> ratios) {
  std::vector<Finding> found = find_in_shape(config, parameters);
  const auto large = std::count_if(ratios.begin(), ratios.end(), [](double ratio) { return ratio >= 1; });
  if (large > 0) {
    const double largest = std::sqrt(*std::max_element(ratios.begin(), ratios.end()));
    found.insert(found.begin(),
                 {1, 0,
                  fmt::format("in {} of {} heads the bias of the keys is larger than the rest, up to {:.3g} times, and "
                              "is taken out before coding",
                              large, ratios.size(), largest)});
  }
  unsigned key_bits = kBits, value_bits = kBits;
  std::string words;
  for (const Finding& finding : found) {
    key_bits = std::min(kMostBits, key_bits + finding.key_bits);
    value_bits = std::min(kMostBits, value_bits + finding.value_bits);
    words += (words.empty() ? "" : "; ") + finding.words;
  }
  const std::string name =
      fmt::format("tq{}:tq{}+sink={}+center={}", key_bits, value_bits, kSinks, large > 0 ? "bias" : "auto");
  return {*CacheSpec::parse(name),
          words.empty()
              ? fmt::format("the model has none of the properties that make caches sensitive, so {} bits", kBits)
              : fmt::format("{} bits for keys and {} for values: {}", key_bits, value_bits, words)};
}

}  // namespace tq
