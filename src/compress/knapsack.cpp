// The multiple-choice knapsack of a plan, exactly: the Pareto front of (bytes, KLD) group by group. Sizes repeat from
// layer to layer, so that the front stays short: its length is at most the number of different sums of sizes.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "turboquant/plan.h"

namespace tq {
namespace {

/// A choice for the groups so far that no other one beats in both.
struct Point {
  std::uint64_t bytes;
  double kld;
  std::uint32_t before;  ///< index in the front of the groups before
  std::uint32_t option;
};
using Front = std::vector<Point>;
/// Of a front, over all options of the next group. Real models have some thousands; a plan file could ask for more than
/// memory has.
constexpr std::size_t kMostPoints = std::size_t{1} << 24;

Front extend(const Front& front, const PlanGroup& group) {
  Front all;
  for (std::uint32_t i = 0; i < front.size(); ++i) {
    for (std::uint32_t o = 0; o < group.options.size(); ++o) {
      const PlanOption& option = group.options[o];
      all.push_back({front[i].bytes + option.bytes, front[i].kld + option.kld, i, o});
    }
  }
  std::ranges::stable_sort(
      all, [](const Point& a, const Point& b) { return a.bytes != b.bytes ? a.bytes < b.bytes : a.kld < b.kld; });
  Front best;
  for (const Point& point : all) {
    if (best.empty() || point.kld < best.back().kld) best.push_back(point);
  }
  return best;
}

/// The last point of the budget's bytes, or the first of its KLD.
const Point* choose(const Front& front, const PlanBudget& budget) {
  const Point* chosen = nullptr;
  for (const Point& point : front) {
    if (budget.bytes && point.bytes > *budget.bytes) break;
    if (budget.kld && point.kld > *budget.kld) continue;
    chosen = &point;
    if (!budget.bytes) break;
  }
  return chosen;
}

}  // namespace

Result<void> solve(std::span<PlanGroup> groups, const PlanBudget& budget) {
  std::vector<Front> fronts = {{Point{0, 0, 0, 0}}};
  std::size_t points = 0;
  for (const PlanGroup& group : groups) {
    points += fronts.back().size() * group.options.size();
    if (points > kMostPoints)
      return fail(ErrorCode::kUsage, "the plan has too many different sizes to be solved exactly");
    fronts.push_back(extend(fronts.back(), group));
  }
  const Front& last = fronts.back();
  const Point* point = choose(last, budget);
  if (point == nullptr || groups.empty()) {
    if (last.empty() || groups.empty()) return fail(ErrorCode::kUsage, "the plan has no groups to choose for");
    return fail(
        ErrorCode::kUsage,
        fmt::format("no plan is within the budget: the smallest takes {} bytes, the most exact costs {:.3g} nats",
                    last.front().bytes, last.back().kld));
  }
  for (std::size_t g = groups.size(); g-- > 0;) {
    groups[g].choice = point->option;
    point = &fronts[g][point->before];
  }
  return {};
}

Result<void> solve_weights(Plan& plan, const PlanBudget& budget) {
  if (Result<void> solved = solve(plan.groups, budget); !solved) return solved;
  for (const PlanGroup& group : plan.groups) {
    for (const std::string& tensor : group.tensors) plan.tensors[tensor] = group.options[group.choice].codec;
  }
  return {};
}

std::uint64_t bytes_of(std::span<const PlanGroup> groups) {
  std::uint64_t sum = 0;
  for (const PlanGroup& group : groups) sum += group.options[group.choice].bytes;
  return sum;
}

double bits_of(std::span<const PlanGroup> groups) {
  std::uint64_t values = 0;
  for (const PlanGroup& group : groups) values += group.values;
  return values == 0 ? std::numeric_limits<double>::quiet_NaN()
                     : 8.0 * static_cast<double>(bytes_of(groups)) / static_cast<double>(values);
}

double kld_of(std::span<const PlanGroup> groups) {
  double sum = 0;
  for (const PlanGroup& group : groups) sum += group.options[group.choice].kld;
  return sum;
}

}  // namespace tq
