#include "formats/llama2c.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/bytes.h"
#include "base/checked.h"
#include "formats/message.h"

namespace tq {
namespace {

constexpr std::uint32_t kMagic = 0x616b3432;  // "ak42" of versions 1 and above
constexpr std::size_t kHeaderBytes = 256;     // of versions 1 and above
constexpr std::uint64_t kLargest = 1U << 24;  // of any size in a header: ten times the largest vocabulary

struct Sizes {
  std::uint64_t dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocab = 0, context = 0;
  bool separate_output = false;

  std::uint64_t head_dim() const { return dim / heads; }
  std::uint64_t kv_dim() const { return head_dim() * kv_heads; }
};

/// The seven numbers; nothing when no model can have them. A negative vocabulary says that the output matrix is
/// separate.
std::optional<Sizes> read_sizes(ByteReader& reader) {
  std::int32_t raw[7] = {};
  for (std::int32_t& number : raw) {
    if (!reader.read(number)) return std::nullopt;
  }
  const bool separate = raw[5] < 0;
  const auto size = [&](int i) {
    return static_cast<std::uint64_t>(i == 5 && separate ? -std::int64_t{raw[i]} : raw[i]);
  };
  Sizes sizes{size(0), size(1), size(2), size(3), size(4), size(5), size(6), separate};
  for (int i = 0; i < 7; ++i) {
    if (size(i) == 0 || size(i) > kLargest) return std::nullopt;  // a negative one has become huge
  }
  const bool heads_fit = sizes.dim % sizes.heads == 0 && sizes.heads % sizes.kv_heads == 0 && sizes.head_dim() % 2 == 0;
  return heads_fit ? std::optional(sizes) : std::nullopt;
}

/// Each step returns false after the first failure, which is kept in error_.
class Llama2cReader {
 public:
  Llama2cReader(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder)
      : bytes_(bytes), name_(name), builder_(builder), reader_(bytes) {}

  Result<void> read() {
    if (read_header() && (version_ == 0 ? read_tensors_v0() : read_tensors_v1()) && at_the_end()) {
      set_metadata();
      return {};
    }
    return std::unexpected(error_);
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name_, what, std::forward<Args>(args)...).error();
    return false;
  }

  bool read_header() {
    ByteReader peek(bytes_);
    std::uint32_t magic = 0;
    if (peek.read(magic) && magic == kMagic) {
      reader_ = peek;
      if (!reader_.read(version_)) return refuse("the llama2.c header is cut off; fetch the file again");
      if (version_ == 2)
        return refuse("this is a quantized llama2.c checkpoint (version 2), which is not supported; export version 1");
      if (version_ != 1) return refuse("this llama2.c checkpoint has version {}; versions 0 and 1 are known", version_);
    }
    const std::optional<Sizes> sizes = read_sizes(reader_);
    if (!sizes)
      return refuse("the sizes at its beginning are cut off or fit no model, so this is not a llama2.c checkpoint");
    sizes_ = *sizes;
    return version_ == 0 || read_rest_of_v1_header();
  }

  bool read_rest_of_v1_header() {
    std::uint8_t shared = 0;
    std::span<const std::byte> padding;
    if (!reader_.read(shared) || !reader_.take(kHeaderBytes - reader_.position(), padding)) {
      return refuse("the llama2.c header is cut off; fetch the file again");
    }
    const bool zeros = std::all_of(padding.begin(), padding.end(), [](std::byte b) { return b == std::byte{0}; });
    if (shared > 1 || !zeros || sizes_.separate_output) return refuse("the llama2.c header of version 1 is damaged");
    sizes_.separate_output = shared == 0;
    return true;
  }

  // Version 0 goes through the layer in the order of the forward pass, version 1 has the norms in front.

  bool read_tensors_v0() {
    const Sizes& s = sizes_;
    return take("token_embd", {s.vocab, s.dim}) && take_layers("attn_norm", {s.dim}) && take_attention() &&
           take_layers("ffn_norm", {s.dim}) && take_feed_forward() && take("output_norm", {s.dim}) &&
           skip_rotary_tables() && take_output();
  }

