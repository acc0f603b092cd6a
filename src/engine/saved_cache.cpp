#include "engine/saved_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "base/output_file.h"
#include "engine/rope.h"
#include "formats/message.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tq {
namespace {

constexpr std::string_view kMagic = "tq cache";
constexpr std::uint32_t kVersion = 1;

class Hash {
 public:
  Hash() { XXH3_64bits_reset(&state_); }
  void add(std::span<const std::byte> bytes) { XXH3_64bits_update(&state_, bytes.data(), bytes.size()); }
  template <class T>
  void add_value(const T& value) {
    add(std::as_bytes(std::span(&value, 1)));
  }
  std::uint64_t value() const { return XXH3_64bits_digest(&state_); }

 private:
  XXH3_state_t state_;
};

/// Shape, codec and 64 pieces of 64 bytes all over the matrix: reading all would read a mapped model from disk.
/// The first part of a tensor stands for the others, which share its bytes.
void add_matrix(const Matrix& matrix, Hash& hash) {
  constexpr std::size_t kPieces = 64, kBytes = 64;
  if (matrix.rows == 0 || matrix.first > 0) return;
  hash.add_value(std::uint64_t{matrix.rows});
  hash.add_value(std::uint64_t{matrix.cols});
  hash.add(as_bytes(matrix.codec->spec().name()));
  const std::size_t size = matrix.bytes.size();
  if (size <= kPieces * kBytes) return hash.add(matrix.bytes);
  for (std::size_t i = 0; i < kPieces; ++i) {
    hash.add(matrix.bytes.subspan((size - kBytes) / (kPieces - 1) * i, kBytes));
  }
}

std::uint64_t hash_weights(const LoadedModel& model) {
  Hash hash;
  const auto add_vector = [&](const auto& values) { hash.add(std::as_bytes(std::span(values))); };
  const auto add_norm = [&](const Norm& norm) {
    add_vector(norm.weight);
    add_vector(norm.bias);
  };
  const auto add_linear = [&](const Linear& linear) {
    add_matrix(linear.matrix, hash);
    add_vector(linear.bias);
  };
  add_matrix(model.embedding(), hash);
  add_matrix(model.output(), hash);
  add_norm(model.output_norm());
  add_vector(rotary_table(model.config(), RopeKind::kGlobal, 0).frequencies);
  add_matrix(model.positions(), hash);
  for (const Layer& layer : model.layers()) {
    add_norm(layer.attention_norm);
    add_norm(layer.feed_forward_norm);
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output}) add_linear(*linear);
    for (const FeedForward& expert : layer.experts) {
      for (const Linear* linear : {&expert.gate, &expert.up, &expert.down}) add_linear(*linear);
    }
    add_matrix(layer.router, hash);
    add_norm(layer.post_attention_norm);
    add_norm(layer.post_feed_forward_norm);
    add_vector(layer.query_norm);
    add_vector(layer.key_norm);
  }
  return hash.value();
}

std::string describe_codec(const CodecSpec& spec) {
  return fmt::format(
      "{} bits={} rotation={} rounds={} max_block={} scale={} wide_scale={} layout={} seed={} version={}", spec.name(),
      spec.bits, static_cast<int>(spec.rotation), spec.rounds, spec.max_block, static_cast<int>(spec.scale),
      static_cast<int>(spec.wide_scale), static_cast<int>(spec.layout), spec.seed, spec.version);
}

/// The policy and the codecs; a line for each side and layer where layers differ, whatever plan has made them differ.
std::string describe_policy(const CachePlan& plan) {
  const auto k = [](const LayerCache& layer) { return layer.k->spec(); };
  const auto v = [](const LayerCache& layer) { return layer.v->spec(); };
  const LayerCache& first = plan.layers.front();
  const bool uniform = std::ranges::all_of(
      plan.layers, [&](const LayerCache& layer) { return k(layer) == k(first) && v(layer) == v(first); });
  CacheSpec spec = plan.spec;
  if (uniform) {
    spec.layers.clear();
    spec.k_average = spec.v_average = 0;
    spec.k = k(first);
    spec.v = v(first);
    return fmt::format("cache: {}\nkeys: {}\nvalues: {}\n", spec.name(), describe_codec(spec.k),
                       describe_codec(spec.v));
  }
  spec.layers.resize(plan.layers.size());
  spec.plan = "by layer";
  std::string text = fmt::format("cache: {}\n", spec.name());
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    text += fmt::format("keys of layer {0}: {1}\nvalues of layer {0}: {2}\n", i, describe_codec(k(plan.layers[i])),
                        describe_codec(v(plan.layers[i])));
  }
  return text;
}

