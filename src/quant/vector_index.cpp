#include "turboquant/vector_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/float16.h"
#include "quant/interleave.h"
#include "quant/interleaved_codec.h"
#include "simd/kernels.h"

namespace tq {
namespace {

using Hit = VectorIndex::Hit;

constexpr std::size_t kBatch = 8;  // queries that share a pass over the vectors
/// Scores that are looked at together: half a level-2 cache.
constexpr std::size_t kScores = 131072;
/// Of shorter rows a sum of signs is too far from normally distributed for the bound below.
constexpr std::size_t kShortestInPlanes = 32;
/// Scoring one row alone costs as much as so many in a block of 16.
constexpr std::size_t kCostOfOneRow = 10;
/// Standard errors. The tail of a normal distribution beyond is 3·10⁻⁵.
constexpr float kMargin = 4;

bool better(const Hit& a, const Hit& b) { return a.score != b.score ? a.score > b.score : a.row < b.row; }

/// The best `capacity` hits so far, the worst of them on top of a heap.
class Best {
 public:
  explicit Best(std::size_t capacity) : capacity_(capacity) { hits_.reserve(capacity + 1); }

  std::size_t capacity() const { return capacity_; }
  /// Only scores above it can still become hits.
  float threshold() const {
    return hits_.size() < capacity_ ? -std::numeric_limits<float>::infinity() : hits_.front().score;
  }
  void offer(Hit hit) {
    if (hits_.size() == capacity_ && !(hit.score > hits_.front().score)) return;
    hits_.push_back(hit);
    std::push_heap(hits_.begin(), hits_.end(), better);
    if (hits_.size() <= capacity_) return;
    std::pop_heap(hits_.begin(), hits_.end(), better);
    hits_.pop_back();
  }
  /// Offers scores[i] for row first + i, i ascending. Room for n in `found`.
  void offer_all(const float* scores, std::size_t n, std::size_t first, std::uint32_t* found) {
    const std::size_t count = kernels().find_above(scores, n, threshold(), found);
    for (std::size_t i = 0; i < count; ++i) offer({scores[found[i]], static_cast<std::uint32_t>(first + found[i])});
  }
  std::vector<Hit> sorted() && {
    std::sort_heap(hits_.begin(), hits_.end(), better);
    return std::move(hits_);
  }

 private:
  std::size_t capacity_;
  std::vector<Hit> hits_;
};

}  // namespace

class VectorIndex::Storage {
 public:
  Storage(std::shared_ptr<const Codec> codec, std::size_t n_rows, std::size_t dim)
      : codec_(std::move(codec)), rows_(n_rows), dim_(dim) {}
  virtual ~Storage() = default;

  const Codec& codec() const { return *codec_; }
  std::size_t rows() const { return rows_; }
  std::size_t dim() const { return dim_; }  ///< of vectors; the codec's may be longer

  virtual std::size_t bytes() const = 0;
  /// Offers all rows to the best of each query of scratch.query.
  virtual void search(Scratch& scratch, std::vector<Best>& best) const = 0;

 private:
  std::shared_ptr<const Codec> codec_;
  std::size_t rows_, dim_;
};

/// Rows of `dim` values, from x on, with zeros up to `padded`.
void pad_rows(const float* x, std::size_t n_rows, std::size_t dim, std::size_t padded, std::vector<float>& out) {
  out.assign(n_rows * padded, 0.0F);
  for (std::size_t r = 0; r < n_rows; ++r) std::copy_n(x + r * dim, dim, out.data() + r * padded);
}

/// Any codec, as it stores rows itself.
class VectorIndex::Coded final : public Storage {
 public:
  Coded(std::shared_ptr<const Codec> codec, const float* rows, std::size_t n_rows)
      : Storage(codec, n_rows, codec->dim()) {
    bytes_.resize(this->codec().storage_bytes(n_rows));
    Workspace scratch;
    this->codec().encode_rows(rows, n_rows, bytes_.data(), 0, scratch);
  }