  bool read_tensors_v1() {
    const Sizes& s = sizes_;
    return take_layers("attn_norm", {s.dim}) && take_layers("ffn_norm", {s.dim}) && take("output_norm", {s.dim}) &&
           take("token_embd", {s.vocab, s.dim}) && take_attention() && take_feed_forward() && take_output();
  }

  bool take_attention() {
    const Sizes& s = sizes_;
    return take_layers("attn_q", {s.dim, s.dim}) && take_layers("attn_k", {s.kv_dim(), s.dim}) &&
           take_layers("attn_v", {s.kv_dim(), s.dim}) && take_layers("attn_output", {s.dim, s.dim});
  }

  bool take_feed_forward() {
    const Sizes& s = sizes_;
    return take_layers("ffn_gate", {s.hidden, s.dim}) && take_layers("ffn_down", {s.dim, s.hidden}) &&
           take_layers("ffn_up", {s.hidden, s.dim});
  }

  bool take_output() { return !sizes_.separate_output || take("output", {sizes_.vocab, sizes_.dim}); }

  /// Cosines and sines of every position, which follow from the metadata.
  bool skip_rotary_tables() {
    std::span<const std::byte> tables;
    return take_floats({2, sizes_.context, sizes_.head_dim() / 2}, tables);
  }

  bool take_layers(std::string_view stem, const std::vector<std::uint64_t>& shape) {
    for (std::uint64_t layer = 0; layer < sizes_.layers; ++layer) {
      if (!take(fmt::format("blk.{}.{}", layer, stem), shape)) return false;
    }
    return true;
  }

  bool take(const std::string& stem, const std::vector<std::uint64_t>& shape) {
    TensorView view{stem + ".weight", "f32", shape, {}};
    if (!take_floats(shape, view.bytes)) return false;
    if (builder_.tensor_count() == TensorFileBuilder::kMaxTensors) {
      return refuse("no model has more than {} tensors", builder_.tensor_count());
    }
    return builder_.add(std::move(view)) || refuse("the tensor {} stands twice in the model", in_quotes(stem));
  }

  bool take_floats(const std::vector<std::uint64_t>& shape, std::span<const std::byte>& floats) {
    std::optional<std::uint64_t> size = sizeof(float);
    for (const std::uint64_t dimension : shape) {
      if (size) size = checked_multiply(*size, dimension);
    }
    if (size && reader_.take(*size, floats)) return true;
    return refuse("the sizes in the header ask for more than its {} bytes; it is cut off, fetch it again",
                  bytes_.size());
  }

  bool at_the_end() {
    return reader_.remaining() == 0 || refuse("{} bytes behind the last tensor belong to nothing", reader_.remaining());
  }

  void set_metadata() {
    Metadata& metadata = builder_.metadata();
    const auto set_size = [&](const char* key, std::uint64_t value) {
      metadata.set(key, static_cast<std::int64_t>(value));
    };
    metadata.set("general.architecture", std::string("llama"));
    metadata.set("general.name", std::filesystem::path(name_).stem().string());
    set_size("llama.block_count", sizes_.layers);
    set_size("llama.embedding_length", sizes_.dim);
    set_size("llama.feed_forward_length", sizes_.hidden);
    set_size("llama.attention.head_count", sizes_.heads);
    set_size("llama.attention.head_count_kv", sizes_.kv_heads);
    set_size("llama.context_length", sizes_.context);
    set_size("llama.vocab_size", sizes_.vocab);
    set_size("llama.rope.dimension_count", sizes_.head_dim());
    metadata.set("llama.rope.freq_base", 10000.0);                 // fixed in llama2.c
    metadata.set("llama.attention.layer_norm_rms_epsilon", 1e-5);  // likewise
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  TensorFileBuilder& builder_;
  ByteReader reader_;
  std::int32_t version_ = 0;
  Sizes sizes_;
  Error error_;
};

}  // namespace

bool looks_like_llama2c(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  return read_sizes(reader).has_value();
}

Result<void> parse_llama2c(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder) {
  return Llama2cReader(bytes, name, builder).read();
}

}  // namespace tq
