// tq eval: what compression costs, measured against the uncompressed model.
#include <fmt/format.h>

#include <optional>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/eval_tasks.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "cli/report_files.h"
#include "turboquant/eval.h"

namespace tq::cli {
namespace {

struct EvalChoice {
  ModelChoice model;
  CacheChoice cache;
  EngineChoice engine;
  WeightsChoice weights;
  PlanFileChoice plan;
  TextChoice text;
  TasksChoice tasks;
  ReportFiles report;
  std::optional<double> max_kld;
  EvalOptions options;
};

void add_options(CommandLine& line, EvalChoice& choice) {
  choice.model.add_to(line);
  choice.text.add_to(line, "the text to score");
  choice.weights.add_to(line);
  choice.plan.add_to(line);
  choice.cache.add_to(
      line,
      "cache specs, separated by commas: K or K:V of the\nnames that 'tq codecs' lists, as in tq4:tq3 or\n"
      "q4_0+rotate=on (default f16); +sink=N and +recent=N\nkeep tokens exact, +center=auto|mean centres keys");
  line.add(choice.options.base_kv, {.names = "--base",
                                    .help = "cache of the base, whose weights are the file's\n(default f32)",
                                    .value = "SPEC",
                                    .group = kCompressionGroup});

  line.add(choice.options.context, {.names = "-c,--ctx-size",
                                    .help = "window in tokens, its second half is scored\n(default 512)",
                                    .value = "N",
                                    .group = kScoringGroup,
                                    .check = whole_number(2, 1 << 30)});
  line.add(choice.options.chunks, {.names = "--chunks",
                                   .help = "windows to score (default: all that the text has)",
                                   .value = "N",
                                   .group = kScoringGroup,
                                   .check = whole_number(0, 1 << 30)});
  line.add(
      choice.options.decode,
      {.names = "--decode", .help = "score token by token, the path that generation takes", .group = kScoringGroup});
  line.add(choice.options.layers,
           {.names = "--layers",
            .help = "measure K, V, attention and hidden state of each\nlayer, too: where does an "
                    "error begin?",
            .group = kScoringGroup});
  line.add(choice.max_kld, {.names = "--max-kld",
                            .help = "exit with 5 if a mean KL divergence is above X",
                            .value = "X",
                            .group = kScoringGroup,
                            .check = number(0, 1e9)});
  choice.tasks.add_to(line);
  line.add(choice.options.resume, {.names = "--resume",
                                   .help = "keep what is done in FILE and, where it exists, go\non from it",
                                   .value = "FILE",
                                   .group = kScoringGroup});
  line.add(choice.options.write_kld_base,
           {.names = "--write-kld-base",
            .help = "write the base's predictions as llama-perplexity's\n--kl-divergence-base does",
            .value = "FILE",
            .group = kOutputGroup});
  line.add(choice.options.read_kld_base, {.names = "--read-kld-base",
                                          .help = "take text and base from what that option or\nllama-perplexity wrote",
                                          .value = "FILE",
                                          .group = kInputGroup});
  line.add(choice.options.seed, {.names = "-s,--seed",
                                 .help = "seed (default 1)",
                                 .value = "N",
                                 .group = kScoringGroup,
                                 .check = whole_number(0, INT64_MAX)});
  choice.engine.add_to(line);
  choice.report.add_to(line, kPlotsPage);
  choice.report.add_markdown_to(line);
}

Result<void> check_combination(const EvalChoice& choice, const CommandLine& line) {
  if (Result<void> checked = choice.tasks.check(line); !checked) return checked;
  if (!choice.options.write_kld_base.empty() && !choice.options.resume.empty())
    return fail(ErrorCode::kUsage, "--write-kld-base needs an evaluation in one go, and so no --resume");
  if (choice.options.layers && !(choice.options.resume.empty() && choice.options.read_kld_base.empty()))
    return fail(ErrorCode::kUsage,
                "--layers needs the base and an evaluation in one go: no --resume, no --read-kld-base");
  if (choice.options.read_kld_base.empty()) return {};
  for (const char* option : {"--file", "--ctx-size", "--base", "--write-kld-base"}) {
    if (line.was_given(option))
      return fail(ErrorCode::kUsage, fmt::format("{} does not go with --read-kld-base, whose file has text, window and "
                                                 "base",
                                                 option));
  }
  return {};
}

/// Every spec is looked at before anything runs: a typing error must not cost an hour.
Result<void> complete_options(EvalChoice& choice) {
  EvalOptions& options = choice.options;
  Result<std::vector<std::string>> weights = choice.weights.names();
  if (!weights) return std::unexpected(weights.error());
  options.weights = std::move(*weights);
  Result<std::vector<std::string>> kv = choice.cache.names("f16");
  if (!kv) return std::unexpected(kv.error());
  options.kv = std::move(*kv);
  if (Result<void> added = choice.plan.add_levels(choice.weights, options.weights, choice.cache, options.kv); !added)
    return added;

  const Result<CacheSpec> base = CacheSpec::parse(options.base_kv);
  if (!base) return fail(base.error().code, fmt::format("--base: {}", base.error().message));
  options.base_kv = base->name();
  options.threads = choice.engine.thread_count();
  if (Result<void> writable = check_kld_base_path(options.write_kld_base); !writable) return writable;
  if (Result<void> writable = check_checkpoint_path(options.resume); !writable) return writable;
  return choice.report.check();
}

Result<EvalReport> run_evaluation(EvalChoice& choice) {
  const Result<std::string> text = choice.text.read();
  if (!text) return std::unexpected(text.error());
  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  const auto tokenizer = choice.model.open_tokenizer(**file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<AutomaticCache> chosen = choose_caches(choice.options.kv, *file);
  if (!chosen) return std::unexpected(chosen.error());
  if (choice.options.read_kld_base.empty()) choice.text.explain();
  ProgressBar bar("eval");
  Result<EvalReport> report = evaluate(*file, **tokenizer, *text, choice.text.name(), choice.options,
                                       [&](std::uint64_t done, std::uint64_t total) {
                                         bar.update(done, total);
                                         return !interrupted();
                                       });
  if (!report) return report;
  for (EvalRow& row : report->rows) chosen->note_in(row);
  return report;
}

Result<void> judge(const EvalReport& report, double max_kld) {
  std::string worse;
  for (const EvalRow& row : report.rows) {
    if (row.text.kld_mean <= max_kld) continue;  // not the other way round: a NaN is worse
    worse += fmt::format("{}weights {} with cache {} ({:.4g})", worse.empty() ? "" : ", ", row.weights, row.kv,
                         row.text.kld_mean);
  }
  if (worse.empty()) return {};
  return fail(ErrorCode::kQualityGate,
              fmt::format("the mean KL divergence is above the allowed {:.4g} for {}", max_kld, worse));
}

/// Says how an interrupted evaluation can go on.
Error going_on(Error error, const EvalOptions& options) {
  if (error.code == ErrorCode::kInterrupted && !options.resume.empty())
    error.message += fmt::format("; the same command goes on from --resume {}", options.resume);
  return error;
}

}  // namespace

Result<void> eval_command(const Arguments& arguments) {
  CommandLine line({.name = "eval",
                    .summary = "what compression costs, measured against the uncompressed model",
                    .usage = "[-m MODEL -f TEXT] [options]",
                    .examples = {"--kv f16,q8_0,q4_0,q4_0+rotate=on,tq4,tq3,tq2",
                                 "-m model.gguf -f wiki.test.raw --weights file,tq4 --kv f16,tq4 --html out.html",
                                 "-m model.gguf -f wiki.test.raw --kv tq4 --decode --max-kld 0.01",
                                 "-m model.gguf --task hellaswag=hellaswag_val.jsonl --kv f16,q4_0,tq4,tq3"}});
  EvalChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  choice.engine.explain();
  if (Result<void> checked = check_combination(choice, line); !checked) return checked;
  if (Result<void> completed = complete_options(choice); !completed) return completed;
  if (choice.tasks.asked()) {
    const EvalOptions& options = choice.options;
    return evaluate_tasks(choice.tasks, choice.model,
                          {.weights = options.weights,
                           .kv = options.kv,
                           .base_kv = options.base_kv,
                           .context = line.was_given("--ctx-size") ? options.context : 0,
                           .seed = options.seed,
                           .threads = options.threads},
                          choice.report, rerun_line("eval", arguments));
  }

  Result<EvalReport> report = run_evaluation(choice);
  if (!report) return std::unexpected(going_on(report.error(), choice.options));
  report->settings.command = rerun_line("eval", arguments);
  if (!choice.report.to_standard_output()) fmt::print("{}", to_table(*report));
  const ReportForms forms = forms_of({&*report, 1}, [&] { return to_json(*report); });
  if (Result<void> written = choice.report.write(forms); !written) return written;
  if (report->partial) {
    const Error error{ErrorCode::kInterrupted, fmt::format("interrupted; the figures are of the first {} windows alone",
                                                           report->settings.chunks)};
    return std::unexpected(going_on(error, choice.options));
  }
  return choice.max_kld ? judge(*report, *choice.max_kld) : Result<void>{};
}

}  // namespace tq::cli
