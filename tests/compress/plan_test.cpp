// Plans: the knapsack against all choices, the file against what a stranger might write into it, the rules.
#include "turboquant/plan.h"

#include <cmath>
#include <map>

#include "base/random.h"
#include "support/models.h"
#include "support/small_llama.h"
#include "support/temporary_folder.h"
#include "turboquant/quantize.h"

namespace tq::test {
namespace {

/// Groups of three options whose sizes and costs have no order among groups.
Plan random_plan(std::size_t groups, std::uint64_t seed) {
  Plan plan{.model = "m", .method = "measured"};
  for (std::size_t g = 0; g < groups; ++g) {
    PlanGroup group{.name = "g" + std::to_string(g), .tensors = {"t" + std::to_string(g)}, .values = 100};
    std::uint64_t bytes = 10 + static_cast<std::uint64_t>(20 * next_uniform(seed));
    double kld = 1 + next_uniform(seed);
    for (const char* codec : {"tt2", "tt3", "tt4"}) {
      group.options.push_back({.codec = codec, .bytes = bytes, .kld = kld, .measured = true});
      bytes += 1 + static_cast<std::uint64_t>(30 * next_uniform(seed));
      kld *= next_uniform(seed);
    }
    plan.groups.push_back(std::move(group));
  }
  return plan;
}

/// The best choice by trying all.
double least_kld(const Plan& plan, std::uint64_t budget, std::size_t group = 0) {
  if (group == plan.groups.size()) return 0;
  double least = 1e30;
  for (const PlanOption& option : plan.groups[group].options) {
    if (option.bytes > budget) continue;
    least = std::min(least, option.kld + least_kld(plan, budget - option.bytes, group + 1));
  }
  return least;
}

TEST(Plan, no_choice_within_the_budget_is_better) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Plan plan = random_plan(7, seed);
    for (const std::uint64_t budget : {250U, 300U, 400U, 10000U}) {
      const double least = least_kld(plan, budget);
      const Result<void> solved = solve_weights(plan, {.bytes = budget, .kld = {}});
      ASSERT_EQ(solved.has_value(), least < 1e29) << seed << " " << budget;
      if (!solved) continue;
      EXPECT_LE(bytes_of(plan.groups), budget);
      EXPECT_NEAR(kld_of(plan.groups), least, 1e-12) << seed << " " << budget;
    }
  }
}

