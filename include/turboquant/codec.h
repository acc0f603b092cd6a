// How a row of floats becomes bytes, and how a query meets those bytes without decoding them back.
//
// Weights, KV cache and vectors are three users of this one idea; the block types of GGUF are codecs too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "turboquant/aligned_vector.h"
#include "turboquant/result.h"
#include "turboquant/rotation.h"

namespace tq {

enum class CodecFamily : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ5_1,
  kQ5_0,
  kQ4_1,
  kQ4_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kMXFP4,
  kAffine,
  kTurbo,
  kTrellis,
  kTwoPass,
  kTwoPassGauss,
  kSplit,
  kRabitq,
  kRabitqFast
};

/// Which scalar is stored beside the codes. With y the rotated row and c its centroids (docs/algorithm.md has the
/// derivations):
enum class ScaleRule : std::uint8_t {
  kUnbiased,  ///< ‖y‖²/⟨c,y⟩: ⟨x, x̂⟩ = ‖x‖² for each row, so inner products are unbiased. For keys and vectors.
  kLeastSquares,  ///< ⟨c,y⟩/‖c‖²: the smallest ‖x − x̂‖². For values and weights.
  kNorm           ///< ‖y‖, as Algorithm 1 of the paper prints it. For comparison only.
};

/// Which bytes of a storage belong to which row.
enum class Layout : std::uint8_t {
  kRows,         ///< one row after the other
  kInterleaved,  ///< groups of 32 rows whose codes alternate by 4 bytes, so that a vector register holds 16 rows. For
                 ///< scores (docs/layout.md). kTrellis: up to 4 bits and in rows of a multiple of 32, else as kRows
  kTransposed,   ///< the same with rows and coordinates exchanged, so that a register holds 16 coordinates of 4 rows.
                 ///< For sums of rows
  kInterleavedRuns  ///< GGUF's types but mxfp4 with 16 rows alternating, for weights in memory: rows of a multiple of
                    ///< 64 values (docs/layout.md, "Rows of runs")
};

/// A codec by its parameters. Two specs that compare equal produce the same bytes.
struct CodecSpec {
  CodecFamily family = CodecFamily::kF32;
  unsigned bits = 32;  ///< bits of a code, without scales
  RotationKind rotation = RotationKind::kNone;
  unsigned rounds = 0;          ///< rounds of kRandomHadamard
  std::uint32_t max_block = 0;  ///< longest run of kPlainHadamard; 0: no limit
  ScaleRule scale = ScaleRule::kLeastSquares;
  bool wide_scale = false;        ///< the scale of kTurbo and kTrellis is stored as f32 instead of f16
  Layout layout = Layout::kRows;  ///< kTurbo has the first three, kTrellis two, GGUF's types the first and the last
  std::uint64_t seed = 1;
  std::uint32_t version = 1;  ///< of the byte layout and codebook; parse() gives the newest, old ones keep decoding

  /// Reads a name of the codec table (codec_names()). kUsage, with the nearest known name, for anything else.
  static Result<CodecSpec> parse(std::string_view name);
  /// The text form that parse() reads. The rotation of block types is not part of it; a CacheSpec prints it.
  std::string name() const;

  /// The same spec with another scale rule (no effect on the families that have none).
  CodecSpec with_scale(ScaleRule rule) const;
  /// The same spec in another layout (no effect on the families that have one only).
  CodecSpec with_layout(Layout layout) const;
  /// The same spec behind llama.cpp's Hadamard rotation of runs of at most `max_block` values: the text form
  /// `q4_0+rotate=on`.
  CodecSpec with_plain_hadamard(std::uint32_t max_block) const;

  bool operator==(const CodecSpec&) const = default;
};

/// Every name that CodecSpec::parse() knows, in the order of the codec table.
std::vector<std::string> codec_names();

/// The codecs that differ in width alone.
struct CodecRange {
  std::string names;        ///< "tq1 to tq9", or one name
  std::string first, last;  ///< of the narrowest and the widest
  std::string about;        ///< a line for people
};
/// The codec table in as many lines as it has kinds of codecs.
std::vector<CodecRange> codec_ranges();

