// GGUF block types of 32 values as codecs. q8_0, q5_1, q5_0, q4_1 and q4_0 round byte for byte as ggml's reference does.
#include <array>
#include <cassert>
#include <cfloat>
#include <limits>

#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/run_codec.h"
#include "quant/run_rows.h"
#include "quant/stored_row_codec.h"
#include "simd/kernels.h"

namespace tq {
namespace {

constexpr std::size_t kBlock = 32;

/// The value of largest magnitude, with its sign; NaN never wins.
float extreme(const float* x) {
  float largest = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (std::abs(x[i]) > std::abs(largest)) largest = x[i];
  }
  return largest;
}

class Q8_0Codec final : public StoredRowCodec, public RunSource {
 public:
  static constexpr std::size_t kBlockBytes = 34;
  Q8_0Codec(const CodecSpec& spec, std::size_t dim) : StoredRowCodec(spec, dim, dim / kBlock * kBlockBytes, RowFormat::kQ8_0) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override {
    for (std::size_t i = 0; i < dim(); i += kBlock, row += kBlockBytes) {
      const float scale = std::abs(extreme(x + i)) / 127.0F;
      const float inverse = reciprocal(scale);
      store_half(scale, row);
      for (std::size_t j = 0; j < kBlock; ++j) {
        row[2 + j] = static_cast<std::byte>(static_cast<std::int8_t>(bounded(std::round(x[i + j] * inverse), -127.0F, 127.0F)));
      }
    }
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    kernels().decode_q8_0(rows, n_rows * dim(), out);
  }

  RunFormat run_format() const override { return {.bits = 8, .run = kBlock, .has_offsets = false, .has_units = false}; }
  void take_apart(const std::byte* row, RunParts& parts) const override {
    parts.codes.resize(dim());
    parts.scales.resize(dim() / kBlock);
    for (std::size_t block = 0; block < dim() / kBlock; ++block, row += kBlockBytes) {
      std::memcpy(&parts.scales[block], row, 2);
      for (std::size_t j = 0; j < kBlock; ++j) parts.codes[block * kBlock + j] = std::to_integer<std::uint16_t>(row[2 + j]);
    }
  }
};

// ---- codes of 4 and 5 bits

/// A block before packing: value i is scale · values[codes[i]] + minimum.
struct Block {
  float scale = 0, minimum = 0;
  std::array<std::uint8_t, kBlock> codes{};
};

struct BlockType {
  CodecFamily family;
  Block (*round)(const float* x, const BlockType& type);
  unsigned bits;
  std::array<float, 32> values;  ///< of the codes
  bool has_minimum;              ///< a second half follows the scale
  bool power_of_two_scale;       ///< the scale 2^(e − 128) is one byte e, otherwise a half

  float top() const { return static_cast<float>((1U << bits) - 1); }
  std::size_t fifth_bits_at() const { return power_of_two_scale ? 1 : has_minimum ? 4 : 2; }
  Plane fifth_bits() const { return {fifth_bits_at(), 1, 1}; }
  Plane nibbles() const { return {fifth_bits_at() + (bits == 5 ? 4 : 0), 4, 16}; }
  std::size_t bytes() const { return nibbles().at + 16; }
};

/// The value of largest magnitude gets code 0, which is −2^(bits − 1): the side that reaches one step further.
Block round_symmetric(const float* x, const BlockType& type) {
  const float lowest = type.values[0];
  Block block;
  block.scale = extreme(x) / lowest;
  const float inverse = reciprocal(block.scale);
  for (std::size_t i = 0; i < kBlock; ++i) {
    block.codes[i] = static_cast<std::uint8_t>(bounded(x[i] * inverse + (0.5F - lowest), 0.0F, type.top()));
  }
  return block;
}

Block round_from_minimum(const float* x, const BlockType& type) {
  float low = FLT_MAX, high = -FLT_MAX;
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  Block block;
  block.scale = (high - low) / type.top();
  block.minimum = low;
  const float inverse = reciprocal(block.scale);
  for (std::size_t i = 0; i < kBlock; ++i) {
    block.codes[i] = static_cast<std::uint8_t>(bounded((x[i] - low) * inverse + 0.5F, 0.0F, type.top()));
  }
  return block;
}

float squared_error(const float* x, const Block& block, const BlockType& type) {
  float error = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const float difference = x[i] - block.scale * type.values[block.codes[i]];
    error += difference * difference;
  }
  return error;
}

/// Codes of the nearest entries of a table that ascends.
void nearest_codes(const float* x, float scale, const BlockType& type, std::array<std::uint8_t, kBlock>& codes) {
  const float inverse = reciprocal(scale);
  for (std::size_t i = 0; i < kBlock; ++i) {
    unsigned below = 0;
    for (unsigned c = 1; c < 16; ++c) below += x[i] * inverse > (type.values[c - 1] + type.values[c]) / 2;
    codes[i] = static_cast<std::uint8_t>(below);
  }
}

