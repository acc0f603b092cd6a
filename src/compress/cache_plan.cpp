// The part of a plan that is for the KV cache.
#include <fmt/format.h>

#include <algorithm>

#include "quant/width_average.h"
#include "turboquant/plan.h"

namespace tq {
namespace {

std::string layer_text(const std::string& k, const std::string& v) { return k == v ? k : k + ":" + v; }

bool is_coded(const CodecSpec& spec) { return spec.bits < 16; }

/// The path of a plan at the beginning of `text`; options may follow it. Empty: there is none.
std::string_view plan_path(std::string_view text) {
  constexpr std::string_view kEnding = ".json";
  const std::size_t option = text.find(".json+");
  const std::string_view path = text.substr(0, option == text.npos ? text.size() : option + kEnding.size());
  return names_a_plan(path) ? path : std::string_view{};
}

}  // namespace

bool names_a_cache_plan(std::string_view cache) { return !plan_path(cache).empty(); }

Result<void> solve_cache(Plan& plan, const PlanBudget& budget) {
  if (Result<void> solved = solve(plan.cache_groups, budget); !solved)
    return fail(solved.error().code, fmt::format("the cache: {}", solved.error().message));
  plan.cache.clear();
  const auto chosen = [](const PlanGroup& group) -> const std::string& { return group.options[group.choice].codec; };
  for (std::size_t g = 0; g + 1 < plan.cache_groups.size(); g += 2)
    plan.cache.push_back(layer_text(chosen(plan.cache_groups[g]), chosen(plan.cache_groups[g + 1])));
  return {};
}

Result<std::vector<std::string>> cache_by_classical_rule(std::size_t n_layers, std::string_view codec) {
  const Result<CodecSpec> spec = CodecSpec::parse(codec);
  if (!spec) return std::unexpected(spec.error());
  const Result<CodecSpec> wider = one_bit_wider(*spec);
  if (!wider) return std::unexpected(wider.error());
  std::vector<std::string> layers;
  for (std::size_t layer = 0; layer < n_layers; ++layer)
    layers.push_back(layer < 2 || layer + 2 >= n_layers ? wider->name() : spec->name());
  return layers;
}

Result<CacheSpec> read_cache_spec(std::string_view text) {
  const std::string path(plan_path(text));
  if (path.empty()) return CacheSpec::parse(text);
  const Result<Plan> plan = read_plan(path);
  if (!plan) return std::unexpected(plan.error());
  if (plan->cache.empty())
    return fail(ErrorCode::kUsage, fmt::format("{}: the plan says nothing about the cache; 'tq plan --kv-bits X' makes "
                                               "one that does",
                                               path));
  std::vector<CacheCodecs> layers;
  for (const std::string& layer : plan->cache) {
    const Result<CacheSpec> spec = CacheSpec::parse(layer);
    if (!spec) return spec;
    layers.push_back({spec->k, spec->v});
  }
  // Options are for coded rows: they are read beside the first codecs that code, if there are any.
  const auto coded_k = std::ranges::find_if(layers, is_coded, &CacheCodecs::k);
  const auto coded_v = std::ranges::find_if(layers, is_coded, &CacheCodecs::v);
  const std::string k = (coded_k == layers.end() ? layers.front() : *coded_k).k.name();
  const std::string v = (coded_v == layers.end() ? layers.front() : *coded_v).v.name();
  const std::string_view options = text.substr(path.size());
  if (options.find("rotate=on") != options.npos)
    return fail(ErrorCode::kUsage, fmt::format("{}: rotate=on does not go with a plan", path));
  Result<CacheSpec> spec = CacheSpec::parse(fmt::format("{}:{}{}", k, v, options));
  if (!spec) return spec;
  spec->layers = std::move(layers);
  spec->plan = path;
  return spec;
}

}  // namespace tq