/// A line for what only some families have; none for those that have none of it.
std::string describe_layers(const ModelConfig& config, std::size_t context) {
  Hash hash;
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    hash.add_value(std::uint64_t{config.layers[layer].window});
    hash.add_value(config.layers[layer].rope);
  }
  for (const float number : {config.embedding_scale, config.attention_scale, config.attention_soft_cap,
                             config.logit_soft_cap, config.rope_scaling.amplitude, config.local_rope_theta}) {
    hash.add_value(number);
  }
  hash.add_value(std::uint64_t{config.n_experts_used});
  const bool plain = config.layers.empty() && config.embedding_scale == 1 && config.attention_scale == 0 &&
                     config.attention_soft_cap == 0 && config.logit_soft_cap == 0 &&
                     config.rope_scaling.amplitude == 1 && config.n_experts == 0;
  std::string text;
  if (!config.rope_scaling.long_divisors.empty())
    text += fmt::format("rotary factors: {}\n", uses_long_divisors(config, context) ? "long" : "short");
  if (!plain) text += fmt::format("layers: {:016x}\n", hash.value());
  return text;
}

/// What is saved for `tokens` tokens, piece by piece, of which `oldest` … are in the window:
/// visit(codes of the side, storage) for groups, visit_bytes(storage, size) for the rest.
template <class VisitCodes, class VisitBytes>
void for_pieces(KvCache& cache, std::size_t tokens, std::size_t oldest, VisitCodes&& visit_codes,
                VisitBytes&& visit_bytes) {
  constexpr std::array kSides = {CacheSide::kKeys, CacheSide::kValues};
  const CachePlan& plan = cache.plan();
  const std::size_t row_bytes = plan.exact->storage_bytes(1);
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    for (std::size_t head = 0; head < plan.n_kv_heads; ++head) {
      for (const CacheSide side : kSides) visit_codes(cache.codec(side, layer), cache.codes(side, layer, head));
      for (const CacheSide side : kSides) {
        visit_bytes(cache.exact(side, layer, head), std::min(tokens, plan.head_rows(side)) * row_bytes);
      }
      for (const CacheSide side : kSides) {
        std::byte* ring = cache.exact(side, layer, head) + plan.head_rows(side) * row_bytes;
        for (std::size_t p = oldest; p < tokens; ++p) visit_bytes(ring + p % plan.recent * row_bytes, row_bytes);
      }
    }
  }
  for (std::size_t layer = 0; layer < plan.layers.size() && plan.block > 0 && tokens >= plan.block; ++layer) {
    for (std::size_t head = 0; head < plan.n_kv_heads; ++head) {
      const std::span<std::byte> mean = std::as_writable_bytes(cache.mean(layer, head));
      visit_bytes(mean.data(), mean.size());
    }
  }
}

/// The same in bytes. The numbers are no larger than those of a cache that has been allocated.
std::uint64_t size_of_pieces(const CachePlan& plan, std::size_t tokens, std::size_t oldest) {
  std::uint64_t rows = 0;
  for (const CacheSide side : {CacheSide::kKeys, CacheSide::kValues}) {
    rows += plan.exact->storage_bytes(std::min(tokens, plan.head_rows(side)) + (tokens - oldest));
  }
  if (plan.block > 0 && tokens >= plan.block) rows += plan.head_dim * sizeof(float);
  std::uint64_t all = 0;
  for (const LayerCache& layer : plan.layers)
    all += layer.k->storage_bytes(tokens) + layer.v->storage_bytes(tokens) + rows;
  return all * plan.n_kv_heads;
}

