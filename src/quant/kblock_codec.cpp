// GGUF super-blocks as codecs: 256 values in runs of 16 or 32, whose scales (and minima) are small integers in units of one or two
// halves per super-block. docs/block-types.md has the layouts and how scales are chosen.
#include <array>
#include <cassert>
#include <limits>

#include "quant/blocks.h"
#include "quant/codecs.h"
#include "quant/run_codec.h"
#include "quant/run_rows.h"

namespace tq {
namespace {

constexpr std::size_t kBlock = 256, kMostRuns = 16;

/// How the integers of the runs are held.
enum class ScaleLayout : std::uint8_t {
  kNibblePairs,  ///< 16 bytes: scale below, minimum above
  kSixBits,      ///< 12 bytes: 16 scales of 6 bits, plus 32
  kSixBitPairs,  ///< 12 bytes: 8 scales and 8 minima of 6 bits
  kBytes         ///< 16 signed bytes
};

struct SuperBlock {
  CodecFamily family;
  unsigned bits;
  std::size_t bytes;
  std::size_t run;      ///< values that share a scale
  int centre;           ///< the code of zero; 0: codes count up from a minimum
  Plane low, high;      ///< of the codes
  ScaleLayout scales;
  std::size_t scales_at;
  int lowest_scale, highest_scale;
  std::size_t unit_at;  ///< half: unit of the scales; the unit of the minima, where there are any, follows
  float narrowest;      ///< see choose_run()

  bool has_minima() const { return centre == 0; }
  int top() const { return (1 << bits) - 1; }
};

constexpr std::array kTypes = {
    SuperBlock{CodecFamily::kQ2_K, 2, 84, 16, 0, {16, 2, 32}, {}, ScaleLayout::kNibblePairs, 0, 0, 15, 80, 0.8F},
    SuperBlock{CodecFamily::kQ3_K, 3, 110, 16, 4, {32, 2, 32}, {0, 1, 32}, ScaleLayout::kSixBits, 96, -32, 31, 108, 0.8F},
    SuperBlock{CodecFamily::kQ4_K, 4, 144, 32, 0, {16, 4, 32}, {}, ScaleLayout::kSixBitPairs, 4, 0, 63, 0, 0.95F},
    SuperBlock{CodecFamily::kQ5_K, 5, 176, 32, 0, {48, 4, 32}, {16, 1, 32}, ScaleLayout::kSixBitPairs, 4, 0, 63, 0, 0.95F},
    SuperBlock{CodecFamily::kQ6_K, 6, 210, 16, 32, {0, 4, 64}, {128, 2, 32}, ScaleLayout::kBytes, 192, -128, 127, 208, 0.95F},
};

/// The stored integers of a run.
struct Run {
  int scale = 0, minimum = 0;
};
using Runs = std::array<Run, kMostRuns>;

void load_runs(const std::byte* block, const SuperBlock& type, Runs& runs) {
  const auto* b = reinterpret_cast<const std::uint8_t*>(block + type.scales_at);
  switch (type.scales) {
    case ScaleLayout::kNibblePairs:
      for (std::size_t k = 0; k < 16; ++k) runs[k] = {b[k] & 15, b[k] >> 4};
      break;
    case ScaleLayout::kSixBits:
      for (std::size_t k = 0; k < 16; ++k) runs[k].scale = ((b[k % 8] >> k / 8 * 4 & 15) | (b[8 + k % 4] >> k / 4 * 2 & 3) << 4) - 32;
      break;
    case ScaleLayout::kSixBitPairs:
      for (std::size_t k = 0; k < 4; ++k) {
        runs[k] = {b[k] & 63, b[k + 4] & 63};
        runs[k + 4] = {(b[k + 8] & 15) | b[k] >> 6 << 4, b[k + 8] >> 4 | b[k + 4] >> 6 << 4};
      }
      break;
    case ScaleLayout::kBytes:
      for (std::size_t k = 0; k < 16; ++k) runs[k].scale = static_cast<std::int8_t>(b[k]);
      break;
  }
}

void store_runs(const Runs& runs, const SuperBlock& type, std::byte* block) {
  auto* b = reinterpret_cast<std::uint8_t*>(block + type.scales_at);
  const auto put = [&](std::size_t k, int bits) { b[k] = static_cast<std::uint8_t>(b[k] | bits); };
  std::memset(b, 0, type.scales == ScaleLayout::kSixBits || type.scales == ScaleLayout::kSixBitPairs ? 12 : 16);
  switch (type.scales) {
    case ScaleLayout::kNibblePairs:
      for (std::size_t k = 0; k < 16; ++k) put(k, runs[k].scale | runs[k].minimum << 4);
      break;
    case ScaleLayout::kSixBits:
      for (std::size_t k = 0; k < 16; ++k) {
        const int raised = runs[k].scale + 32;
        put(k % 8, (raised & 15) << k / 8 * 4);
        put(8 + k % 4, raised >> 4 << k / 4 * 2);
      }
      break;
    case ScaleLayout::kSixBitPairs:
      for (std::size_t k = 0; k < 4; ++k) {
        const Run &first = runs[k], &second = runs[k + 4];
        put(k, first.scale | second.scale >> 4 << 6);
        put(k + 4, first.minimum | second.minimum >> 4 << 6);
        put(k + 8, (second.scale & 15) | (second.minimum & 15) << 4);
      }
      break;
    case ScaleLayout::kBytes:
      for (std::size_t k = 0; k < 16; ++k) put(k, runs[k].scale & 0xFF);
      break;
  }
}

/// Value i of a run is scale · (code − centre) + offset.
struct Line {
  float scale, offset, centre, top;
  float inverse = reciprocal(scale);