/// One or more query rows carried into the basis of one codec. Filled by Codec::prepare(); then only read, by any
/// thread. What a codec does not need stays empty.
struct Query {
  std::size_t count = 0;
  std::vector<float> coded;        ///< count x dim
  std::vector<float> projected;    ///< count x 2 dim: a row of `coded`, then its projection by the second of two passes
  std::vector<std::int8_t> bytes;  ///< count x padded length: `coded` in units of `units`, for integer products
  std::vector<float> units;        ///< count
  std::vector<std::int32_t> sums;  ///< count: the sum of the row's `bytes`, or what its layout has in its place
  std::vector<std::int16_t> words;  ///< count x dim: `coded` in units of `units`, for products with GGUF's blocks
  std::vector<float> runs;          ///< of each run of `words` or of two `bytes` the sum
};

/// Scratch memory of one thread. Grows to what is needed and is reused.
struct Workspace {
  std::vector<float> rows;              ///< decoded rows, or temporaries of an encoder
  std::vector<float> rotated;           ///< the row being encoded, in the codec's basis
  std::vector<float> unit;              ///< the same, divided by its scale
  std::vector<std::uint16_t> codes;     ///< its codes
  AlignedVector<float> lanes;           ///< 16 rows being encoded at once
  AlignedVector<std::uint8_t> choices;  ///< of a trellis search, or the codes of 16 rows
  std::vector<float> costs;             ///< of a trellis search
  std::vector<std::byte> stream;        ///< the codes of a trellis before they are interleaved
  std::vector<float> scales;            ///< of coded rows
  std::vector<std::uint8_t> panel;      ///< codes of 32 rows, looked up for many queries
  Query weights;                        ///< of a sum of rows, as integers
};

/// Rows of dim() floats ↔ coded rows in a storage of storage_bytes(n) bytes. Rows are kept in groups of group_rows(),
/// one after the other: of 32 in the layouts that mix rows, of one in the others.
///
/// Immutable after construction; every method may be called from any number of threads at once, each with a Workspace
/// of its own. Rows of one group may be encoded by one thread at a time only; a row may be encoded again over another.
///
/// Special rows. A zero row decodes to zeros. A row with a NaN or an infinity keeps it in f32, f16 and bf16, and
/// decodes to something finite and unspecified in all others. A scale held as f16 is clipped to 65504 (a larger row
/// decodes smaller) and becomes 0 below 2⁻²⁵ (so does the row); TurboQuant's scale is the root mean square of the row,
/// q8_0's a 127th of the largest value of 32. Encoding gives the same bytes on every CPU target.
class Codec {
 public:
  virtual ~Codec() = default;

  const CodecSpec& spec() const { return spec_; }
  std::size_t dim() const { return dim_; }
  std::size_t group_rows() const { return group_rows_; }
  std::size_t group_bytes() const { return group_bytes_; }
  /// Bytes of n_rows rows: whole groups.
  std::size_t storage_bytes(std::size_t n_rows) const {
    return (n_rows + group_rows_ - 1) / group_rows_ * group_bytes_;
  }
  /// The true cost of a value, scales and all.
  double bits_per_value() const {
    return 8.0 * static_cast<double>(group_bytes_) / static_cast<double>(group_rows_ * dim_);
  }

  /// x (dim floats) → row number `row` of the storage. Other rows keep their bytes.
  virtual void encode(const float* x, std::byte* storage, std::size_t row, Workspace& scratch) const = 0;

  /// n_rows x dim floats → rows first … first + n_rows − 1: the bytes that encode() writes, faster where the codec can
  /// take many at once.
  virtual void encode_rows(const float* x, std::size_t n_rows, std::byte* storage, std::size_t first,
                           Workspace& scratch) const {
    for (std::size_t r = 0; r < n_rows; ++r) encode(x + r * dim_, storage, first + r, scratch);
  }
  /// encode_rows() of rows of `length` ≤ dim() values, one behind the other, each filled up with zeros.
  virtual void encode_short_rows(const float* x, std::size_t length, std::size_t n_rows, std::byte* storage,
                                 std::size_t first, Workspace& scratch) const;

