// Viterbi's search with error feedback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quant/hessian.h"
#include "quant/trellis.h"

namespace tq {

/// Codes for 16 rows or fewer that make Σ_i D_i (t_i − value_i)² small, where t_i = x_i + Σ_{j>i} L_ji (x_j − value_j)
/// depends on the codes behind it. So each survivor of the search carries the errors of its own past
/// ("per-survivor processing", Raheli, Polydoros and Tzou 1995) and no code is settled before its neighbours are known:
/// settling a code at a time would cost most of what a trellis gains. Survivors that differ at all differ in their last
/// codes; what lies more than kBlock columns back is taken from the best of them, for all.
class FeedbackSearch {
 public:
  FeedbackSearch(const Trellis& trellis, std::span<const float> values, const HessianFactor& factor);

  /// x: n_rows x dim → codes, n_rows x dim.
  void run(const float* x, std::size_t n_rows, std::uint16_t* codes);

 private:
  static constexpr std::size_t kBlock = 32;  ///< columns; survivors have one origin long before

  /// The search over one row.
  struct Row {
    const float* x = nullptr;
    std::size_t ring = 0;               ///< the state behind the last code and in front of the first
    std::vector<float> costs;           ///< of each state
    std::vector<float> near, next;      ///< states x 2 kBlock: feedback of each survivor onto this block and the next
    std::vector<float> far;             ///< x and the feedback of what is settled
    std::vector<std::uint8_t> choices;  ///< columns x states
    std::vector<float> errors;          ///< of the block that was settled last
  };

  void start(Row& row, const float* x);
  void search_block(Row& row, std::size_t block);
  void step(Row& row, std::size_t i, std::size_t first);
  void settle(Row& row, std::size_t block, std::size_t front);
  std::size_t cheapest(const Row& row) const;
  void trace(const Row& row, std::uint16_t* codes) const;

  const Trellis& trellis_;
  std::span<const float> values_;
  const HessianFactor& factor_;
  std::size_t n_, states_;
  TrellisSearch plain_;
  Workspace scratch_;
  std::vector<std::uint16_t> unused_;
  std::vector<Row> rows_;
  std::vector<float> window_costs_, best_;
  std::vector<std::uint8_t> tops_;
};

}  // namespace tq