  std::size_t bytes() const override { return bytes_.size(); }
  void search(Scratch& scratch, std::vector<Best>& best) const override {
    constexpr std::size_t kSlice = 1024;
    scratch.scores.resize(std::max(scratch.scores.size(), best.size() * kSlice));
    scratch.found.resize(std::max(scratch.found.size(), kSlice));
    for (std::size_t r = 0; r < rows(); r += kSlice) {
      const std::size_t n = std::min(kSlice, rows() - r);
      codec().scores(scratch.query, bytes_.data(), r, n, scratch.scores.data(), kSlice, scratch.codec);
      for (std::size_t q = 0; q < best.size(); ++q)
        best[q].offer_all(scratch.scores.data() + q * kSlice, n, r, scratch.found.data());
    }
  }

 private:
  std::vector<std::byte> bytes_;
};

/// tq2 to tq4 in two planes: blocks of 16 rows of signs, and the other bits row by row, so that one row can be read
/// alone. Rows are filled up with zeros before they are rotated: what is kept has whole chunks of 32 codes anyway, and
/// the same error spread over more coordinates is a smaller one of the vector.
class VectorIndex::Planes final : public Storage {
 public:
  static bool fits(const CodecSpec& spec, std::size_t dim) {
    return spec.family == CodecFamily::kTurbo && spec.layout == Layout::kInterleaved && !spec.wide_scale &&
           spec.bits >= 2 && spec.bits <= kMostByteBits && dim >= kShortestInPlanes &&
           dim <= longest_integer_row(spec.bits);
  }

  static std::size_t padded(std::size_t dim) { return (dim + kChunk - 1) / kChunk * kChunk; }

  /// A codec for rows of padded(dim) values.
  Planes(std::shared_ptr<const Codec> codec, const float* rows, std::size_t n_rows, std::size_t dim)
      : Storage(std::move(codec), n_rows, dim),
        bits_(this->codec().spec().bits),
        chunks_(this->codec().dim() / kChunk) {
    Codebook codebook = Codebook::lloyd_max(bits_, this->codec().dim()).value();
    book_ = bytes_of(codebook);
    const std::size_t blocks = (n_rows + kInterleavedRows - 1) / kInterleavedRows;
    signs_.resize(blocks * chunks_);
    rest_.resize(blocks * kInterleavedRows * rest_bytes() + kWord);  // a row is read in whole registers
    for (std::vector<float>* values : {&scales_, &sign_scales_, &errors_}) values->resize(blocks * kInterleavedRows);
    constexpr std::size_t kBatch = 16 * kGroupRows;  // groups that stay in level 2 until they are taken apart
    Workspace scratch;
    std::vector<std::byte> groups(this->codec().storage_bytes(std::min(kBatch, n_rows)));
    for (std::size_t r = 0; r < n_rows; r += kBatch) {
      const std::size_t n = std::min(kBatch, n_rows - r);
      if (n < kBatch) std::fill(groups.begin(), groups.end(), std::byte{0});  // the rows behind the last one
      this->codec().encode_short_rows(rows + r * dim, dim, n, groups.data(), 0, scratch);
      for (std::size_t i = 0; i < n; i += kInterleavedRows) {
        take_half(groups.data() + i / kGroupRows * this->codec().group_bytes(), i % kGroupRows / kInterleavedRows,
                  (r + i) / kInterleavedRows);
      }
    }
  }

  std::size_t bytes() const override {
    return signs_.size() * kWord + rest_.size() + 3 * sizeof(float) * scales_.size();
  }

  void search(Scratch& scratch, std::vector<Best>& best) const override {
    const std::size_t slice = kScores / best.size() / kInterleavedRows * kInterleavedRows;
    scratch.scores.resize(best.size() * slice);
    scratch.found.resize(std::max(scratch.found.size(), best.size() * slice));
    scratch.refined = 0;
    const SignQueries sign_sums = sign_queries(scratch.query, scratch.tables);
    spread_queries(scratch.query, scratch.bytes);
    bool by_signs = true;  // until they prove to decide too little
    for (std::size_t r = 0; r < rows(); r += slice) {
      const std::size_t n = std::min(slice, rows() - r);
      by_signs = by_signs && search_by_signs(r, n, sign_sums, scratch, best);
      if (!by_signs) search_by_all_bits(r, n, scratch, best);
    }
  }

 private:
  static constexpr std::size_t kChunk = 32;  // codes in the words of each plane
  static constexpr std::size_t kWord = 64;
  struct alignas(kWord) Word {
    std::array<std::uint8_t, kWord> bytes{};
  };