  float code(float x) const {
    return static_cast<float>(static_cast<int>(bounded((x - offset) * inverse + (centre + 0.5F), 0.0F, top)));
  }
  float squared_error(const float* x, std::size_t n) const {
    std::array<float, 8> sums{};  // eight chains for the compiler's vectors: their order is fixed
    for (std::size_t i = 0; i < n; i += 8) {
      for (std::size_t j = 0; j < 8; ++j) {
        const float difference = x[i + j] - (scale * (code(x[i + j]) - centre) + offset);
        sums[j] += difference * difference;
      }
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
  }
};

/// The two halves of a super-block.
struct Units {
  float scale = 0, minimum = 0;

  Line line(const Run& run, const SuperBlock& type) const {
    const float offset = type.has_minima() ? -(minimum * static_cast<float>(run.minimum)) : -0.0F;  // x + −0 is x, also for both zeros
    return {scale * static_cast<float>(run.scale), offset, static_cast<float>(type.centre), static_cast<float>(type.top())};
  }
};

/// What plain rounding would use for a run: the step that just reaches its values. A minimum above zero cannot be stored.
struct Plain {
  float step = 0, low = 0, high = 0;
};

Plain measure(const float* x, const SuperBlock& type) {
  Plain run;
  run.high = type.has_minima() ? x[0] : 0;
  for (std::size_t i = 0; i < type.run; ++i) {
    run.low = std::min(run.low, x[i]);
    run.high = std::max(run.high, x[i]);
  }
  run.step = type.has_minima() ? (run.high - run.low) / static_cast<float>(type.top())
                               : (run.high > -run.low ? run.high : run.low) / static_cast<float>(-type.centre);
  return run;
}

/// Wider steps than the plain ones are worth trying: the grid may happen to fall on the values.
constexpr float kWidest = 1.15F;

int to_int(float value, int low, int high) {
  return static_cast<int>(std::round(bounded(value, static_cast<float>(low), static_cast<float>(high))));
}

/// Tries every stored scale from `narrowest` to kWidest times the plain step, each with the three minima nearest to a centred grid, and
/// keeps the pair with the least squared error.
Run choose_run(const float* x, const Plain& plain, const Units& units, const SuperBlock& type) {
  const float ratio = plain.step * reciprocal(units.scale);
  const int near = to_int(ratio * type.narrowest, type.lowest_scale, type.highest_scale);
  const int far = to_int(ratio * kWidest, type.lowest_scale, type.highest_scale);
  Run best;
  float least = std::numeric_limits<float>::infinity();
  for (int scale = std::min(near, far); scale <= std::max(near, far); ++scale) {
    const float reach = units.scale * static_cast<float>(scale) * static_cast<float>(type.top());
    const float centred = (reach - (plain.low + plain.high)) / 2 * reciprocal(units.minimum);
    const int middle = to_int(centred, 0, type.highest_scale);
    const int spread = units.minimum != 0 ? 1 : 0;
    for (int minimum = std::max(middle - spread, 0); minimum <= std::min(middle + spread, type.highest_scale); ++minimum) {
      const float error = units.line({scale, minimum}, type).squared_error(x, type.run);
      if (error < least) {
        least = error;
        best = {scale, minimum};
      }
    }
  }
  return best;
}

void encode_block(const float* values, const SuperBlock& type, std::byte* block) {
  std::array<float, kBlock> x;
  tame(values, kBlock, x.data());
  const std::size_t n_runs = kBlock / type.run;
  std::array<Plain, kMostRuns> plains;
  float step = 0, low = 0;
  for (std::size_t k = 0; k < n_runs; ++k) {
    plains[k] = measure(x.data() + k * type.run, type);
    if (std::abs(plains[k].step) > std::abs(step)) step = plains[k].step;
    low = std::min(low, plains[k].low);
  }
  Units units;
  const int furthest_scale = type.has_minima() ? type.highest_scale : type.lowest_scale;
  units.scale = as_stored(step * kWidest / static_cast<float>(furthest_scale));
  store_half(units.scale, block + type.unit_at);
  if (type.has_minima()) {
    units.minimum = as_stored(-low / static_cast<float>(type.highest_scale));
    store_half(units.minimum, block + type.unit_at + 2);
  }

  Runs runs;
  std::array<std::uint8_t, kBlock> codes;
  for (std::size_t k = 0; k < n_runs; ++k) {
    runs[k] = choose_run(x.data() + k * type.run, plains[k], units, type);
    const Line line = units.line(runs[k], type);
    for (std::size_t i = k * type.run; i < (k + 1) * type.run; ++i) codes[i] = static_cast<std::uint8_t>(line.code(x[i]));
  }
  store_runs(runs, type, block);
  pack_plane(codes.data(), type.low, kBlock, 0, block);
  if (type.high.bits != 0) pack_plane(codes.data(), type.high, kBlock, type.low.bits, block);
}

void load_codes(const std::byte* block, const SuperBlock& type, std::uint8_t* codes) {
  std::memset(codes, 0, kBlock);
  unpack_plane(block, type.low, kBlock, 0, codes);
  if (type.high.bits != 0) unpack_plane(block, type.high, kBlock, type.low.bits, codes);
}

Units load_units(const std::byte* block, const SuperBlock& type) {
  Units units;
  units.scale = load_half(block + type.unit_at);
  if (type.has_minima()) units.minimum = load_half(block + type.unit_at + 2);
  return units;
}

void decode_block(const std::byte* block, const SuperBlock& type, float* out) {
  std::array<std::uint8_t, kBlock> codes;
  load_codes(block, type, codes.data());
  const Units units = load_units(block, type);
  Runs runs;
  load_runs(block, type, runs);
  for (std::size_t k = 0; k < kBlock / type.run; ++k) {
    const Line line = units.line(runs[k], type);
    for (std::size_t i = k * type.run; i < (k + 1) * type.run; ++i) {
      out[i] = line.scale * static_cast<float>(codes[i] - type.centre) + line.offset;
    }
  }
}

class SuperBlockCodec final : public RunCodec, public RunSource {
 public:
  SuperBlockCodec(const CodecSpec& spec, std::size_t dim, const SuperBlock& type)
      : RunCodec(spec, dim, dim / kBlock * type.bytes), type_(type) {}