  /// Rows first … first + n_rows − 1 → n_rows x dim floats in the codec's own basis (rotated, for a codec that
  /// rotates).
  virtual void decode_coded(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const = 0;
  /// x ← R x, into the codec's own basis; from_coded() is the way back. Both do nothing for a codec that does not
  /// rotate.
  void to_coded(float* x) const { to_coded(x, x); }
  /// y ← R x, of dim() values; y is x or does not overlap it.
  virtual void to_coded(const float* x, float* y) const;
  virtual void from_coded(float*) const {}

  /// Rows first … first + n_rows − 1 → n_rows x dim floats: x̂.
  void decode(const std::byte* storage, std::size_t first, std::size_t n_rows, float* out) const;

  /// Carries `count` query rows (count x dim, the rows `stride` floats apart) into the codec's basis, once.
  void prepare(const float* queries, std::size_t count, std::size_t stride, Query& query) const {
    make_room(count, query);
    fill(queries, stride, 0, count, query);
  }
  /// The two halves of prepare(): room for `count` rows, and rows begin … end − 1 of them. Threads may fill disjoint
  /// ranges.
  virtual void make_room(std::size_t count, Query& query) const;
  void fill(const float* queries, std::size_t stride, std::size_t begin, std::size_t end, Query& query) const;
  /// What the codec derives from rows begin … end − 1 of query.coded; fill() ends with it.
  virtual void complete(Query&, std::size_t /*begin*/, std::size_t /*end*/) const {}

  /// out[i * out_stride + r] = ⟨query i, x̂ of row first + r⟩. Never rotates a row back. The value of a pair does not
  /// depend on which other pairs are asked for in the same call. GGUF's blocks meet queries in 16 bits, one unit for
  /// each, which is off by 1e-8 of its energy.
  virtual void scores(const Query& query, const std::byte* storage, std::size_t first, std::size_t n_rows, float* out,
                      std::size_t out_stride, Workspace& scratch) const;

  /// acc[i * dim + j] += Σ_r weights[i * stride + r] · (x̂ of row first + r)[j] in the codec's basis, r ascending.
  /// Finish with from_coded(). kTransposed rounds each weight times its row's scale to a multiple of 1/127 (beyond
  /// 4 bits 1/32384) of the largest one among 32 rows; rows of weight 0 may be bytes that were never written.
  virtual void accumulate(const float* weights, std::size_t count, std::size_t stride, const std::byte* storage,
                          std::size_t first, std::size_t n_rows, float* acc, Workspace& scratch) const;

  /// accumulate() with exp(score − top) as weights. Query i sees rows begins[i] … ends[i] − 1 of the n_rows, and `top`
  /// is the largest score of these: acc[i * dim + j] += Σ_r exp(scores[i * stride + r] − tops[i]) · (x̂ of row first +
  /// r)[j], totals[i] = Σ_r exp(…); −∞ and 0 where none is seen. Scores are lost, and those of rows that are not seen
  /// matter in no way. n_rows at most 512, `first` a multiple of group_rows(). kTransposed up to 4 bits goes from scores
  /// to bytes at once: exponentials are off by less than 2.5e-3 of each and 2^−15 of the largest among 64 rows, alike in
  /// both sums, and weights times scales are multiples of 1/127 of the largest scale times the largest exponential of
  /// these.
  virtual void accumulate_softmax(float* scores, std::size_t count, std::size_t stride, const std::size_t* begins,
                                  const std::size_t* ends, const std::byte* storage, std::size_t first,
                                  std::size_t n_rows, float* acc, float* tops, float* totals, Workspace& scratch) const;

 protected:
  Codec(CodecSpec spec, std::size_t dim, std::size_t group_rows, std::size_t group_bytes)
      : spec_(spec), dim_(dim), group_rows_(group_rows), group_bytes_(group_bytes) {}

 private:
  CodecSpec spec_;
  std::size_t dim_, group_rows_, group_bytes_;
};

/// The codec of `spec` for rows of `dim` values. kUsage when the spec cannot code such rows (GGUF's types need a
/// multiple of 32 or, q2_k … q6_k, 256; affine needs 64).
Result<std::shared_ptr<const Codec>> make_codec(const CodecSpec& spec, std::size_t dim);

/// The codec of a `tq2-split` … `tq4-split` spec that gives one more bit to the `outliers`, dim/4 different channels;
/// make_codec() takes the first dim/4. The list is no part of the spec or of the coded rows: keep it beside them.
/// kUsage for another family or a wrong list.
Result<std::shared_ptr<const Codec>> make_split_codec(const CodecSpec& spec, std::size_t dim,
                                                      std::span<const std::uint32_t> outliers);

/// The dim/4 channels of the largest L2 norm over n_rows x dim values, ascending: how the paper chooses outliers, from
/// a calibration set.
std::vector<std::uint32_t> loudest_channels(const float* rows, std::size_t n_rows, std::size_t dim);

}  // namespace tq