  const std::uint8_t* signs(std::size_t block) const {
    return reinterpret_cast<const std::uint8_t*>(signs_.data() + block * chunks_);
  }

  /// The rows with the highest bounds. A long row may have a high bound and a low score: take some more than are
  /// wanted.
  static std::vector<std::uint32_t> most_promising(const float* bounds, std::size_t n, std::size_t most,
                                                   std::uint32_t* found) {
    constexpr std::size_t kStep = 512;  // after which only rows above the new threshold are looked at
    Best promising(most);
    for (std::size_t r = 0; r < n; r += kStep) promising.offer_all(bounds + r, std::min(kStep, n - r), r, found);
    std::vector<std::uint32_t> rows;
    for (const Hit& hit : std::move(promising).sorted()) rows.push_back(hit.row);
    return rows;
  }

  /// Of each query Σ ±q = unit · Σ entries + offset, where the offset is raised by kMargin standard errors of the
  /// entries' rounding.
  struct SignQueries {
    std::vector<float> units, offsets, margins;
  };

  /// The tables of Kernels::scan_signs. A query whose integers have no unit has no scores, hence no bounds; where the
  /// unit is 0, all scores are.
  SignQueries sign_queries(const Query& query, std::vector<Scratch::SignTable>& tables) const {
    constexpr std::size_t kSigns = 4, kEntries = 16;
    constexpr float kLargest = 127;
    const std::size_t groups = codec().dim() / kSigns;
    tables.assign(query.count * groups / 4, {});
    SignQueries result;
    for (std::size_t q = 0; q < query.count; ++q) {
      const bool has_scores = !std::isnan(query.units[q]), is_zero = query.units[q] == 0;
      if (!has_scores || is_zero) {
        result.units.push_back(0);
        result.offsets.push_back(has_scores ? 0 : std::numeric_limits<float>::quiet_NaN());
        result.margins.push_back(0);
        continue;
      }
      const float* x = query.coded.data() + q * codec().dim();
      const auto four = [x](std::size_t group) {
        const float* first = x + group / 4 * 16 + group % 4;
        return std::array<float, kSigns>{first[0], first[4], first[8], first[12]};
      };
      double sizes = 0, squares = 0;
      float widest = 0;  // from all minus to all plus
      for (std::size_t g = 0; g < groups; ++g) {
        float size = 0;
        for (const float value : four(g)) {
          size += std::abs(value);
          squares += static_cast<double>(value) * static_cast<double>(value);
        }
        sizes += static_cast<double>(size);
        widest = std::max(widest, 2 * size);
      }
      const float unit = widest / kLargest;
      const double rounding = static_cast<double>(unit) * std::sqrt(static_cast<double>(groups) / 12);
      result.units.push_back(unit);
      result.offsets.push_back(static_cast<float>(static_cast<double>(kMargin) * rounding - sizes));
      result.margins.push_back(kMargin * static_cast<float>(std::sqrt(squares)));
      for (std::size_t g = 0; g < groups; ++g) {
        const std::array<float, kSigns> values = four(g);
        std::array<float, kEntries> sums{};  // without a bit, Σ (|x| − x); a bit adds 2 x
        for (const float value : values) sums[0] += std::abs(value) - value;
        for (unsigned e = 1; e < kEntries; ++e)
          sums[e] = sums[e & (e - 1)] + 2 * values[static_cast<std::size_t>(std::countr_zero(e))];
        std::uint8_t* table = tables[(q * groups + g) / 4].entries.data() + g % 4 * kEntries;
        for (std::size_t e = 0; e < kEntries; ++e)
          table[e] = static_cast<std::uint8_t>(std::clamp(sums[e] / unit + 0.5F, 0.0F, kLargest));
      }
    }
    return result;
  }

