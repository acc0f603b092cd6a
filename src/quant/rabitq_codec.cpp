// Extended RaBitQ (Gao et al., arXiv 2409.09913), on rows that are already rotated: a uniform grid with a level for each code, whose
// step is chosen for each row. Its authors rotate in four rounds, and so do the rows of the table.
//
// Row: scale, then dim codes as a bit stream. x̂ = scale · ((code + ½) / 2^(bits−1) − 1).
//
// With x the row and u its codes as odd multiples of ½, the search wants the t that makes the angle between x and u(t) smallest:
//     u_i(t) = sign(x_i) · (k_i + ½),   k_i = min(⌊t · |x_i|⌋, 2^(bits−1) − 1)
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "quant/bits.h"
#include "quant/codecs.h"
#include "quant/gaussian.h"
#include "quant/row_codec.h"
#include "quant/scaled_row.h"
#include "simd/kernels.h"

namespace tq {
namespace {

/// The next t at which a coordinate moves up a level.
struct Step {
  double t;
  std::uint32_t index;
  std::uint32_t level;  ///< the one it moves to

  /// The heap of the standard library keeps the greatest in front. Equal t need an order, or sums would depend on the library.
  friend bool operator<(const Step& a, const Step& b) { return a.t > b.t || (a.t == b.t && a.index > b.index); }
};

Step step_to(std::uint32_t level, std::uint32_t index, float x) {
  return {static_cast<double>(level) / static_cast<double>(std::abs(x)), index, level};
}

/// The best t of all: no u(t) has a smaller angle with x (n values, not all 0). In O(n · levels · log n), `levels` being those of one sign.
double best_step_scale(const float* x, std::size_t n, std::uint32_t levels) {
  double along = 0, square = static_cast<double>(n) / 4;  // ⟨|x|, |u|⟩ and ‖u‖²
  std::vector<Step> steps;
  for (std::size_t i = 0; i < n; ++i) {
    along += 0.5 * static_cast<double>(std::abs(x[i]));
    if (x[i] != 0 && levels > 1) steps.push_back(step_to(1, static_cast<std::uint32_t>(i), x[i]));
  }
  std::make_heap(steps.begin(), steps.end());
  double best = along * along / square, best_t = 0;
  while (!steps.empty()) {
    const double t = steps.front().t;
    while (!steps.empty() && steps.front().t == t) {
      std::pop_heap(steps.begin(), steps.end());
      const Step step = steps.back();
      steps.pop_back();
      along += static_cast<double>(std::abs(x[step.index]));
      square += 2.0 * step.level;  // (k + ½)² − (k − ½)²
      if (step.level + 1 == levels) continue;
      steps.push_back(step_to(step.level + 1, step.index, x[step.index]));
      std::push_heap(steps.begin(), steps.end());
    }
    const double cosine = along * along / square;
    if (cosine > best) {
      best = cosine;
      best_t = t;
    }
    // From here on no |u_i| shrinks and only those below the top level grow. These have |u_i| ≥ max(½, t|x_i| − ½) ≥ t|x_i| / 2. The
    // cosine falls when |u_i| > λ|x_i| grows, λ = ‖u‖² / ⟨x, u⟩, and it is quasiconcave in u: where λ ≤ t/2, u is the best to come.
    if (2 * square <= t * along) break;
  }
  return best_t;
}

/// k of one coordinate at t, by the same quotients as the search, so that both agree at the steps themselves.
std::uint32_t level_at(double t, float x, std::uint32_t levels) {
  const double size = static_cast<double>(std::abs(x));
  auto k = static_cast<std::uint32_t>(std::min(t * size, static_cast<double>(levels - 1)));
  while (k + 1 < levels && static_cast<double>(k + 1) / size <= t) ++k;
  while (k > 0 && static_cast<double>(k) / size > t) --k;
  return k;
}

/// The fast mode's one t for all rows of mean square 1: the mean of the best ones of 100 random rows. Beyond 4096 values it no longer
/// depends much on the length, and the table must not take minutes to make.
double typical_step_scale(std::size_t dim, std::uint32_t levels) {
  constexpr std::uint64_t kRows = 100;
  const std::size_t n = std::min<std::size_t>(dim, 4096);
  std::vector<float> unit;
  double sum = 0;
  for (std::uint64_t r = 0; r < kRows; ++r) {
    const std::vector<float> row = gaussian_values(n, derived_seed(0x7AB1, r));
    if (normalize(row.data(), n, unit).rms > 0) sum += best_step_scale(unit.data(), n, levels);
  }
  return sum / kRows;
}

class RabitqCodec final : public RowCodec {
 public:
  RabitqCodec(const CodecSpec& spec, std::size_t dim)
      : RowCodec(spec, dim, scale_bytes(spec) + packed_bytes(dim, spec.bits)), levels_(1U << (spec.bits - 1)) {
    for (std::uint32_t code = 0; code < 2 * levels_; ++code) {
      grid_.push_back((static_cast<float>(code) + 0.5F) / static_cast<float>(levels_) - 1.0F);  // exact
    }
    if (spec.family == CodecFamily::kRabitqFast) typical_scale_ = typical_step_scale(dim, levels_);
  }

