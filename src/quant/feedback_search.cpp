#include "quant/feedback_search.h"

#include <algorithm>
#include <cstring>

#include "simd/kernels.h"

namespace tq {
namespace {

constexpr float kNever = 1e30F;

}  // namespace

FeedbackSearch::FeedbackSearch(const Trellis& trellis, std::span<const float> values, const HessianFactor& factor)
    : trellis_(trellis),
      values_(values),
      factor_(factor),
      n_(factor.dim()),
      states_(std::size_t{1} << (trellis.window - trellis.bits)),
      plain_(trellis.bits, trellis.window, values),
      unused_(n_),
      window_costs_(values.size()),
      best_(states_),
      tops_(states_) {}

void FeedbackSearch::start(Row& row, const float* x) {
  row.x = x;
  row.ring = is_closed(n_) ? plain_.ring(x, n_, scratch_, unused_.data()) : 0;
  row.costs.assign(states_, kNever);
  row.costs[row.ring] = 0;
  row.near.assign(states_ * 2 * kBlock, 0.0F);
  row.next.assign(states_ * 2 * kBlock, 0.0F);
  row.far.assign(x, x + n_);
  row.choices.resize(n_ * states_);
  row.errors.resize(kBlock);
}

/// Column i, in the basis of near and next whose first column is `first`.
void FeedbackSearch::step(Row& row, std::size_t i, std::size_t first) {
  const unsigned bits = trellis_.bits, shift = trellis_.window - bits;
  const std::size_t branches = std::size_t{1} << bits, offset = i - first;
  const float weight = factor_.weights()[i], far = row.far[i];
  for (std::size_t p = 0; p < states_; ++p) {
    const float target = far + row.near[p * 2 * kBlock + offset], cost = row.costs[p];
    const float* values = values_.data() + p * branches;
    float* costs = window_costs_.data() + p * branches;
    for (std::size_t b = 0; b < branches; ++b) {
      const float distance = target - values[b];
      costs[b] = cost + weight * (distance * distance);
    }
  }
  std::copy_n(window_costs_.data(), states_, best_.data());
  std::fill_n(tops_.data(), states_, std::uint8_t{0});
  for (std::size_t top = 1; top < branches; ++top) {
    const float* costs = window_costs_.data() + top * states_;
    for (std::size_t s = 0; s < states_; ++s) {
      const bool better = costs[s] < best_[s];
      best_[s] = better ? costs[s] : best_[s];
      tops_[s] = better ? static_cast<std::uint8_t>(top) : tops_[s];
    }
  }
  const float* factors = factor_.row(i) + first;
  for (std::size_t s = 0; s < states_; ++s) {
    const std::size_t window = std::size_t{tops_[s]} << shift | s;
    const float error = row.x[i] - values_[window];
    const float* from = row.near.data() + (window >> bits) * 2 * kBlock;
    float* to = row.next.data() + s * 2 * kBlock;
    for (std::size_t k = 0; k < offset; ++k) to[k] = from[k] + factors[k] * error;
  }
  std::swap(row.near, row.next);
  std::swap(row.costs, best_);
  std::memcpy(row.choices.data() + i * states_, tops_.data(), states_);
}

std::size_t FeedbackSearch::cheapest(const Row& row) const {
  return static_cast<std::size_t>(std::min_element(row.costs.begin(), row.costs.end()) - row.costs.begin());
}

/// near[k] of a survivor is the feedback onto column (block − 1) · kBlock + k: of this block and of the one after it.
void FeedbackSearch::search_block(Row& row, std::size_t block) {
  const std::size_t begin = block * kBlock, end = std::min(n_, begin + kBlock);
  for (std::size_t s = 0; s < states_; ++s) {
    float* near = row.near.data() + s * 2 * kBlock;
    std::copy_n(near, kBlock, near + kBlock);
    std::fill_n(near, kBlock, 0.0F);
  }
  if (begin > 0) {
    for (std::size_t i = end; i-- > begin;) step(row, i, begin - kBlock);
  } else {
    for (std::size_t s = 0; s < states_; ++s) {
      float* near = row.near.data() + s * 2 * kBlock;
      std::copy_n(near + kBlock, kBlock, near);
    }
    for (std::size_t i = end; i-- > begin;) step(row, i, 0);
  }
  const float smallest = row.costs[cheapest(row)];  // the float keeps its low bits for what differs between paths
  for (float& cost : row.costs) cost -= smallest;
}

/// The errors of `block` on the best way from the state in front of column `front`.
void FeedbackSearch::settle(Row& row, std::size_t block, std::size_t front) {
  const unsigned bits = trellis_.bits, shift = trellis_.window - bits;
  const std::size_t begin = block * kBlock, end = std::min(n_, begin + kBlock);
  std::size_t state = cheapest(row);
  for (std::size_t i = front; i < end; ++i) {
    const std::size_t window = std::size_t{row.choices[i * states_ + state]} << shift | state;
    if (i >= begin) row.errors[i - begin] = row.x[i] - values_[window];
    state = window >> bits;
  }
}

void FeedbackSearch::trace(const Row& row, std::uint16_t* codes) const {
  const unsigned bits = trellis_.bits, shift = trellis_.window - bits;
  std::size_t state = is_closed(n_) ? row.ring : cheapest(row);
  for (std::size_t i = 0; i < n_; ++i) {
    const std::size_t window = std::size_t{row.choices[i * states_ + state]} << shift | state;
    codes[i] = static_cast<std::uint16_t>(window & ((std::size_t{1} << bits) - 1));
    state = window >> bits;
  }
}

void FeedbackSearch::run(const float* x, std::size_t n_rows, std::uint16_t* codes) {
  rows_.resize(std::max(rows_.size(), n_rows));
  const std::span<Row> rows = std::span(rows_).first(n_rows);
  for (std::size_t r = 0; r < n_rows; ++r) start(rows[r], x + r * n_);
  const std::size_t blocks = (n_ + kBlock - 1) / kBlock;
  for (std::size_t block = blocks; block-- > 0;) {
    const std::size_t settled = block + 2, front = (block + 1) * kBlock;
    if (settled < blocks) {
      const std::size_t first = settled * kBlock, count = std::min(n_, first + kBlock) - first;
      for (Row& row : rows) {
        settle(row, settled, front);
        kernels().weighted_sum(row.errors.data(), factor_.row(first), n_, count, front, row.far.data());
      }
    }
    for (Row& row : rows) search_block(row, block);
  }
  for (std::size_t r = 0; r < n_rows; ++r) trace(rows[r], codes + r * n_);
}

}  // namespace tq