  /// False, with nothing done, where more rows would have to be looked at alone than pays.
  bool search_by_signs(std::size_t first, std::size_t n, const SignQueries& queries, Scratch& scratch,
                       std::vector<Best>& best) const {
    const std::size_t stride = scratch.scores.size() / best.size();
    kernels().scan_signs({.words = signs(first / kInterleavedRows),
                          .n_blocks = (n + kInterleavedRows - 1) / kInterleavedRows,
                          .chunks = chunks_,
                          .scales = sign_scales_.data() + first,
                          .errors = errors_.data() + first,
                          .tables = scratch.tables.data()->entries.data(),
                          .table_stride = chunks_ * 128,
                          .units = queries.units.data(),
                          .offsets = queries.offsets.data(),
                          .margins = queries.margins.data(),
                          .n_queries = best.size(),
                          .out = scratch.scores.data(),
                          .out_stride = stride});
    std::vector<std::size_t> counts;
    std::size_t candidates = 0;
    for (std::size_t q = 0; q < best.size(); ++q) {
      const float* bounds = scratch.scores.data() + q * stride;
      std::uint32_t* found = scratch.found.data() + q * stride;
      const float threshold = first == 0 ? first_threshold(bounds, n, q, scratch, best[q], found) : best[q].threshold();
      counts.push_back(kernels().find_above(bounds, n, threshold, found));
      candidates += counts.back();
    }
    if (candidates * kCostOfOneRow > n * best.size()) return false;
    for (std::size_t q = 0; q < best.size(); ++q) {
      std::uint32_t* found = scratch.found.data() + q * stride;
      scratch.refined += refine(found, counts[q], scratch.scores.data() + q * stride, first, q, scratch, best[q]);
    }
    return true;
  }

  void search_by_all_bits(std::size_t first, std::size_t n, Scratch& scratch, std::vector<Best>& best) const {
    constexpr std::size_t kSlice = 512;
    // Whole registers of a row: what lies behind its end is the next row, or the word behind the last.
    const std::size_t stride = (bits_ - 1) * chunks_, words = (stride + 15) / 16 * 16;
    scratch.codec.lanes.resize(std::max(scratch.codec.lanes.size(), words * kInterleavedRows));
    scratch.scores.resize(std::max(scratch.scores.size(), best.size() * kSlice));
    for (std::size_t r = first; r < first + n; r += kSlice) {
      const std::size_t here = std::min(kSlice, first + n - r);
      for (std::size_t i = 0; i < here; i += kInterleavedRows) {
        // The words are moved as floats, whose bits do not change.
        kernels().to_lanes(reinterpret_cast<const float*>(rest_.data() + (r + i) * rest_bytes()), stride,
                           kInterleavedRows, words, scratch.codec.lanes.data());
        kernels().dot_planes({.signs = signs((r + i) / kInterleavedRows),
                              .words = reinterpret_cast<const std::uint8_t*>(scratch.codec.lanes.data()),
                              .chunks = chunks_,
                              .bits = bits_,
                              .table = book_.table.data(),
                              .row_scales = scales_.data() + r + i,
                              .queries = scratch.query.bytes.data(),
                              .query_stride = chunks_ * 32,
                              .query_sums = scratch.query.sums.data(),
                              .query_units = scratch.query.units.data(),
                              .n_queries = best.size(),
                              .out = scratch.scores.data() + i,
                              .out_stride = kSlice});
      }
      for (std::size_t q = 0; q < best.size(); ++q)
        best[q].offer_all(scratch.scores.data() + q * kSlice, here, r, scratch.found.data());
    }
    scratch.refined += n * best.size();
  }

  /// A score that as many rows as are wanted have at least: that of the most promising ones. Rows as good as the last
  /// of these count, since the earlier of equals wins.
  float first_threshold(const float* bounds, std::size_t n, std::size_t q, const Scratch& scratch, Best known,
                        std::uint32_t* found) const {
    const std::vector<std::uint32_t> rows = most_promising(bounds, n, 2 * known.capacity() + 8, found);
    refine(rows.data(), rows.size(), bounds, 0, q, scratch, known);
    return std::nextafter(known.threshold(), -std::numeric_limits<float>::infinity());
  }

  std::size_t rest_bytes() const { return (bits_ - 1) * chunks_ * sizeof(std::uint32_t); }

