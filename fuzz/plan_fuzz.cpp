// A plan of tq plan: what is read can be solved, and written again.
#include "base/bytes.h"
#include "check.h"
#include "turboquant/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq;
  auto plan = parse_plan(as_text(std::as_bytes(std::span(data, size))), "input");
  if (!plan) {
    fuzz::check_error(plan.error(), "input");
    return 0;
  }
  const std::string json = to_json(*plan);
  const auto again = parse_plan(json, "again");
  fuzz::require(again.has_value() && to_json(*again) == json);
  const std::uint64_t budget = bytes_of(plan->groups), cache_budget = bytes_of(plan->cache_groups);
  if (solve_weights(*plan, {.bytes = budget, .kld = {}})) fuzz::require(bytes_of(plan->groups) <= budget);
  const std::size_t n_layers = plan->cache.size();
  if (solve_cache(*plan, {.bytes = cache_budget, .kld = {}})) {
    fuzz::require(bytes_of(plan->cache_groups) <= cache_budget && plan->cache.size() == n_layers);
  }
  return 0;
}