/// The best of eight scales around the one that gives the value of largest magnitude code 0.
Block round_to_table(const float* x, const BlockType& type) {
  float tamed[kBlock];
  tame(x, kBlock, tamed);
  const float plain = extreme(tamed) / type.values[0];
  Block best;
  float least = std::numeric_limits<float>::infinity();
  for (int step = 16; step <= 23; ++step) {
    Block block;
    block.scale = as_stored(plain * static_cast<float>(step) / 20.0F);
    nearest_codes(tamed, block.scale, type, block.codes);
    const float error = squared_error(tamed, block, type);
    if (error < least) {
      least = error;
      best = block;
    }
  }
  return best;
}

/// Codes of the nearest floats of 1 sign, 2 exponent and 1 fraction bit, in units of half a scale; ties to the smaller.
void nearest_minifloats(const float* x, float scale, std::array<std::uint8_t, kBlock>& codes) {
  static constexpr std::array kBoundaries = {0.5F, 1.5F, 2.5F, 3.5F, 5.0F, 7.0F, 10.0F};
  for (std::size_t i = 0; i < kBlock; ++i) {
    unsigned code = 0;
    for (const float boundary : kBoundaries) code += std::abs(x[i]) > boundary * scale;
    codes[i] = static_cast<std::uint8_t>(code != 0 && x[i] < 0 ? code + 8 : code);
  }
}

/// The exponent that the microscaling specification prescribes, under which the largest value may be cut by a quarter, or the one above
/// it where that is nearer.
Block round_to_minifloats(const float* x, const BlockType& type) {
  float finite[kBlock];
  for (std::size_t i = 0; i < kBlock; ++i) finite[i] = std::isfinite(x[i]) ? x[i] : 0.0F;
  const float largest = std::abs(extreme(finite));
  const int exponent = largest > 0 ? std::max(std::ilogb(largest) - 3, -128) : -128;
  Block prescribed, above;
  prescribed.scale = std::ldexp(1.0F, exponent);
  above.scale = std::ldexp(1.0F, exponent + 1);
  nearest_minifloats(finite, prescribed.scale, prescribed.codes);
  nearest_minifloats(finite, above.scale, above.codes);
  return squared_error(finite, above, type) < squared_error(finite, prescribed, type) ? above : prescribed;
}

constexpr std::array<float, 32> integers_from(int first) {
  std::array<float, 32> values{};
  for (int i = 0; i < 32; ++i) values[static_cast<std::size_t>(i)] = static_cast<float>(first + i);
  return values;
}

/// ggml's table for iq4_nl: its steps widen away from zero.
constexpr std::array<float, 32> kNonLinear = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/// Twice 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; ggml decodes −0 to 0.
constexpr std::array<float, 32> kMinifloats = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

constexpr std::array kTypes = {
    BlockType{CodecFamily::kQ4_0, round_symmetric, 4, integers_from(-8), false, false},
    BlockType{CodecFamily::kQ4_1, round_from_minimum, 4, integers_from(0), true, false},
    BlockType{CodecFamily::kQ5_0, round_symmetric, 5, integers_from(-16), false, false},
    BlockType{CodecFamily::kQ5_1, round_from_minimum, 5, integers_from(0), true, false},
    BlockType{CodecFamily::kIQ4_NL, round_to_table, 4, kNonLinear, false, false},
    BlockType{CodecFamily::kMXFP4, round_to_minifloats, 4, kMinifloats, false, true},
};

void encode_blocks(const float* x, std::size_t dim, const BlockType& type, std::byte* row) {
  for (std::size_t i = 0; i < dim; i += kBlock, row += type.bytes()) {
    const Block block = type.round(x + i, type);
    if (type.power_of_two_scale) {
      row[0] = static_cast<std::byte>(std::ilogb(block.scale) + 128);
    } else {
      store_half(block.scale, row);
    }
    if (type.has_minimum) store_half(block.minimum, row + 2);
    if (type.bits == 5) pack_plane(block.codes.data(), type.fifth_bits(), kBlock, 4, row);
    pack_plane(block.codes.data(), type.nibbles(), kBlock, 0, row);
  }
}

RunFormat run_format_of(const BlockType& type) {
  RunFormat format{.bits = type.bits, .run = kBlock, .has_offsets = type.has_minimum, .has_units = false};
  for (std::size_t i = 0; i < type.values.size(); ++i) format.table[i] = static_cast<std::int8_t>(type.values[i]);  // all are
  return format;
}

