#include "quant/trellis.h"

#include <algorithm>
#include <cassert>

#include "simd/kernels.h"

namespace tq {
namespace {

/// Steps whose choices are kept at a time, so that no row needs more than 512 KiB of them. Those of the parts before
/// are found again from the costs that were kept between parts.
constexpr std::size_t kPart = 4096;
constexpr float kNever = 1e30F;
/// At this length the shortcut of longer rows costs 8 % more error at 2 bits; at 64 it is 2 %, and trying every ring
/// takes 70 µs.
constexpr std::size_t kTriesEveryRing = 32;

}  // namespace

void TrellisSearch::start(Workspace& scratch) const { scratch.costs.assign(states_, 0.0F); }

void TrellisSearch::start_at(std::size_t state, Workspace& scratch) const {
  scratch.costs.assign(states_, kNever);
  scratch.costs[state] = 0;
}

std::size_t TrellisSearch::cheapest(const Workspace& scratch) const {
  const auto first = scratch.costs.begin();
  return static_cast<std::size_t>(std::min_element(first, first + static_cast<std::ptrdiff_t>(states_)) - first);
}

void TrellisSearch::search_part(const float* x, std::size_t n, Workspace& scratch) const {
  scratch.choices.resize(std::max(scratch.choices.size(), n * states_));
  kernels().search_windows({x, n, bits_, window_, values_.data(), scratch.costs.data(), scratch.choices.data()});
}

/// scratch.costs: those behind x[n − 1] → those in front of x[0], then those behind each part, the first part's first.
void TrellisSearch::search(const float* x, std::size_t n, Workspace& scratch) const {
  const std::size_t parts = (n + kPart - 1) / kPart;
  scratch.costs.resize(states_ * (1 + parts));
  for (std::size_t p = parts; p-- > 0;) {
    std::copy_n(scratch.costs.begin(), states_, scratch.costs.begin() + static_cast<std::ptrdiff_t>(states_ * (1 + p)));
    search_part(x + p * kPart, std::min(kPart, n - p * kPart), scratch);
  }
}

/// Follows the choices of search() from the state in front of x[0] to the one behind x[n − 1], which it returns.
std::size_t TrellisSearch::trace(const float* x, std::size_t n, std::size_t state, Workspace& scratch,
                                 std::uint16_t* codes) const {
  for (std::size_t begin = 0; begin < n; begin += kPart) {
    const std::size_t part = std::min(kPart, n - begin);
    if (begin > 0) {
      const auto kept = scratch.costs.begin() + static_cast<std::ptrdiff_t>(states_ * (1 + begin / kPart));
      std::copy_n(kept, states_, scratch.costs.begin());
      search_part(x + begin, part, scratch);
    }
    for (std::size_t i = 0; i < part; ++i) {
      const std::size_t window = std::size_t{scratch.choices[i * states_ + state]} << (window_ - bits_) | state;
      codes[begin + i] = static_cast<std::uint16_t>(window & ((std::size_t{1} << bits_) - 1));
      state = window >> bits_;
    }
  }
  return state;
}

void TrellisSearch::run_before(std::size_t state, bool closed, const float* x, std::size_t n, Workspace& scratch,
                               std::uint16_t* codes) const {
  start_at(state, scratch);
  search(x, n, scratch);
  [[maybe_unused]] const std::size_t behind = trace(x, n, closed ? state : cheapest(scratch), scratch, codes);
  assert(behind == state);
}

/// The state with the nearest of all rings: each is tried.
std::size_t TrellisSearch::nearest_ring(const float* x, std::size_t n, Workspace& scratch) const {
  std::size_t nearest = 0;
  float smallest = kNever;
  for (std::size_t state = 0; state < states_; ++state) {
    start_at(state, scratch);
    search(x, n, scratch);
    if (scratch.costs[state] >= smallest) continue;
    smallest = scratch.costs[state];
    nearest = state;
  }
  return nearest;
}

/// The state between x[n − 1] and x[0] on the cheapest way through the second half and then the first.
std::size_t TrellisSearch::ring_of_halves(const float* x, std::size_t n, Workspace& scratch,
                                          std::uint16_t* codes) const {
  const std::size_t half = n / 2;
  start(scratch);
  search(x, half, scratch);
  search(x + half, n - half, scratch);
  return trace(x + half, n - half, cheapest(scratch), scratch, codes);
}

std::size_t TrellisSearch::ring(const float* x, std::size_t n, Workspace& scratch, std::uint16_t* codes) const {
  return n <= kTriesEveryRing ? nearest_ring(x, n, scratch) : ring_of_halves(x, n, scratch, codes);
}

void TrellisSearch::run(const float* x, std::size_t n, Workspace& scratch, std::uint16_t* codes) const {
  if (!is_closed(n)) return run_before(0, false, x, n, scratch, codes);
  run_before(ring(x, n, scratch, codes), true, x, n, scratch, codes);
}

}  // namespace tq