/// The first line in which the texts differ: the name of the key, and what each has.
struct Difference {
  std::string_view key, theirs, ours;
};

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::optional<Difference> first_difference(std::string_view theirs, std::string_view ours) {
  while (!theirs.empty() || !ours.empty()) {
    const std::string_view their_line = next_line(theirs), our_line = next_line(ours);
    const std::size_t colon = our_line.find(": ");
    const std::string_view key = our_line.substr(0, colon);
    if (their_line == our_line) continue;
    if (colon == std::string_view::npos || !their_line.starts_with(our_line.substr(0, colon + 2))) {
      return Difference{"something else", their_line, our_line};
    }
    if (key != "model") return Difference{key, their_line.substr(colon + 2), our_line.substr(colon + 2)};
  }
  return std::nullopt;
}

Result<void> check_description(std::string_view theirs, std::string_view name, std::string_view ours) {
  std::optional<Difference> difference = first_difference(theirs, ours);
  if (!difference) return {};
  if (in_quotes(difference->theirs) == in_quotes(difference->ours)) {  // cut off before they differ
    std::string_view &a = difference->theirs, &b = difference->ours;
    const auto [at, other] = std::ranges::mismatch(a, b);
    const std::string_view common = a.substr(0, static_cast<std::size_t>(at - a.begin()));
    const std::size_t word = common.rfind(' ') + 1;
    a.remove_prefix(word);
    b.remove_prefix(word);
  }
  return bad_file(name, "the cache was saved with the {} {}, and this session has {}", difference->key,
                  in_quotes(difference->theirs), in_quotes(difference->ours));
}

/// Reads up to the description, and leaves the reader behind it.
Result<void> read_head(ByteReader& reader, std::string_view name, std::string_view& description) {
  std::string_view magic;
  std::uint32_t version = 0, length = 0;
  if (!reader.take(kMagic.size(), magic) || magic != kMagic || !reader.read(version)) {
    return bad_file(name, "this is no saved cache");
  }
  if (version != kVersion) {
    return bad_file(name, "the cache was saved in version {} of its format, and this build reads version {}", version,
                    kVersion);
  }
  if (!reader.read(length) || !reader.take(length, description)) {
    return bad_file(name, "the saved cache ends within its description");
  }
  return {};
}

/// Of which heads the cache has no bias.
std::string describe_bias(const KeyBias* bias) {
  if (bias == nullptr) return "";
  Hash hash;
  for (const bool left_out : bias->heads_left_out()) hash.add_value(static_cast<std::uint8_t>(left_out));
  return fmt::format(" bias={:016x}", hash.value());
}

}  // namespace

std::string describe_cache(const LoadedModel& model, const KvCache& cache, std::size_t context) {
  const ModelConfig& config = model.config();
  const CachePlan& plan = cache.plan();
  const auto slow = std::count(cache.centred_coordinates().begin(), cache.centred_coordinates().end(), 1.0F);
  return fmt::format(
      "model: {}\narchitecture: {}\nshape: vocab_size={} hidden_size={} n_layers={} n_heads={} n_kv_heads={} "
      "head_dim={} feed_forward_size={} rope_dim={} rms_norm_eps={}\nweights: {}\nweights_hash: {:016x}\n{}"
      "centring: block={} coordinates={}{}\n{}",
      in_quotes(config.name), config.architecture, config.vocab_size, config.hidden_size, config.n_layers,
      config.n_heads, config.n_kv_heads, config.head_dim, config.feed_forward_size, config.rope_dim,
      config.rms_norm_eps, model.weights_name(), hash_weights(model), describe_policy(plan), plan.block, slow,
      describe_bias(cache.key_bias()), describe_layers(config, context));
}