TEST(Plan, the_smallest_within_a_divergence_is_found) {
  Plan plan = random_plan(6, 3);
  must(solve_weights(plan, {.bytes = 300, .kld = {}}));
  const double kld = kld_of(plan.groups);
  const std::uint64_t bytes = bytes_of(plan.groups);
  must(solve_weights(plan, {.bytes = {}, .kld = kld}));
  EXPECT_EQ(bytes_of(plan.groups), bytes);
  EXPECT_LE(kld_of(plan.groups), kld);
  EXPECT_EQ(solve_weights(plan, {.bytes = 10, .kld = {}}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(solve_weights(plan, {.bytes = {}, .kld = 0}).error().code, ErrorCode::kUsage);
}

TEST(Plan, a_file_gives_back_what_was_written) {
  Plan plan = random_plan(3, 5);
  must(solve_weights(plan, {.bytes = 200, .kld = {}}));
  const Plan read = must(parse_plan(to_json(plan), "plan.json"));
  EXPECT_EQ(read.tensors, plan.tensors);
  EXPECT_EQ(to_json(read), to_json(plan));
  EXPECT_EQ(bytes_of(read.groups), bytes_of(plan.groups));
}

/// Keys and values of `n_layers` layers, solved with all the bytes there are.
Plan random_cache_plan(std::size_t n_layers, std::uint64_t seed) {
  Plan plan{.model = "m", .method = "measured", .cache_groups = random_plan(2 * n_layers, seed).groups};
  for (PlanGroup& group : plan.cache_groups) group.tensors.clear();
  must(solve_cache(plan, {.bytes = UINT64_MAX, .kld = {}}));
  return plan;
}

TEST(Plan, a_cache_is_solved_written_and_read_back) {
  Plan plan = random_cache_plan(3, 4);
  EXPECT_EQ(plan.cache, std::vector<std::string>(3, "tt4"));
  plan.cache_groups[3].options[0].kld = 1e6;  // the values of layer 1
  const std::uint64_t smallest = [&] {
    std::uint64_t sum = 0;
    for (const PlanGroup& group : plan.cache_groups) sum += group.options[0].bytes;
    return sum;
  }();
  must(solve_cache(
      plan,
      {.bytes = smallest + plan.cache_groups[3].options[1].bytes - plan.cache_groups[3].options[0].bytes, .kld = {}}));
  EXPECT_EQ(plan.cache, (std::vector<std::string>{"tt2", "tt2:tt3", "tt2"}));
  const Plan read = must(parse_plan(to_json(plan), "plan.json"));
  EXPECT_EQ(read.cache, plan.cache);
  EXPECT_EQ(to_json(read), to_json(plan));
  EXPECT_EQ(solve_cache(plan, {.bytes = smallest - 1, .kld = {}}).error().code, ErrorCode::kUsage);
}

TEST(Plan, a_cache_is_read_as_a_spec_with_the_options_behind_it) {
  const TemporaryFolder folder;
  Plan plan{.model = "m", .method = "by hand", .cache = {"f16", "tq3:q8_0", "tq2"}};
  const std::string path = folder.write("plan.json", to_json(plan)).string();
  const CacheSpec spec = must(read_cache_spec(path + "+sink=4+center=auto"));
  EXPECT_EQ(spec.name(), path + "+sink=4+center=auto");
  ASSERT_EQ(spec.layers.size(), 3U);
  EXPECT_EQ(spec.layers[1].v.name(), "q8_0");
  EXPECT_EQ(spec.layers[2].k.scale, ScaleRule::kUnbiased);
  EXPECT_EQ(must(read_cache_spec("tq4:tq3")).name(), "tq4:tq3");
  const auto code = [](const std::string& text) { return read_cache_spec(text).error().code; };
  EXPECT_EQ(code(path + "+sink=x"), ErrorCode::kUsage);
  EXPECT_EQ(code(path + "+rotate=on"), ErrorCode::kUsage);
  EXPECT_EQ(code(folder.write("empty.json", to_json(Plan{})).string()), ErrorCode::kUsage) << "nothing about the cache";
  EXPECT_EQ(code(folder.write("broken.json", "{").string()), ErrorCode::kBadFile);
  EXPECT_EQ(code((folder.path() / "none.json").string()), ErrorCode::kFailed);
}

TEST(Plan, the_classical_rule_widens_the_ends_of_a_cache) {
  EXPECT_EQ(must(cache_by_classical_rule(6, "tq2")),
            (std::vector<std::string>{"tq3", "tq3", "tq2", "tq2", "tq3", "tq3"}));
  EXPECT_EQ(must(cache_by_classical_rule(3, "tq3p")), std::vector<std::string>(3, "tq4p"));
  EXPECT_FALSE(cache_by_classical_rule(3, "tq9").has_value());
}

TEST(Plan, a_file_that_no_one_wrote_is_refused_in_a_sentence) {
  const std::string sound = to_json(random_plan(1, 1)), cache = to_json(random_cache_plan(2, 1));
  const auto error_of = [](const std::string& json) {
    const auto plan = parse_plan(json, "plan.json");
    EXPECT_FALSE(plan.has_value()) << json;
    if (plan) return Error{};
    EXPECT_EQ(plan.error().code, ErrorCode::kBadFile) << json;
    EXPECT_TRUE(plan.error().message.starts_with("plan.json: ")) << plan.error().message;
    EXPECT_EQ(plan.error().message.find('\n'), std::string::npos);
    return plan.error();
  };
  const auto changed_in = [](std::string json, const std::string& from, const std::string& to) {
    const std::size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return json.replace(at, from.size(), to);
  };
  const auto changed = [&](const std::string& from, const std::string& to) { return changed_in(sound, from, to); };
  error_of("");
  error_of("[]");
  error_of("{}");
  error_of(sound.substr(0, sound.size() / 2));
  error_of(changed("turboquant.plan/1", "turboquant.plan/2"));
  error_of(changed("\"tensors\": {}", "\"tensors\": []"));
  error_of(changed("\"tensors\": {}", "\"tensors\": {\"a\": 4}"));
  error_of(changed("\"tensors\": {}", "\"tensors\": {\"a\": \"tt99\"}"));
  error_of(changed("\"tensors\": {}", "\"tensors\": {\"a\": \"tt2\", \"a\": \"tt3\"}"));
  error_of(changed("\"tensors\": {}", "\"tensors\": {\"" + std::string(300, 'a') + "\": \"tt2\"}"));
  error_of(changed("\"groups\": [", "\"groups\": [7,"));
  error_of(changed("\"choice\": 0", "\"choice\": 3"));
  error_of(changed("\"choice\": 0", "\"choice\": -1"));
  error_of(changed("\"weights\": 100", "\"weights\": 1e300"));
  error_of(changed("\"weights\": 100", "\"weights\": 18446744073709551615"));
  error_of(changed("\"tt2\"", "\"zz2\""));
  error_of(changed("\"kld\": ", "\"kld\": -"));
  error_of(changed("\"measured\": true", "\"measured\": 1"));
  error_of(changed("\"options\": [", "\"options\": [\"tt2\","));
  const std::string layer = "\"cache\": [\n  \"tt4\"";
  for (const char* other : {"7", "[]", "\"\"", "\"tt4:\"", "\":tt4\"", "\"tt4:tt4:tt4\"", "\"tq2.5\"", "\"tt4+sink=4\"",
                            "\"tt4\", \"tt4\"", "\"plan.json\""})
    error_of(changed_in(cache, layer, "\"cache\": [" + std::string(other)));
  error_of(changed_in(cache, "\"cache\": [", "\"cache\": \"tt4\", \"cash\": ["));
  error_of(changed_in(cache, "\"cache\": [", "\"cash\": ["));
  error_of(changed_in(cache, "\"cache_groups\": [", "\"cache_groups\": [{},"));
  error_of(changed_in(cache, "\"values\": 100", "\"weights\": 100"));
}

class PlanOfModel : public testing::Test {
 protected:
  PlanOfModel() : file_(must(TensorFile::open(folder_.write("small.bin", small_llama())))) {}

  TemporaryFolder folder_;
  std::shared_ptr<const TensorFile> file_;
};

TEST_F(PlanOfModel, an_average_is_met_from_below_with_two_widths) {
  for (const double bits : {2.25, 2.5, 2.75}) {
    const Plan plan = must(plan_average(*file_, "tt" + std::to_string(bits).substr(0, 4)));
    double weights = 0, spent = 0;
    for (const auto& [tensor, type] : plan.tensors) {
      const TensorView* view = file_->find(tensor);
      ASSERT_NE(view, nullptr) << tensor;
      ASSERT_TRUE(type == "tt2" || type == "tt3") << type;
      const auto n = static_cast<double>(view->elements());
      weights += n;
      spent += n * (type == "tt2" ? 2 : 3);
    }
    EXPECT_LE(spent / weights, bits);
    EXPECT_GT(spent / weights, bits - 0.06) << "the smallest matrix is a 20th of the model";
  }
  EXPECT_EQ(must(plan_average(*file_, "tq3.5")).tensors.at("blk.0.attn_v.weight"), "tq4");
}

TEST_F(PlanOfModel, only_numbers_between_two_widths_are_averages) {
  for (const char* type : {"tq3.5", "tt2.25", "affine4.5", "tq8.9"}) EXPECT_TRUE(is_average(type)) << type;
  for (const char* type :
       {"tq4", "tt5.5", "tt1.5", "tq9.5", "tq3.", "tq3.0", "x2.5", "tq3.5p", "tq-3.5", "tq3.5e1", "tqinf", ".5", ""})
    EXPECT_FALSE(is_average(type)) << type;
}

TEST_F(PlanOfModel, an_average_is_quantized_and_loaded_alike) {
  const auto path = folder_.path() / "out.gguf";
  const QuantizeReport report = must(quantize(*file_, path, {.type = "tt2.5", .threads = 1}));
  EXPECT_GT(report.bpw_linear, 2.3);
  const auto from_file = load(path), on_load = must(load_compressed(file_, "tt2.5", 1));
  EXPECT_EQ(on_load->weights_name(), "tt2.5");
  EXPECT_EQ(on_load->footprint().linear_bytes, from_file->footprint().linear_bytes);
  const auto tokens = some_tokens(16, kSmallVocabulary);
  const auto a = open_session(from_file, {.context = 32}), b = open_session(on_load, {.context = 32});
  EXPECT_EQ(logits_of(*a, tokens), logits_of(*b, tokens));
}

TEST_F(PlanOfModel, a_plan_is_applied_in_a_file_and_on_load) {
  Plan plan = must(plan_by_classical_rule(*file_, "tq3"));
  plan.tensors["blk.1.attn_q.weight"] = "tq8";
  const auto path = folder_.write("plan.json", to_json(plan));
  const QuantizeReport report = must(quantize(
      *file_, folder_.path() / "out.gguf", {.plan = plan.tensors, .tensor_types = {{"attn_v", "keep"}}, .threads = 1}));
  std::map<std::string, std::string> types;
  for (const QuantizedTensor& tensor : report.tensors) types[tensor.name] = tensor.type;
  EXPECT_EQ(types["blk.1.attn_q.weight"], "tq8");
  EXPECT_EQ(types["blk.0.attn_q.weight"], "tq4") << "one of the first two layers";
  EXPECT_EQ(types["blk.0.attn_v.weight"], "f32") << "a rule of the command line counts more";
  EXPECT_EQ(must(load_compressed(file_, path, 1))->weights_name(), path.string());
}

TEST(WeightsText, rules_are_told_from_types_and_paths) {
  const auto expect = [](const std::string& text, const std::string& type, const std::vector<std::string>& rules) {
    const WeightsText split = split_weights(text);
    EXPECT_EQ(split.type, type) << text;
    std::vector<std::string> found;
    for (const TensorTypeRule& rule : split.rules) found.push_back(rule.pattern + " " + rule.type);
    EXPECT_EQ(found, rules) << text;
    EXPECT_EQ(join_weights(split), text);
  };
  expect("tq4", "tq4", {});
  expect("", "", {});
  expect("tq4+token_embd=tq6", "tq4", {"token_embd tq6"});
  expect("tt2.5+attn_(k|v)=keep+^output=q8_0", "tt2.5", {"attn_(k|v) keep", "^output q8_0"});
  expect("tq4+blk.[0-9]+.ffn=tq3", "tq4", {"blk.[0-9]+.ffn tq3"});  // a pattern with a plus
  expect("tq4+a(?=b)=tq3", "tq4", {"a(?=b) tq3"});                  // … and with what separates
  expect("tq4+a=b=tq3", "tq4", {"a=b tq3"});
  expect("plan.json+output=tq4", "plan.json", {"output tq4"});
  expect("some+dir/a=b.json", "some+dir/a=b.json", {});
  for (const char* none : {"tq4+", "tq4+=tq3", "tq4+x", "tq4+x=", "tq4+x=tq3+", "tq4+x=TQ3", "+"})
    expect(none, none, {});
}

TEST_F(PlanOfModel, rules_count_on_load_as_in_a_file_also_outside_the_layers) {
  const auto path = folder_.path() / "out.gguf";
  const std::vector<TensorTypeRule> rules = {{"token_embd", "tq6"}, {"attn_(k|v)", "tq3"}, {"0.attn_v", "keep"}};
  must(quantize(*file_, path, {.type = "tq4", .tensor_types = rules, .threads = 1}));
  const std::string text = join_weights({"tq4", rules});
  const auto from_file = load(path), on_load = must(load_compressed(file_, text, 1));
  EXPECT_EQ(on_load->weights_name(), text);
  EXPECT_EQ(on_load->footprint().weights_bytes, from_file->footprint().weights_bytes);
  EXPECT_EQ(on_load->footprint().linear_bytes, from_file->footprint().linear_bytes);
  EXPECT_LT(on_load->footprint().weights_bytes, must(load_compressed(file_, "tq4", 1))->footprint().weights_bytes);
  const auto tokens = some_tokens(16, kSmallVocabulary);
  const auto a = open_session(from_file, {.context = 32}), b = open_session(on_load, {.context = 32});
  EXPECT_EQ(logits_of(*a, tokens), logits_of(*b, tokens));
}

TEST_F(PlanOfModel, rules_that_cannot_count_are_refused) {
  for (const auto& [text, part] :
       {std::pair{"tq4+attn_x=tq3", "'attn_x'"}, std::pair{"tq4+attn_norm=tq3", "'attn_norm'"},
        std::pair{"tq4+attn_(=tq3", "'attn_('"}, std::pair{"tq4+attn_q=tq33", "tq3"}}) {
    const auto model = load_compressed(file_, text, 1);
    ASSERT_FALSE(model.has_value()) << text;
    EXPECT_EQ(model.error().code, ErrorCode::kUsage) << text;
    EXPECT_NE(model.error().message.find(part), std::string::npos) << model.error().message;
  }
}

TEST_F(PlanOfModel, a_plan_of_another_model_is_refused) {
  Plan plan = must(plan_by_classical_rule(*file_, "tq3"));
  plan.tensors["blk.7.attn_q.weight"] = "tq4";
  EXPECT_EQ(check_plan(plan, *file_).error().code, ErrorCode::kUsage);
  const auto written = quantize(*file_, folder_.path() / "out.gguf", {.plan = plan.tensors, .threads = 1});
  ASSERT_FALSE(written.has_value());
  EXPECT_NE(written.error().message.find("blk.7.attn_q.weight"), std::string::npos);
  plan.tensors.erase("blk.7.attn_q.weight");
  plan.tensors["token_embd.weight"] = "tq4";
  EXPECT_FALSE(check_plan(plan, *file_).has_value()) << "no matrix of a layer";
}

}  // namespace
}  // namespace tq::test
