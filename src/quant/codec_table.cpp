// THE list of codecs. A new one is a row here and a file beside this one.
#include <fmt/format.h>

#include <array>
#include <string>

#include "base/nearest.h"
#include "quant/codecs.h"
#include "quant/interleaved_codec.h"
#include "turboquant/codebook.h"

namespace tq {
namespace {

constexpr std::size_t kLongestRow = std::size_t{1} << 24;  // far beyond any model; keeps n x n tables of Rotation out of reach

constexpr std::size_t kInterleavedRunMultiple = 64;
constexpr std::size_t kLongestGaussRow = 4096;  // its dim x dim matrix takes 64 MiB then

/// One row for each name, or for each name with a width in it ("tq" stands for tq1 … tq9).
struct Row {
  const char* stem;
  CodecFamily family;
  unsigned first_bits, last_bits;  // equal: the name is the stem alone
  std::size_t multiple;            // row lengths that it can code
  RotationKind rotation;
  unsigned rounds;
  std::shared_ptr<const Codec> (*make)(const CodecSpec&, std::size_t dim);
  const char* about;
  const char* suffix = "";  // behind the width
};

constexpr std::array kRows = {
    Row{"f32", CodecFamily::kF32, 32, 32, 1, RotationKind::kNone, 0, make_float_codec, "32-bit floats, uncompressed"},
    Row{"f16", CodecFamily::kF16, 16, 16, 1, RotationKind::kNone, 0, make_float_codec, "16-bit floats"},
    Row{"bf16", CodecFamily::kBF16, 16, 16, 1, RotationKind::kNone, 0, make_float_codec, "16-bit floats with the range of f32"},
    Row{"q8_0", CodecFamily::kQ8_0, 8, 8, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32, a scale"},
    Row{"q5_1", CodecFamily::kQ5_1, 5, 5, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32, a scale and a minimum"},
    Row{"q5_0", CodecFamily::kQ5_0, 5, 5, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32, a scale"},
    Row{"q4_1", CodecFamily::kQ4_1, 4, 4, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32, a scale and a minimum"},
    Row{"q4_0", CodecFamily::kQ4_0, 4, 4, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32, a scale"},
    Row{"q2_k", CodecFamily::kQ2_K, 2, 2, 256, RotationKind::kNone, 0, make_super_block_codec, "GGUF: blocks of 16 in 256, scales and minima"},
    Row{"q3_k", CodecFamily::kQ3_K, 3, 3, 256, RotationKind::kNone, 0, make_super_block_codec, "GGUF: blocks of 16 in 256, scales"},
    Row{"q4_k", CodecFamily::kQ4_K, 4, 4, 256, RotationKind::kNone, 0, make_super_block_codec, "GGUF: blocks of 32 in 256, scales and minima"},
    Row{"q5_k", CodecFamily::kQ5_K, 5, 5, 256, RotationKind::kNone, 0, make_super_block_codec, "GGUF: blocks of 32 in 256, scales and minima"},
    Row{"q6_k", CodecFamily::kQ6_K, 6, 6, 256, RotationKind::kNone, 0, make_super_block_codec, "GGUF: blocks of 16 in 256, scales"},
    Row{"iq4_nl", CodecFamily::kIQ4_NL, 4, 4, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32, a scale, a curved grid"},
    Row{"mxfp4", CodecFamily::kMXFP4, 4, 4, 32, RotationKind::kNone, 0, make_block_codec, "GGUF: blocks of 32 small floats, a power of two"},
    Row{"affine", CodecFamily::kAffine, 2, 8, 64, RotationKind::kNone, 0, make_affine_codec, "groups of 64, a scale and a minimum (MLX)"},
    Row{"tq", CodecFamily::kTurbo, 1, Codebook::kMaxBits, 1, RotationKind::kRandomHadamard, 3, make_turbo_codec, "TurboQuant: rotation, Lloyd-Max codebook, a corrected scale"},
    Row{"tt", CodecFamily::kTrellis, 2, 5, 1, RotationKind::kRandomHadamard, 3, make_trellis_codec, "TurboQuant with a trellis for a codebook: less error, slower to encode"},
    Row{"tq", CodecFamily::kTwoPass, 2, Codebook::kMaxBits, 1, RotationKind::kRandomHadamard, 3, make_two_pass_codec, "TurboQuant in two passes: the last bit is an orthogonal sketch of the residual", "p"},
    Row{"tq", CodecFamily::kTwoPassGauss, 2, Codebook::kMaxBits, 1, RotationKind::kRandomHadamard, 3, make_two_pass_codec, "the same with a Gaussian sketch, as the paper has it", "p-gauss"},
    Row{"tq", CodecFamily::kSplit, 2, 4, 1, RotationKind::kNone, 0, make_first_quarter_codec, "the outlier split of the paper: a quarter of the channels gets one more bit", "-split"},
    Row{"rabitq", CodecFamily::kRabitq, 1, 9, 1, RotationKind::kRandomHadamard, 4, make_rabitq_codec, "extended RaBitQ: rotation, uniform grid, the best scale searched for each row"},
    Row{"rabitq", CodecFamily::kRabitqFast, 2, 9, 1, RotationKind::kRandomHadamard, 4, make_rabitq_codec, "the same with one scale for all rows", "-fast"},
};

/// Tables with a mirror are the second version of the trellis.
std::uint32_t newest_version(const CodecSpec& spec) { return spec.family == CodecFamily::kTrellis && spec.bits <= kMostByteBits ? 2 : 1; }

std::string row_name(const Row& row, unsigned bits) {
  return row.first_bits == row.last_bits ? row.stem : row.stem + std::to_string(bits) + row.suffix;
}

std::size_t longest_row(const CodecSpec& spec) {
  if (spec.rotation == RotationKind::kDenseHaar) return Rotation::kLongestDense;
  return spec.family == CodecFamily::kTwoPassGauss ? kLongestGaussRow : kLongestRow;
}

/// The table in a few words.
std::string known_names() {
  std::string names;
  for (const CodecRange& range : codec_ranges()) names += (names.empty() ? "" : ", ") + range.names;
  return names;
}

const Row& row_of(CodecFamily family) {
  for (const Row& row : kRows) {
    if (row.family == family) return row;
  }
  return kRows.front();  // not reached: every family has a row
}

}  // namespace

std::vector<std::string> codec_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    for (unsigned bits = row.first_bits; bits <= row.last_bits; ++bits) names.push_back(row_name(row, bits));
  }
  return names;
}

std::vector<CodecRange> codec_ranges() {
  std::vector<CodecRange> ranges;
  for (const Row& row : kRows) {
    const std::string first = row_name(row, row.first_bits), last = row_name(row, row.last_bits);
    ranges.push_back({.names = first == last ? first : first + " to " + last, .first = first, .last = last, .about = row.about});
  }
  return ranges;
}

Result<CodecSpec> CodecSpec::parse(std::string_view name) {
  for (const Row& row : kRows) {
    for (unsigned bits = row.first_bits; bits <= row.last_bits; ++bits) {
      if (name != row_name(row, bits)) continue;
      CodecSpec spec;
      spec.family = row.family;
      spec.bits = bits;
      spec.rotation = row.rotation;
      spec.rounds = row.rounds;
      spec.version = newest_version(spec);
      return spec.with_layout(Layout::kInterleaved);
    }
  }
  const std::vector<std::string> names = codec_names();
  return fail(ErrorCode::kUsage, fmt::format("there is no codec '{}'; did you mean '{}'? Known are {}", name.substr(0, 64),
                                             nearest(name, names), known_names()));
}

std::string CodecSpec::name() const { return row_name(row_of(family), bits); }

CodecSpec CodecSpec::with_scale(ScaleRule rule) const {
  CodecSpec changed = *this;
  changed.scale = rule;
  return changed;
}

CodecSpec CodecSpec::with_layout(Layout wanted) const {
  CodecSpec changed = *this;
  const Row& row = row_of(family);
  if (row.make == make_block_codec || row.make == make_super_block_codec) {
    if (wanted == Layout::kRows || (wanted == Layout::kInterleavedRuns && family != CodecFamily::kMXFP4)) changed.layout = wanted;
    return changed;
  }
  if (wanted == Layout::kInterleavedRuns) return changed;
  if (family == CodecFamily::kTurbo) changed.layout = wanted;
  if (family == CodecFamily::kTrellis) changed.layout = wanted == Layout::kInterleaved && bits <= kMostByteBits ? wanted : Layout::kRows;
  return changed;
}

CodecSpec CodecSpec::with_plain_hadamard(std::uint32_t longest) const {
  CodecSpec changed = *this;
  changed.rotation = RotationKind::kPlainHadamard;
  changed.rounds = 1;
  changed.max_block = longest;
  return changed;
}

Result<std::shared_ptr<const Codec>> make_codec(const CodecSpec& spec, std::size_t dim) {
  const Row& row = row_of(spec.family);
  if (spec.bits < row.first_bits || spec.bits > row.last_bits) {
    return fail(ErrorCode::kUsage, fmt::format("{} has no width of {} bits", row.stem, spec.bits));
  }
  if (spec.version < 1 || spec.version > newest_version(spec)) {
    return fail(ErrorCode::kUsage, fmt::format("{} has no version {}; this build knows 1 to {}", spec.name(), spec.version, newest_version(spec)));
  }
  if (spec.layout == Layout::kInterleavedRuns && dim % kInterleavedRunMultiple != 0) {
    return fail(ErrorCode::kUsage, fmt::format("rows of {} whose runs are interleaved have a multiple of {} values, not {}", spec.name(), kInterleavedRunMultiple, dim));
  }
  if (dim == 0 || dim % row.multiple != 0) {
    return fail(ErrorCode::kUsage,
                fmt::format("{} codes rows whose length is a multiple of {}, not rows of {}", spec.name(), row.multiple, dim));
  }
  if (dim > longest_row(spec)) {
    return fail(ErrorCode::kUsage, fmt::format("{} codes rows of at most {} values, not {}", spec.name(), longest_row(spec), dim));
  }
  std::shared_ptr<const Codec> codec = row.make(spec, dim);
  return spec.rotation == RotationKind::kNone ? codec : make_rotated_codec(spec, std::move(codec));
}

}  // namespace tq