Result<SavedCache> parse_saved_cache(std::span<const std::byte> bytes, std::string_view name,
                                     const SavedCacheLimits& limits) {
  ByteReader head(bytes);
  std::string_view description;
  if (const Result<void> read = read_head(head, name, description); !read) return std::unexpected(read.error());
  const std::span<const std::byte> rest = bytes.subspan(head.position());
  constexpr std::size_t kChecksum = sizeof(std::uint64_t);
  if (rest.size() < kChecksum) return bad_file(name, "the saved cache ends within its tokens");
  std::uint64_t stored = 0;
  std::memcpy(&stored, bytes.data() + bytes.size() - kChecksum, kChecksum);
  if (stored != XXH3_64bits(bytes.data(), bytes.size() - kChecksum)) {
    return bad_file(name, "the saved cache is damaged or cut short: its checksum is wrong");
  }
  if (const Result<void> same = check_description(description, name, limits.description); !same) {
    return std::unexpected(same.error());
  }

  ByteReader reader(rest.first(rest.size() - kChecksum));
  std::uint64_t tokens = 0, oldest = 0;
  if (!reader.read(tokens) || !reader.read(oldest) || tokens > reader.remaining() / sizeof(TokenId)) {
    return bad_file(name, "the saved cache ends within its tokens");
  }
  if (tokens > limits.context) {
    return fail(ErrorCode::kUsage, fmt::format("{}: the saved cache holds {} tokens, and the context only {}; raise -c",
                                               name, tokens, limits.context));
  }
  if (oldest > tokens || tokens - oldest > limits.plan.recent) {
    return bad_file(name, "a window from token {} to {} is not one of {} recent tokens", oldest, tokens,
                    limits.plan.recent);
  }
  SavedCache saved;
  saved.oldest = static_cast<std::size_t>(oldest);
  saved.tokens.resize(static_cast<std::size_t>(tokens));
  for (TokenId& token : saved.tokens) {
    if (!reader.read(token) || token < 0 || static_cast<std::size_t>(token) >= limits.vocab_size) {
      return bad_file(name, "the token {} is not in the model's vocabulary of {}", token, limits.vocab_size);
    }
  }
  const std::uint64_t size = size_of_pieces(limits.plan, saved.tokens.size(), saved.oldest);
  if (size != reader.remaining()) {
    return bad_file(name, "the rows of {} tokens take {} bytes, and the file has {}", tokens, size, reader.remaining());
  }
  if (!reader.take(size, saved.rows)) return bad_file(name, "the saved cache ends within its rows");
  return saved;
}

void restore_rows(const SavedCache& saved, KvCache& cache) {
  const std::byte* from = saved.rows.data();
  const auto take = [&](std::byte* storage, std::size_t size) {
    if (size > 0) std::memcpy(storage, from, size);
    from += size;
  };
  const std::size_t tokens = saved.tokens.size();
  for_pieces(
      cache, tokens, saved.oldest,
      [&](const Codec& codec, std::byte* codes) { take(codes, codec.storage_bytes(tokens)); }, take);
  cache.set_oldest(saved.oldest);
}

Result<void> write_saved_cache(const std::filesystem::path& path, std::string_view description,
                               std::span<const TokenId> tokens, KvCache& cache) {
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return std::unexpected(file.error());
  Hash hash;
  Result<void> written;
  const auto put = [&](std::span<const std::byte> bytes) {
    hash.add(bytes);
    if (written) written = file->write(bytes);
  };
  const auto put_value = [&](auto value) { put(std::as_bytes(std::span(&value, 1))); };
  put(as_bytes(kMagic));
  put_value(kVersion);
  put_value(static_cast<std::uint32_t>(description.size()));
  put(as_bytes(description));
  put_value(std::uint64_t{tokens.size()});
  put_value(std::uint64_t{cache.oldest()});
  put(std::as_bytes(tokens));

  Workspace scratch;
  std::vector<std::byte> group;
  // Rows behind the last token were never written, or are of a sequence that was forgotten: zeros take their places.
  const auto put_codes = [&](const Codec& codec, const std::byte* codes) {
    const std::size_t rows = codec.group_rows(), whole = tokens.size() / rows, left = tokens.size() % rows;
    put({codes, whole * codec.group_bytes()});
    if (left == 0) return;
    const std::byte* last = codes + whole * codec.group_bytes();
    group.assign(last, last + codec.group_bytes());
    const std::vector<float> zeros(codec.dim(), 0.0F);
    for (std::size_t row = left; row < rows; ++row) codec.encode(zeros.data(), group.data(), row, scratch);
    put(group);
  };
  for_pieces(cache, tokens.size(), cache.oldest(), put_codes, [&](const std::byte* bytes, std::size_t size) {
    put({bytes, size});
  });
  put_value(hash.value());
  if (!written) return written;
  return file->commit();
}

}  // namespace tq