  void encode_row(const float* y, std::byte* row, Workspace& scratch) const override {
    std::memset(row, 0, row_bytes());
    const UnitRow size = normalize(y, dim(), scratch.unit);
    if (size.rms == 0) return;  // scale 0: the row decodes to zeros
    const bool fast = spec().family == CodecFamily::kRabitqFast;
    const double t = fast ? typical_scale_ : best_step_scale(scratch.unit.data(), dim(), levels_);
    scratch.codes.resize(dim());
    for (std::size_t i = 0; i < dim(); ++i) {
      const std::uint32_t k = level_at(t, scratch.unit[i], levels_);
      scratch.codes[i] = static_cast<std::uint16_t>(scratch.unit[i] < 0 ? levels_ - 1 - k : levels_ + k);
    }
    pack_codes(scratch.codes.data(), dim(), spec().bits, row + scale_bytes(spec()));
    scratch.rows.resize(std::max(scratch.rows.size(), dim()));
    constexpr float kUnit = 1;
    decode_some(row, 1, &kUnit, scratch.rows.data());
    store_scale(spec(), scale_of(size, scratch.unit.data(), scratch.rows.data()), row);
  }

  void decode_rows(const std::byte* rows, std::size_t n_rows, float* out) const override {
    for_scaled_rows(spec(), rows, row_bytes(), n_rows, [&](std::size_t first, std::size_t n, const float* scales) {
      decode_some(rows + first * row_bytes(), n, scales, out + first * dim());
    });
  }

 private:
  float scale_of(const UnitRow& size, const float* unit, const float* levels) const {
    const float scale = corrected_scale(size, spec().scale, unit, levels, dim());
    if (spec().scale != ScaleRule::kNorm) return scale;
    // The grid is not in units of the row, so its own norm has to be divided out: ‖x̂‖ = ‖x‖.
    return scale * std::sqrt(static_cast<float>(dim()) / kernels().ordered_dot(levels, levels, dim()));
  }

  void decode_some(const std::byte* rows, std::size_t n_rows, const float* scales, float* out) const {
    const auto* packed = reinterpret_cast<const std::uint8_t*>(rows + scale_bytes(spec()));
    kernels().decode_codes({packed, row_bytes(), n_rows, spec().bits, dim(), scales, out}, grid_.data());
  }

  std::uint32_t levels_;
  std::vector<float> grid_;
  double typical_scale_ = 0;
};

}  // namespace

std::shared_ptr<const Codec> make_rabitq_codec(const CodecSpec& spec, std::size_t dim) {
  return std::make_shared<RabitqCodec>(spec, dim);
}

}  // namespace tq
