// tq compare: one prompt at every level of compression, side by side.
#include "turboquant/compare.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "cli/progress_bar.h"
#include "cli/python_check.h"
#include "cli/report_files.h"

namespace tq::cli {
namespace {

constexpr const char* kTextsPage =
    "write a page with the texts side by side, one file\nthat needs no network; - is standard output";

struct CompareChoice {
  ModelChoice model;
  CacheChoice cache;
  WeightsChoice weights;
  PlanFileChoice plan;
  EngineChoice engine;
  TextChoice text;
  std::string prompt;
  ReportFiles report;
  bool has_prompt = false, check_python = false;
  std::size_t context = 0;
  CompareOptions options;
};

void add_options(CommandLine& line, CompareChoice& choice) {
  choice.model.add_to(line);
  line.add(choice.prompt,
           {.names = "-p,--prompt", .help = "the text to continue", .value = "TEXT", .group = kInputGroup});
  choice.text.add_to(line, "the same from a file");
  line.add(choice.options.tokens, {.names = "-n,--predict",
                                   .help = "tokens to write (default 128)",
                                   .value = "N",
                                   .group = kGenerationGroup,
                                   .check = whole_number(1, 1 << 20)});
  line.add(choice.context,
           {.names = "-c,--ctx-size",
            .help = "tokens of the built-in prompt and of the answer\ntogether (default 2048, at most what the model "
                    "was\ntrained for)",
            .value = "N",
            .group = kGenerationGroup,
            .check = whole_number(2, 1 << 30)});
  line.add(choice.check_python, {.names = "--check-python",
                                 .help = "let python3 say whether each text parses; it is\nnot run",
                                 .group = kGenerationGroup});
  choice.weights.add_to(line);
  choice.plan.add_to(line);
  choice.cache.add_to(line, "cache specs, separated by commas\n(default f16,q8_0,q4_0,tq8,tq4,tq3,tq2)");
  line.add(choice.options.base_kv, {.names = "--base",
                                    .help = "cache of the base, whose weights are the file's\n(default f32)",
                                    .value = "SPEC",
                                    .group = kCompressionGroup});
  line.add(choice.options.seed, {.names = "-s,--seed",
                                 .help = "of the rotations in the caches (default 1)",
                                 .value = "N",
                                 .group = kCompressionGroup,
                                 .check = whole_number(0, INT64_MAX)});
  choice.engine.add_to(line);
  choice.report.add_to(line, kTextsPage);
}

Result<void> complete_options(CompareChoice& choice) {
  if (choice.has_prompt && !choice.text.file.empty())
    return fail(ErrorCode::kUsage, "-p and -f both give the prompt; only one of them can");
  Result<std::vector<std::string>> weights = choice.weights.names();
  if (!weights) return std::unexpected(weights.error());
  choice.options.weights = std::move(*weights);
  Result<std::vector<std::string>> kv =
      choice.cache.names(choice.weights.list.empty() ? "f16,q8_0,q4_0,tq8,tq4,tq3,tq2" : "f16");
  if (!kv) return std::unexpected(kv.error());
  choice.options.kv = std::move(*kv);
  Result<void> added = choice.plan.add_levels(choice.weights, choice.options.weights, choice.cache, choice.options.kv);
  if (!added) return added;
  choice.options.threads = choice.engine.thread_count();
  return choice.report.check();
}

/// `code` up to the last function whose description, one line, still fits: the model is to write its body.
std::string task_of(std::string_view code, const Tokenizer& tokenizer, std::size_t most_tokens) {
  std::string_view task;
  for (std::size_t begin = 0; begin < code.size();) {
    const std::size_t end = std::min(code.find('\n', begin), code.size() - 1) + 1;
    const std::string_view line = code.substr(begin, end - begin);
    const std::size_t quotes = line.find("\"\"\"");
    const bool described = quotes != line.npos && line.find_first_not_of(' ') == quotes && line.ends_with("\"\"\"\n") &&
                           line.size() > quotes + 7;
    if (described && tokenizer.encode(code.substr(0, end)).size() > most_tokens) break;
    if (described) task = code.substr(0, end);
    begin = end;
  }
  return std::string(task);
}

Result<std::string> read_task(const CompareChoice& choice, const Tokenizer& tokenizer, const ModelConfig& config) {
  if (choice.has_prompt) return choice.prompt;
  Result<std::string> text = choice.text.read();
  if (!text || !choice.text.file.empty()) return text;
  const std::size_t context = std::min(choice.context > 0 ? choice.context : 2048, config.context_length);
  std::string task = context > choice.options.tokens ? task_of(*text, tokenizer, context - choice.options.tokens) : "";
  if (task.empty())
    return fail(ErrorCode::kUsage,
                fmt::format("a context of {} tokens leaves no room for the built-in prompt beside {} "
                            "tokens to write; -p or -f gives another",
                            context, choice.options.tokens));
  fmt::print(stderr, "tq: using the built-in task, Python code; -p or -f gives another\n");
  return task;
}

/// The base's text, and what others wrote from the line of the first difference on.
void print_texts(const CompareReport& report) {
  const auto shown = [](std::string_view text) {
    text = text.substr(0, text.find_last_not_of('\n') + 1);
    return isatty(STDOUT_FILENO) == 1 ? printable(text) : std::string(text);
  };
  fmt::print("\n== base\n{}\n", shown(report.base.text));
  constexpr std::size_t kLines = 8;
  for (const CompareRow& row : report.rows) {
    const std::string name = fmt::format("weights {}, cache {}", row.level.weights, row.level.kv);
    if (!row.first_divergence) {
      fmt::print("\n== {}: the same text\n", name);
      continue;
    }
    const auto [base, ignored] = std::ranges::mismatch(report.base.text, row.text);
    const auto same = static_cast<std::size_t>(base - report.base.text.begin());
    const std::size_t line = same == 0 ? 0 : row.text.rfind('\n', same - 1) + 1;  // npos + 1 is 0
    std::size_t end = line;
    for (std::size_t i = 0; i < kLines && end < row.text.size(); ++i)
      end = std::min(row.text.find('\n', end), row.text.size() - 1) + 1;
    fmt::print("\n== {}: the same for {} tokens, then from that line on\n{}\n{}", name, *row.first_divergence,
               shown(std::string_view(row.text).substr(line, end - line)), end < row.text.size() ? "…\n" : "");
  }
}

Result<void> check_python(CompareReport& report) {
  std::vector<std::string> texts = {report.base.text};
  for (const CompareRow& row : report.rows) texts.push_back(row.text);
  const Result<std::vector<bool>> parses = python_parses(report.prompt, texts);
  if (!parses) return std::unexpected(parses.error());
  report.base.parses = (*parses)[0];
  for (std::size_t i = 0; i < report.rows.size(); ++i) report.rows[i].parses = (*parses)[i + 1];
  return {};
}

}  // namespace

Result<void> compare_command(const Arguments& arguments) {
  CommandLine line({.name = "compare",
                    .summary = "one prompt at every level of compression, side by side",
                    .usage = "[-m MODEL -p TEXT] [options]",
                    .examples = {"--kv f16,tq4,tq3,tq2 --html compare.html",
                                 "-m model.gguf -f task.txt -n 400 --weights file,tq4,tt3 --kv f16",
                                 "--check-python --kv f16,q4_0,tq4,tq2"}});
  CompareChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  choice.has_prompt = line.was_given("--prompt");
  choice.engine.explain();
  if (Result<void> completed = complete_options(choice); !completed) return completed;

  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  const auto tokenizer = choice.model.open_tokenizer(**file);
  if (!tokenizer) return std::unexpected(tokenizer.error());
  const Result<ModelConfig> config = read_model_config(**file);
  if (!config) return std::unexpected(config.error());
  const Result<AutomaticCache> chosen = choose_caches(choice.options.kv, *file);
  if (!chosen) return std::unexpected(chosen.error());
  Result<std::string> prompt = read_task(choice, **tokenizer, *config);
  if (!prompt) return fail(std::move(prompt));
  Result<CompareReport> report = [&] {
    ProgressBar bar("compare");
    return compare_levels(*file, **tokenizer, std::move(*prompt), choice.options,
                          [&](std::uint64_t done, std::uint64_t total) {
                            bar.update(std::min(done, total), total);
                            return !interrupted();
                          });
  }();
  if (!report) return std::unexpected(report.error());
  report->command = rerun_line("compare", arguments);
  for (CompareRow& row : report->rows) chosen->note_in(row.level);
  if (choice.check_python) {
    if (Result<void> checked = check_python(*report); !checked) return checked;
  }
  if (!choice.report.to_standard_output()) {
    fmt::print("{}", to_table(*report));
    print_texts(*report);
  }
  return choice.report.write({[&] { return to_json(*report); }, [&] { return to_html(*report); }});
}

}  // namespace tq::cli
