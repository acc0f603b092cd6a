// tq plan: which matrix gets which codec, by measurement.
#include "turboquant/plan.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "cli/arguments.h"
#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/embedded_model.h"
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
  std::string file, candidates = "tt2,tt3,tt4,tt5", output, size, from, average, rule, calibrate;
  std::optional<double> bits, kld;
  MeasureOptions options;
};

void add_options(CommandLine& line, PlanChoice& choice) {
  choice.model.add_to(line);
  line.add(choice.file, {.names = "-f,--file",
                         .help = "the text to measure with; - is standard input\n(default: built-in Python code)",
                         .value = "FILE",
                         .group = kInputGroup});
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
                        .help = "the smallest model with this sum of divergences",
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
  line.add(choice.options.measured,
           {.names = "--measured",
            .help = "so many of the candidates by running the model, the\nwider by their error "
                    "(default 2)",
            .value = "N",
            .group = kScoringGroup,
            .check = whole_number(1, 64)});
  line.add(choice.options.context, {.names = "-c,--ctx-size",
                                    .help = "window in tokens, its second half is scored\n(default 256)",
                                    .value = "N",
                                    .group = kScoringGroup,
                                    .check = whole_number(3, 1 << 20)});
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
  const int asked = (choice.bits ? 1 : 0) + (choice.kld ? 1 : 0) + (choice.size.empty() ? 0 : 1) +
                    (choice.average.empty() ? 0 : 1) + (choice.rule.empty() ? 0 : 1);
  if (asked != 1)
    return fail(ErrorCode::kUsage, "give one of --weights-bpw, --target-size, --max-kld, --average and --classical");
  Result<std::vector<std::string>> candidates = split_list(choice.candidates, "--candidates");
  if (!candidates) return fail(std::move(candidates));
  choice.options.codecs = std::move(*candidates);
  choice.options.threads = choice.engine.thread_count();
  if (!choice.output.empty() && choice.output != "-" && !names_a_plan(choice.output))
    return fail(ErrorCode::kUsage, fmt::format("--output {}: the name of a plan ends with .json", choice.output));
  return check_report_path(choice.output, {"--output", "a plan", "{"});
}

Result<WeightPlan> measure(const PlanChoice& choice, const std::shared_ptr<const TensorFile>& file) {
  if (!choice.from.empty()) return read_plan(choice.from);
  const auto tokenizer = choice.model.open_tokenizer(*file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<std::string> text =
      choice.file.empty() ? Result<std::string>(std::string(embedded_text())) : read_text(choice.file);
  if (!text) return std::unexpected(text.error());
  MeasureOptions options = choice.options;
  ProgressBar reading("calibrate");
  if (!choice.calibrate.empty()) {
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
Result<std::uint64_t> bytes_for_size(const TensorFile& file, WeightPlan plan, std::uint64_t size) {
  if (Result<void> solved = solve(plan, {.bytes = UINT64_MAX, .kld = {}}); !solved)
    return std::unexpected(solved.error());
  const Result<QuantizeReport> report = plan_quantize(file, {.plan = plan.tensors});
  if (!report) return std::unexpected(report.error());
  const std::uint64_t rest = report->output_bytes - std::min(report->output_bytes, plan.bytes());
  if (rest >= size)
    return fail(ErrorCode::kUsage, fmt::format("{} is too small: without the matrices of the layers the file has {}",
                                               bytes_text(size), bytes_text(rest)));
  return size - rest;
}

Result<PlanBudget> budget_of(const PlanChoice& choice, const TensorFile& file, const WeightPlan& plan) {
  PlanBudget budget{.bytes = {}, .kld = choice.kld};
  if (choice.bits) {
    std::uint64_t weights = 0;
    for (const PlanGroup& group : plan.groups) weights += group.weights;
    budget.bytes = static_cast<std::uint64_t>(*choice.bits * static_cast<double>(weights) / 8);
  }
  if (!choice.size.empty()) {
    const Result<std::uint64_t> size = parse_bytes(choice.size, "--target-size");
    if (!size) return std::unexpected(size.error());
    const Result<std::uint64_t> bytes = bytes_for_size(file, plan, *size);
    if (!bytes) return std::unexpected(bytes.error());
    budget.bytes = *bytes;
  }
  return budget;
}

Result<WeightPlan> make_plan(const PlanChoice& choice) {
  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  if (!choice.average.empty()) return plan_average(**file, choice.average);
  if (!choice.rule.empty()) return plan_by_classical_rule(**file, choice.rule);
  Result<WeightPlan> plan = measure(choice, *file);
  if (!plan) return plan;
  if (Result<void> fits = check_plan(*plan, **file); !fits) return std::unexpected(fits.error());
  const Result<PlanBudget> allowed = budget_of(choice, **file, *plan);
  if (!allowed) return std::unexpected(allowed.error());
  if (Result<void> solved = solve(*plan, *allowed); !solved) return std::unexpected(solved.error());
  return plan;
}

/// A line for each group, with the candidate that was chosen.
void print_plan(const WeightPlan& plan) {
  if (plan.groups.empty()) {
    std::map<std::string, std::size_t> counts;
    for (const auto& [tensor, type] : plan.tensors) ++counts[type];
    for (const auto& [type, count] : counts) fmt::print(stderr, "{} matrices as {}\n", count, type);
    return;
  }
  fmt::print(stderr, "{:<24} {:>8}  KLD of each candidate alone (~: from a narrower one)\n", "group", "chosen");
  for (const PlanGroup& group : plan.groups) {
    std::string options;
    for (const PlanOption& option : group.options)
      options += fmt::format("  {} {}{:.2e}", option.codec, option.measured ? "" : "~", option.kld);
    fmt::print(stderr, "{:<24} {:>8} {}\n", one_line(group.name), group.options[group.choice].codec, options);
  }
  fmt::print(stderr, "\n{:.3f} bits a weight in the matrices of the layers, {}; the sum of the divergences is {:.3g}\n",
             plan.bits(), bytes_text(plan.bytes()), plan.kld());
}

}  // namespace

Result<void> plan_command(const Arguments& arguments) {
  CommandLine line({.name = "plan",
                    .summary = "measure what each matrix needs, and share out the bits",
                    .usage = "-m MODEL -f TEXT --weights-bpw X -o plan.json [options]",
                    .examples = {"-m model.gguf -f text.txt --weights-bpw 3 -o plan.json",
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
  const Result<WeightPlan> plan = make_plan(choice);
  if (!plan) return std::unexpected(plan.error());
  print_plan(*plan);
  return write_report(to_json(*plan), choice.output.empty() ? "-" : choice.output);
}

}  // namespace tq::cli
