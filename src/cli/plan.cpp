// tq plan: which matrix and which layer of the cache get which codec, by measurement.
#include "turboquant/plan.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <ranges>

#include "cli/arguments.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/progress_bar.h"
#include "cli/units.h"
#include "turboquant/quantize.h"

namespace tq::cli {
namespace {

struct PlanChoice {
  ModelChoice model;
  EngineChoice engine;
  TextChoice text;
  std::string candidates = "tt2,tt3,tt4,tt5", output, size, from, average, rule, calibrate;
  std::string cache_candidates = "tq1,tq2,tq3,tq4,tq5,tq6", cache_size, cache_rule;
  std::optional<double> bits, kld, cache_bits;
  std::size_t context = 0, window = 0;  // 0: not given
  MeasureOptions options;

  bool solves_weights() const { return bits || kld || !size.empty(); }
  bool solves_cache() const { return cache_bits || !cache_size.empty(); }
};

void add_cache_options(CommandLine& line, PlanChoice& choice) {
  line.add(choice.cache_bits, {.names = "--kv-bits",
                               .help = "true bits of a value in the cache",
                               .value = "X",
                               .group = kCompressionGroup,
                               .check = number(0.5, 32)});
  line.add(choice.cache_size, {.names = "--kv-size",
                               .help = "of the cache at -c tokens, as in 512MiB",
                               .value = "SIZE",
                               .group = kCompressionGroup});
  line.add(choice.cache_candidates,
           {.names = "--kv-candidates",
            .help = "codecs for keys and for values to choose from\n(default tq1,tq2,tq3,tq4,tq5,tq6)",
            .value = "LIST",
            .group = kCompressionGroup});
  line.add(choice.cache_rule, {.names = "--kv-classical",
                               .help = "without measurement, to compare with: one bit more\nthan SPEC for the cache of "
                                       "the first and last two layers",
                               .value = "SPEC",
                               .group = kCompressionGroup});
}

void add_options(CommandLine& line, PlanChoice& choice) {
  choice.model.add_to(line);
  choice.text.add_to(line, "the text to measure with");
  line.add(choice.from, {.names = "--from",
                         .help = "a measured plan, to be solved for another budget\nwithout measuring again",
                         .value = "FILE",
                         .group = kInputGroup});
  line.add(choice.calibrate, {.names = "--calibrate",
                              .help = "the text that 'tq quantize --calibrate' will get:\ncosts are those of "
                                      "calibrated codes",
                              .value = "FILE",
                              .group = kInputGroup});
  line.add(choice.candidates,
           {.names = "--candidates",
            .help = "codecs to choose from, from the narrowest to the\nwidest (default tt2,tt3,tt4,tt5)",
            .value = "LIST",
            .group = kCompressionGroup});
  line.add(choice.bits, {.names = "--weights-bpw",
                         .help = "true bits of a weight in the matrices of the layers",
                         .value = "X",
                         .group = kCompressionGroup,
                         .check = number(0.5, 32)});
  line.add(
      choice.size,
      {.names = "--target-size", .help = "of the file, as in 1.5GiB", .value = "SIZE", .group = kCompressionGroup});
  line.add(choice.kld, {.names = "--max-kld",
                        .help = "the smallest model with this sum of divergences, those\nof the cache among them",
                        .value = "X",
                        .group = kCompressionGroup,
                        .check = number(0, 1e6)});
  line.add(choice.average, {.names = "--average",
                            .help = "without measurement: an average such as tt2.5",
                            .value = "SPEC",
                            .group = kCompressionGroup});
  line.add(choice.rule,
           {.names = "--classical",
            .help = "without measurement, to compare with: one bit more\nthan SPEC for the first and last two "
                    "layers, keys,\nvalues and down",
            .value = "SPEC",
            .group = kCompressionGroup});
  add_cache_options(line, choice);
  line.add(choice.options.measured,
           {.names = "--measured",
            .help = "so many of the candidates by running the model, the\nwider by their error "
                    "(default 2)",
            .value = "N",
            .group = kScoringGroup,
            .check = whole_number(1, 64)});
  line.add(choice.window, {.names = "--window",
                           .help = "tokens that are read at a time, the second half is\nscored (default 256)",
                           .value = "N",
                           .group = kScoringGroup,
                           .check = whole_number(3, 1 << 20)});
  line.add(choice.context,
           {.names = "-c,--ctx-size",
            .help = "the context of --kv-size (default: the model's own);\nwithout --kv-size the same as "
                    "--window",
            .value = "N",
            .group = kScoringGroup,
            .check = whole_number(3, 1 << 30)});
  line.add(choice.options.chunks, {.names = "--chunks",
                                   .help = "windows (default 8)",
                                   .value = "N",
                                   .group = kScoringGroup,
                                   .check = whole_number(1, 1 << 20)});
  choice.engine.add_to(line);
  line.add(choice.output, {.names = "-o,--output,--json",
                           .help = "the plan, a file *.json; - is standard output (default)",
                           .value = "FILE",
                           .group = kOutputGroup});
}

Result<void> check(PlanChoice& choice) {
  const auto given = [](const auto&... options) { return (0 + ... + (options ? 1 : 0)); };
  const int weights =
      given(choice.bits, choice.kld, !choice.size.empty(), !choice.average.empty(), !choice.rule.empty());
  const int cache = given(choice.cache_bits, !choice.cache_size.empty(), !choice.cache_rule.empty());
  if (weights > 1 || weights + cache == 0)
    return fail(ErrorCode::kUsage,
                "give one of --weights-bpw, --target-size, --max-kld, --average and --classical, or "
                "for the cache --kv-bits, --kv-size or --kv-classical");
  if (cache > 1) return fail(ErrorCode::kUsage, "give one of --kv-bits, --kv-size and --kv-classical");
  const auto take = [](const std::string& list, const char* option, std::vector<std::string>& target) -> Result<void> {
    Result<std::vector<std::string>> names = split_list(list, option);
    if (!names) return fail(std::move(names));
    target = std::move(*names);
    return {};
  };
  if (choice.solves_weights()) {
    if (Result<void> taken = take(choice.candidates, "--candidates", choice.options.codecs); !taken) return taken;
  }
  if (!choice.cache_size.empty()) {
    if (const Result<std::uint64_t> size = parse_bytes(choice.cache_size, "--kv-size"); !size)
      return std::unexpected(size.error());
  }
  if (choice.solves_cache()) {
    Result<void> taken = take(choice.cache_candidates, "--kv-candidates", choice.options.cache_codecs);
    if (!taken) return taken;
  }
  if (choice.context > 0 && choice.cache_size.empty()) choice.options.context = choice.context;
  if (choice.window > 0) choice.options.context = choice.window;
  choice.options.threads = choice.engine.thread_count();
  if (!choice.output.empty() && choice.output != "-" && !names_a_plan(choice.output))
    return fail(ErrorCode::kUsage, fmt::format("--output {}: the name of a plan ends with .json", choice.output));
  return check_report_path(choice.output, {"--output", "a plan", "{"});
}

Result<Plan> measure(const PlanChoice& choice, const std::shared_ptr<const TensorFile>& file) {
  const auto tokenizer = choice.model.open_tokenizer(*file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<std::string> text = choice.text.read();
  if (!text) return std::unexpected(text.error());
  MeasureOptions options = choice.options;
  ProgressBar reading("calibrate");
  if (!choice.calibrate.empty() && choice.solves_weights()) {
    CalibrationText calibration;
    calibration.progress = [&](std::size_t, std::uint64_t done, std::uint64_t total) {
      reading.update(done, total);
      return !interrupted();
    };
    auto read = read_calibration(choice.calibrate, *file, choice.model, 64, std::move(calibration));
    if (!read) return std::unexpected(read.error());
    options.calibration = std::move(*read);
  }
  ProgressBar bar("plan");
  return measure_plan(file, **tokenizer, *text, options, [&](std::uint64_t done, std::uint64_t total) {
    bar.update(done, total);
    return !interrupted();
  });
}

/// Bytes of the groups, from those of the file.
Result<std::uint64_t> bytes_for_size(const TensorFile& file, Plan plan, std::uint64_t size) {
  if (Result<void> solved = solve_weights(plan, {.bytes = UINT64_MAX, .kld = {}}); !solved)
    return std::unexpected(solved.error());
  const Result<QuantizeReport> report = plan_quantize(file, {.plan = plan.tensors});
  if (!report) return std::unexpected(report.error());
  const std::uint64_t rest = report->output_bytes - std::min(report->output_bytes, bytes_of(plan.groups));
  if (rest >= size)
    return fail(ErrorCode::kUsage, fmt::format("{} is too small: without the matrices of the layers the file has {}",
                                               bytes_text(size), bytes_text(rest)));
  return size - rest;
}

/// Bytes of the groups at `bits` a value.
std::uint64_t bytes_for_bits(const std::vector<PlanGroup>& groups, double bits) {
  std::uint64_t values = 0;
  for (const PlanGroup& group : groups) values += group.values;
  return static_cast<std::uint64_t>(bits * static_cast<double>(values) / 8);
}

/// Solves, or goes by a rule, as far as matrices were asked for. The cache has been chosen.
Result<void> choose_weights(const PlanChoice& choice, const TensorFile& file, Plan& plan) {
  if (!choice.average.empty() || !choice.rule.empty()) {
    Result<Plan> by_rule =
        choice.rule.empty() ? plan_average(file, choice.average) : plan_by_classical_rule(file, choice.rule);
    if (!by_rule) return std::unexpected(by_rule.error());
    plan.tensors = std::move(by_rule->tensors);
    plan.groups.clear();
    return {};
  }
  if (!choice.solves_weights()) return {};
  PlanBudget budget;
  if (choice.bits) budget.bytes = bytes_for_bits(plan.groups, *choice.bits);
  if (choice.kld) {
    const double cache = choice.solves_cache() ? kld_of(plan.cache_groups) : 0;
    budget.kld = *choice.kld - cache;
    if (*budget.kld < 0)
      return fail(ErrorCode::kUsage,
                  fmt::format("--max-kld {}: the cache alone costs {:.3g}; it needs more bits", *choice.kld, cache));
  }
  if (!choice.size.empty()) {
    const Result<std::uint64_t> size = parse_bytes(choice.size, "--target-size");
    if (!size) return std::unexpected(size.error());
    const Result<std::uint64_t> bytes = bytes_for_size(file, plan, *size);
    if (!bytes) return std::unexpected(bytes.error());
    budget.bytes = *bytes;
  }
  return solve_weights(plan, budget);
}

/// Bytes of kPlanTokens tokens where the whole cache of `context` tokens may take `size`.
std::uint64_t bytes_for_context(std::uint64_t size, std::size_t context) {
  constexpr std::size_t kRows = 32;  // no codec has larger groups of rows, and caches hold whole ones
  const std::uint64_t held = (context + kRows - 1) / kRows * kRows;
  return size / held * kPlanTokens + size % held * kPlanTokens / held;
}

/// The same for the cache.
Result<void> choose_cache(const PlanChoice& choice, const TensorFile& file, Plan& plan) {
  if (choice.cache_bits)
    return solve_cache(plan, {.bytes = bytes_for_bits(plan.cache_groups, *choice.cache_bits), .kld = {}});
  if (choice.cache_rule.empty() && choice.cache_size.empty()) return {};
  const Result<ModelConfig> config = read_model_config(file);
  if (!config) return std::unexpected(config.error());
  if (!choice.cache_size.empty()) {
    const Result<std::uint64_t> size = parse_bytes(choice.cache_size, "--kv-size");
    if (!size) return std::unexpected(size.error());
    const std::size_t context = choice.context > 0 ? choice.context : config->context_length;
    return solve_cache(plan, {.bytes = bytes_for_context(*size, context), .kld = {}});
  }
  Result<std::vector<std::string>> layers = cache_by_classical_rule(config->n_layers, choice.cache_rule);
  if (!layers) return std::unexpected(layers.error());
  plan.cache = std::move(*layers);
  plan.cache_groups.clear();
  return {};
}

/// What has been measured, now or in the plan of --from; nothing where only rules were asked for.
Result<Plan> begin_plan(const PlanChoice& choice, const std::shared_ptr<const TensorFile>& file) {
  if (choice.from.empty() && (choice.solves_weights() || choice.solves_cache())) return measure(choice, file);
  if (choice.from.empty()) return Plan{.model = std::string(file->metadata().string("general.name").value_or(""))};
  Result<Plan> plan = read_plan(choice.from);
  if (!plan) return plan;
  const bool lacks_weights = choice.solves_weights() && plan->groups.empty();
  if (lacks_weights || (choice.solves_cache() && plan->cache_groups.empty()))
    return fail(ErrorCode::kUsage, fmt::format("{}: it holds no measurement of {}; without --from one is made",
                                               choice.from, lacks_weights ? "the matrices" : "the cache"));
  return plan;
}

Result<Plan> make_plan(const PlanChoice& choice) {
  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  Result<Plan> plan = begin_plan(choice, *file);
  if (!plan) return plan;
  if (Result<void> fits = check_plan(*plan, **file); !fits) return std::unexpected(fits.error());
  if (Result<void> chosen = choose_cache(choice, **file, *plan); !chosen) return std::unexpected(chosen.error());
  if (Result<void> chosen = choose_weights(choice, **file, *plan); !chosen) return std::unexpected(chosen.error());
  const bool by_rule = !choice.average.empty() || !choice.rule.empty() || !choice.cache_rule.empty();
  if (by_rule) plan->method = plan->method.empty() ? "rule" : fmt::format("{}, in part by rule", plan->method);
  return plan;
}

/// A line for each group, with the candidate that was chosen.
void print_groups(const std::vector<PlanGroup>& groups, std::string_view what) {
  fmt::print(stderr, "{:<24} {:>8}  KLD of each candidate alone (~: from a narrower one)\n", what, "chosen");
  for (const PlanGroup& group : groups) {
    std::string options;
    for (const PlanOption& option : group.options)
      options += fmt::format("  {} {}{:.2e}", option.codec, option.measured ? "" : "~", option.kld);
    fmt::print(stderr, "{:<24} {:>8} {}\n", one_line(group.name), group.options[group.choice].codec, options);
  }
}

/// How often each choice of a rule was made.
template <class Choices>
void print_counts(const Choices& choices, std::string_view what) {
  std::map<std::string, std::size_t> counts;
  for (const std::string& choice : choices) ++counts[choice];
  for (const auto& [choice, count] : counts) fmt::print(stderr, "{} {} as {}\n", count, what, choice);
}

void print_plan(const Plan& plan) {
  if (plan.groups.empty()) print_counts(std::views::values(plan.tensors), "matrices");
  if (plan.cache_groups.empty()) print_counts(plan.cache, "layers of the cache");
  if (!plan.groups.empty()) {
    print_groups(plan.groups, "matrices");
    fmt::print(stderr,
               "\n{:.3f} bits a weight in the matrices of the layers, {}; the sum of the divergences is {:.3g}\n",
               bits_of(plan.groups), bytes_text(bytes_of(plan.groups)), kld_of(plan.groups));
  }
  if (!plan.cache_groups.empty()) {
    print_groups(plan.cache_groups, "cache");
    fmt::print(stderr, "\n{:.3f} bits a value of the cache, {} for {} tokens; the sum of the divergences is {:.3g}\n",
               bits_of(plan.cache_groups), bytes_text(bytes_of(plan.cache_groups)), kPlanTokens,
               kld_of(plan.cache_groups));
  }
}

}  // namespace

Result<void> plan_command(const Arguments& arguments) {
  CommandLine line({.name = "plan",
                    .summary = "measure what each matrix and each layer of the cache needs, and share out the bits",
                    .usage = "-m MODEL -f TEXT --weights-bpw X --kv-bits Y -o plan.json [options]",
                    .examples = {"-m model.gguf -f text.txt --weights-bpw 3 --kv-bits 3 -o plan.json",
                                 "-m model.gguf -f text.txt --kv-size 512MiB -c 32768 -o cache.json",
                                 "-m model.gguf -f text.txt --calibrate more.txt --weights-bpw 2.5 -o plan.json",
                                 "-m model.gguf --from plan.json --target-size 900MiB -o small.json",
                                 "-m model.gguf --classical tt3 -o rule.json"}});
  PlanChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> checked = check(choice); !checked) return checked;
  choice.engine.explain();
  const Result<Plan> plan = make_plan(choice);
  if (!plan) return std::unexpected(plan.error());
  print_plan(*plan);
  return write_report(to_json(*plan), choice.output.empty() ? "-" : choice.output);
}

}  // namespace tq::cli