  /// 16 rows of a group of the codec.
  void take_half(const std::byte* group, std::size_t half, std::size_t block) {
    const std::size_t dim = codec().dim(), first = block * kInterleavedRows, n_words = (bits_ - 1) * chunks_;
    const std::byte* words = group + kGroupRows * sizeof(std::uint16_t) + half * kWord * interleaved_words(dim, bits_);
    for (std::size_t r = 0; r < kInterleavedRows; ++r) {
      scales_[first + r] =
          half_to_float(load_half(group + (half * kInterleavedRows + r) * sizeof(std::uint16_t))) * book_.step;
    }
    std::vector<std::byte> rest(n_words * kWord);
    split_planes(words, dim, bits_, reinterpret_cast<std::byte*>(signs_.data() + block * chunks_), rest.data());
    for (std::size_t w = 0; w < n_words; ++w) {
      for (std::size_t r = 0; r < kInterleavedRows; ++r) {
        std::memcpy(rest_.data() + (first + r) * rest_bytes() + w * 4, rest.data() + w * kWord + r * 4, 4);
      }
    }
    estimate_block(words, first);
  }

  static std::uint16_t load_half(const std::byte* bytes) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes, sizeof half);
    return half;
  }

  /// How well the signs s alone tell the score of x̂ (docs/algorithm.md): ⟨q, s⟩ ‖x̂‖²/⟨x̂, s⟩ with a standard error of
  /// ‖q‖ · ‖x̂‖ √(1/ρ² − 1) / √(d − 1), ρ the cosine of x̂ and s.
  void estimate_block(const std::byte* words, std::size_t first) {
    const std::size_t dim = codec().dim();
    std::array<std::int8_t, 16> sizes{}, high{}, low{};  // |t|, and t² = 128 · high + low
    for (std::size_t i = 0; i < std::min(book_.table.size(), sizes.size()); ++i) {  // 4 bits at most
      const int t = book_.table[i];
      sizes[i] = static_cast<std::int8_t>(std::abs(t));
      high[i] = static_cast<std::int8_t>(t * t / 128);
      low[i] = static_cast<std::int8_t>(t * t % 128);
    }
    const auto absolute = sum_codes(words, sizes), upper = sum_codes(words, high), lower = sum_codes(words, low);
    const auto d = static_cast<double>(dim);
    for (std::size_t r = 0; r < kInterleavedRows; ++r) {
      const double scale = static_cast<double>(scales_[first + r]), sum = static_cast<double>(absolute[r]);
      const double squares = 128.0 * static_cast<double>(upper[r]) + static_cast<double>(lower[r]);
      const bool is_zero = !(sum > 0) || !(scale > 0);
      sign_scales_[first + r] = is_zero ? 0 : static_cast<float>(scale * squares / sum);
      const double excess = is_zero ? 0 : std::max(0.0, squares * d / (sum * sum) - 1);  // 1/ρ² − 1
      errors_[first + r] = is_zero ? 0 : static_cast<float>(scale * std::sqrt(squares * excess / std::max(1.0, d - 1)));
    }
  }

  /// Σ table[code] of each of 16 rows.
  std::array<float, kInterleavedRows> sum_codes(const std::byte* words,
                                                const std::array<std::int8_t, 16>& table) const {
    const std::size_t dim = codec().dim();
    if (ones_.empty()) {
      ones_.assign(chunks_ * 32, 0);
      std::fill_n(ones_.begin(), dim, std::int8_t{1});
    }
    std::array<float, kInterleavedRows> scales, sums;
    scales.fill(1);
    const auto count = static_cast<std::int32_t>(dim);
    const float unit = 1;
    kernels().dot_interleaved({.words = reinterpret_cast<const std::uint8_t*>(words),
                               .n_words = interleaved_words(dim, bits_),
                               .bits = bits_,
                               .table = table.data(),
                               .row_scales = scales.data(),
                               .queries = ones_.data(),
                               .query_stride = ones_.size(),
                               .query_sums = &count,
                               .query_units = &unit,
                               .n_queries = 1,
                               .out = sums.data(),
                               .out_stride = kInterleavedRows});
    return sums;
  }

  std::size_t spread_bytes() const { return (chunks_ + 15) / 16 * 16 * 32; }

  /// The queries as Kernels::dot_plane_rows wants them.
  void spread_queries(const Query& query, std::vector<std::int8_t>& spread) const {
    spread.assign(query.count * spread_bytes(), 0);
    for (std::size_t q = 0; q < query.count; ++q) {
      const std::int8_t* bytes = query.bytes.data() + q * chunks_ * 32;
      std::int8_t* out = spread.data() + q * spread_bytes();
      for (std::size_t c = 0; c < chunks_; ++c) {
        for (std::size_t f = 0; f < 8; ++f)
          std::memcpy(out + f * spread_bytes() / 8 + 4 * c, bytes + 32 * c + 4 * f, 4);
      }
    }
  }

  /// Scores with all their bits those of the rows first + found[i] whose bounds say that they can still become hits.
  /// Returns how many.
  std::size_t refine(const std::uint32_t* found, std::size_t count, const float* bounds, std::size_t first,
                     std::size_t q, const Scratch& scratch, Best& best) const {
    constexpr std::size_t kAtOnce = 32;
    std::array<std::uint32_t, kAtOnce> rows;
    std::array<float, kAtOnce> scores;
    std::size_t refined = 0;
    for (std::size_t i = 0; i < count;) {
      std::size_t n = 0;
      const float threshold = best.threshold();
      for (; i < count && n < kAtOnce; ++i) {
        if (bounds[found[i]] > threshold) rows[n++] = static_cast<std::uint32_t>(first + found[i]);
      }
      kernels().dot_plane_rows({.signs = signs(0),
                                .words = rest_.data(),
                                .chunks = chunks_,
                                .bits = bits_,
                                .table = book_.table.data(),
                                .row_scales = scales_.data(),
                                .rows = rows.data(),
                                .n_rows = n,
                                .query = scratch.bytes.data() + q * spread_bytes(),
                                .query_sum = scratch.query.sums[q],
                                .query_unit = scratch.query.units[q],
                                .out = scores.data()});
      for (std::size_t j = 0; j < n; ++j) best.offer({scores[j], rows[j]});
      refined += n;
    }
    return refined;
  }

  unsigned bits_;
  std::size_t chunks_;
  ByteCodebook book_;
  std::vector<Word> signs_;
  std::vector<std::uint8_t> rest_;
  std::vector<float> scales_, sign_scales_, errors_;
  mutable std::vector<std::int8_t> ones_;  // only while it is built
};