  void encode_row(const float* x, std::byte* row, Workspace&) const override {
    for (std::size_t i = 0; i < dim(); i += kBlock, row += type_.bytes) encode_block(x + i, type_, row);
  }
  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for (std::size_t i = 0; i < n_rows * dim(); i += kBlock, rows += type_.bytes) decode_block(rows, type_, out + i);
  }

  RunFormat run_format() const override {
    RunFormat format{.bits = type_.bits, .run = type_.run, .has_offsets = type_.has_minima(), .has_units = true};
    for (int code = 0; code <= type_.top(); ++code) format.table[static_cast<std::size_t>(code)] = static_cast<std::int8_t>(code - type_.centre);
    return format;
  }

  /// An offset is minus a minimum: the unit changes its sign.
  void take_apart(const std::byte* row, RunParts& parts) const override {
    const std::size_t n_blocks = dim() / kBlock, n_runs = kBlock / type_.run;
    parts.codes.resize(dim());
    parts.scales.resize(n_blocks);
    parts.offsets.resize(type_.has_minima() ? n_blocks : 0);
    parts.run_scales.resize(n_blocks * n_runs);
    parts.run_offsets.resize(type_.has_minima() ? n_blocks * n_runs : 0);
    for (std::size_t b = 0; b < n_blocks; ++b, row += type_.bytes) {
      std::array<std::uint8_t, kBlock> codes;
      load_codes(row, type_, codes.data());
      std::copy(codes.begin(), codes.end(), parts.codes.begin() + static_cast<std::ptrdiff_t>(b * kBlock));
      std::memcpy(&parts.scales[b], row + type_.unit_at, 2);
      if (type_.has_minima()) {
        std::memcpy(&parts.offsets[b], row + type_.unit_at + 2, 2);
        parts.offsets[b] ^= 0x8000U;
      }
      Runs runs;
      load_runs(row, type_, runs);
      for (std::size_t k = 0; k < n_runs; ++k) {
        parts.run_scales[b * n_runs + k] = static_cast<std::int8_t>(runs[k].scale);
        if (type_.has_minima()) parts.run_offsets[b * n_runs + k] = static_cast<std::int8_t>(runs[k].minimum);
      }
    }
  }