void take_blocks_apart(const std::byte* row, std::size_t dim, const BlockType& type, RunParts& parts) {
  parts.codes.resize(dim);
  parts.scales.resize(dim / kBlock);
  parts.offsets.resize(type.has_minimum ? dim / kBlock : 0);
  for (std::size_t block = 0; block < dim / kBlock; ++block, row += type.bytes()) {
    std::array<std::uint8_t, kBlock> codes{};
    unpack_plane(row, type.nibbles(), kBlock, 0, codes.data());
    if (type.bits == 5) unpack_plane(row, type.fifth_bits(), kBlock, 4, codes.data());
    std::copy(codes.begin(), codes.end(), parts.codes.begin() + static_cast<std::ptrdiff_t>(block * kBlock));
    std::memcpy(&parts.scales[block], row, 2);
    if (type.has_minimum) std::memcpy(&parts.offsets[block], row + 2, 2);
  }
}

class Q4_0Codec final : public StoredRowCodec, public RunSource {
 public:
  Q4_0Codec(const CodecSpec& spec, std::size_t dim, const BlockType& type)
      : StoredRowCodec(spec, dim, dim / kBlock * type.bytes(), RowFormat::kQ4_0), type_(type) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override { encode_blocks(x, dim(), type_, row); }
  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    kernels().decode_q4_0(rows, n_rows * dim(), out);
  }
  RunFormat run_format() const override { return run_format_of(type_); }
  void take_apart(const std::byte* row, RunParts& parts) const override { take_blocks_apart(row, dim(), type_, parts); }

 private:
  const BlockType& type_;
};

class BlockCodec final : public RunCodec, public RunSource {
 public:
  BlockCodec(const CodecSpec& spec, std::size_t dim, const BlockType& type)
      : RunCodec(spec, dim, dim / kBlock * type.bytes()), type_(type) {
    for (std::size_t i = 0; i < integers_.size(); ++i) integers_[i] = static_cast<std::int8_t>(type.values[i]);  // all are
  }

  void encode_row(const float* x, std::byte* row, Workspace&) const override { encode_blocks(x, dim(), type_, row); }
  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for (std::size_t i = 0; i < n_rows * dim(); i += kBlock, rows += type_.bytes()) {
      const Line line = load(rows);
      for (std::size_t j = 0; j < kBlock; ++j) out[i + j] = line.scale * type_.values[line.codes[j]] + line.minimum;
    }
  }
  RunFormat run_format() const override { return run_format_of(type_); }
  void take_apart(const std::byte* row, RunParts& parts) const override { take_blocks_apart(row, dim(), type_, parts); }

 private:
  struct Line {
    std::array<std::uint8_t, kBlock> codes{};
    float scale, minimum;
  };
  Line load(const std::byte* block) const {
    Line line;
    unpack_plane(block, type_.nibbles(), kBlock, 0, line.codes.data());
    if (type_.bits == 5) unpack_plane(block, type_.fifth_bits(), kBlock, 4, line.codes.data());
    line.scale = type_.power_of_two_scale ? std::ldexp(1.0F, std::to_integer<int>(block[0]) - 128) : load_half(block);
    line.minimum = type_.has_minimum ? load_half(block + 2) : -0.0F;  // x + −0 is x, also for both zeros
    return line;
  }

  void unpack_row(const std::byte* row, std::int8_t* codes, float* scales, float* offsets) const override {
    for (std::size_t i = 0; i < dim(); i += kBlock, row += type_.bytes()) {
      const Line line = load(row);
      for (std::size_t j = 0; j < kBlock; ++j) codes[i + j] = integers_[line.codes[j]];
      for (std::size_t run = i / 16; run < i / 16 + 2; ++run) {
        scales[run] = line.scale;
        offsets[run] = line.minimum;
      }
    }
  }

  const BlockType& type_;
  std::array<std::int8_t, 32> integers_;  ///< type_.values
};

}  // namespace

std::shared_ptr<const Codec> make_block_codec(const CodecSpec& spec, std::size_t dim) {
  assert(dim % kBlock == 0);
  if (spec.layout == Layout::kInterleavedRuns) return make_interleaved_runs(spec, make_block_codec(spec.with_layout(Layout::kRows), dim));
  if (spec.family == CodecFamily::kQ8_0) return std::make_shared<Q8_0Codec>(spec, dim);
  const auto* type = std::find_if(kTypes.begin(), kTypes.end(), [&](const BlockType& t) { return t.family == spec.family; });
  assert(type != kTypes.end());
  if (spec.family == CodecFamily::kQ4_0) return std::make_shared<Q4_0Codec>(spec, dim, *type);
  return std::make_shared<BlockCodec>(spec, dim, *type);
}

}  // namespace tq