VectorIndex::VectorIndex(std::unique_ptr<const Storage> storage) : storage_(std::move(storage)) {}
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;
VectorIndex::~VectorIndex() = default;

Result<VectorIndex> VectorIndex::build(const float* rows, std::size_t n_rows, std::size_t dim, const CodecSpec& spec) {
  const bool in_planes = Planes::fits(spec, dim);
  Result<std::shared_ptr<const Codec>> codec = make_codec(spec, in_planes ? Planes::padded(dim) : dim);
  if (!codec) return std::unexpected(codec.error());
  if (n_rows > std::numeric_limits<std::uint32_t>::max())
    return fail(ErrorCode::kUsage, "an index holds fewer than 2^32 vectors");
  if (in_planes) return VectorIndex(std::make_unique<Planes>(std::move(*codec), rows, n_rows, dim));
  return VectorIndex(std::make_unique<Coded>(std::move(*codec), rows, n_rows));
}

std::size_t VectorIndex::rows() const { return storage_->rows(); }
std::size_t VectorIndex::dim() const { return storage_->dim(); }
double VectorIndex::bytes_per_vector() const {
  return rows() == 0 ? 0 : static_cast<double>(storage_->bytes()) / static_cast<double>(rows());
}

std::vector<std::vector<Hit>> VectorIndex::search(const float* queries, std::size_t count, std::size_t k,
                                                  Scratch& scratch) const {
  std::vector<std::vector<Hit>> hits;
  const std::size_t most = std::min(k, rows());
  if (most == 0) return std::vector<std::vector<Hit>>(count);
  for (std::size_t first = 0; first < count; first += kBatch) {
    const std::size_t n = std::min(kBatch, count - first);
    const Codec& codec = storage_->codec();
    const float* from = queries + first * dim();
    if (dim() < codec.dim()) {
      pad_rows(from, n, dim(), codec.dim(), scratch.codec.rows);
      from = scratch.codec.rows.data();
    }
    codec.prepare(from, n, codec.dim(), scratch.query);
    std::vector<Best> best(n, Best(most));
    storage_->search(scratch, best);
    for (Best& one : best) hits.push_back(std::move(one).sorted());
  }
  return hits;
}

}  // namespace tq