  void unpack_row(const std::byte* row, std::int8_t* codes, float* scales, float* offsets) const override {
    for (std::size_t i = 0; i < dim(); i += kBlock, row += type_.bytes) {
      load_codes(row, type_, reinterpret_cast<std::uint8_t*>(codes + i));
      const Units units = load_units(row, type_);
      Runs runs;
      load_runs(row, type_, runs);
      for (std::size_t k = 0; k < kBlock / 16; ++k) {
        const Run& run = runs[k * 16 / type_.run];
        const float scale = units.scale * static_cast<float>(run.scale);
        scales[i / 16 + k] = scale;
        offsets[i / 16 + k] = type_.has_minima() ? -(units.minimum * static_cast<float>(run.minimum)) : -(scale * static_cast<float>(type_.centre));
      }
    }
  }

 private:
  const SuperBlock& type_;
};

}  // namespace

std::shared_ptr<const Codec> make_super_block_codec(const CodecSpec& spec, std::size_t dim) {
  assert(dim % kBlock == 0);
  if (spec.layout == Layout::kInterleavedRuns) return make_interleaved_runs(spec, make_super_block_codec(spec.with_layout(Layout::kRows), dim));
  const auto* type = std::find_if(kTypes.begin(), kTypes.end(), [&](const SuperBlock& t) { return t.family == spec.family; });
  assert(type != kTypes.end());
  return std::make_shared<SuperBlockCodec>(spec, dim, *type);
}

}  // namespace tq
