// tq bench: how fast prompts are read and tokens generated.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "compress/tensor_rules.h"
#include "turboquant/bench.h"
#include "turboquant/plan.h"

namespace tq::cli {
namespace {

struct BenchChoice {
  ModelChoice model;
  CacheChoice cache;
  WeightsChoice weights;
  PlanFileChoice plan;
  EngineChoice engine;
  std::string synthetic, prompt = "512", generate = "128", depth = "0", format = "md", json;
  BenchOptions options;
};

void add_options(CommandLine& line, BenchChoice& choice) {
  choice.model.add_to(line);
  line.add(choice.synthetic, {.names = "--synthetic",
                              .help = "random weights of a known shape instead of a file:\n" +
                                      fmt::format("{}", fmt::join(synthetic_models(), ", ")),
                              .value = "NAME",
                              .group = kInputGroup});
  line.add(choice.prompt, {.names = "-p,--n-prompt",
                           .help = "lengths of prompts, separated by commas (default 512);\n0: none",
                           .value = "LIST",
                           .group = kScoringGroup});
  line.add(choice.generate, {.names = "-n,--n-gen",
                             .help = "numbers of generated tokens (default 128); 0: none",
                             .value = "LIST",
                             .group = kScoringGroup});
  line.add(choice.depth, {.names = "-d,--n-depth",
                          .help = "tokens that the cache already holds (default 0)",
                          .value = "LIST",
                          .group = kScoringGroup});
  line.add(choice.options.repetitions, {.names = "-r,--repetitions",
                                        .help = "of each test, after one that does not count (default 5)",
                                        .value = "N",
                                        .group = kScoringGroup,
                                        .check = whole_number(1, 10000)});
  line.add(choice.weights.list,
           {.names = "--weights",
            .help = "codecs ('tq codecs') for the matrices of the layers,\nseparated by commas; 'file' "
                    "is what the file has\n(default: file, or f16 with --synthetic)",
            .value = "LIST",
            .group = kCompressionGroup});
  add_tensor_type_option(line, choice.weights.tensor_types);
  choice.plan.add_to(line);
  choice.cache.add_to(line, "cache specs, separated by commas (default f16)");
  line.add(choice.options.batch, {.names = "-b,--batch-size",
                                  .help = "tokens of a prompt per forward pass (default 512)",
                                  .value = "N",
                                  .group = kEngineGroup,
                                  .check = whole_number(1, 1 << 20)});
  choice.engine.add_all_to(line);
  line.add(choice.format, {.names = "-o,--output",
                           .help = "md, json, jsonl or csv on standard output (default md)",
                           .value = "FORMAT",
                           .group = kOutputGroup});
  add_json_option(line, choice.json);
}

Result<std::vector<std::size_t>> numbers(const std::string& list, const char* option) {
  const Result<std::vector<std::string>> items = split_list(list, option);
  if (!items) return std::unexpected(items.error());
  std::vector<std::size_t> values;
  for (const std::string& item : *items) {
    if (const std::string problem = whole_number(0, 1 << 28)(item); !problem.empty())
      return fail(ErrorCode::kUsage, fmt::format("{}: {}", option, problem));
    std::from_chars(item.data(), item.data() + item.size(), values.emplace_back());
  }
  return values;
}

using Format = std::string (*)(const std::vector<BenchRow>&);

Result<Format> format_of(const std::string& name) {
  if (name == "md") return bench_markdown;
  if (name == "json") return bench_json;
  if (name == "jsonl") return bench_jsonl;
  if (name == "csv") return bench_csv;
  return fail(ErrorCode::kUsage, fmt::format("-o: there is no format '{}'; there are md, json, jsonl and csv", name));
}

Result<void> complete_options(BenchChoice& choice) {
  const auto take = [](Result<std::vector<std::size_t>> list, std::vector<std::size_t>& target) -> Result<void> {
    if (!list) return std::unexpected(list.error());
    target = std::move(*list);
    return {};
  };
  if (Result<void> taken = take(numbers(choice.prompt, "-p"), choice.options.prompt); !taken) return taken;
  if (Result<void> taken = take(numbers(choice.generate, "-n"), choice.options.generate); !taken) return taken;
  if (Result<void> taken = take(numbers(choice.depth, "-d"), choice.options.depth); !taken) return taken;
  if (!choice.synthetic.empty() && !choice.model.path.empty())
    return fail(ErrorCode::kUsage, "--synthetic and -m exclude each other: one model is measured");
  choice.options.threads = choice.engine.thread_count();
  choice.options.batch_threads = choice.engine.batch_thread_count();
  choice.options.bound_threads = choice.engine.bound == 1;
  choice.engine.explain();
  return check_json_path(choice.json);
}

struct Levels {
  std::vector<std::string> weights;
  std::vector<CacheSpec> caches;
};

Result<Levels> levels_of(const BenchChoice& choice) {
  Levels levels;
  Result<std::vector<CacheSpec>> caches = choice.cache.specs("f16");
  if (!caches) return fail(std::move(caches));
  Result<std::vector<std::string>> weights =
      split_list(choice.weights.list.empty() ? "file" : choice.weights.list, "--weights");
  if (!weights) return fail(std::move(weights));
  std::vector<std::string> planned;  // a cache
  if (Result<void> added = choice.plan.add_levels(choice.weights, *weights, choice.cache, planned); !added)
    return std::unexpected(added.error());
  if (!planned.empty()) {
    Result<CacheSpec> spec = read_cache_spec(planned.front());
    if (!spec) return fail(std::move(spec));
    if (!choice.cache.given()) caches->clear();
    caches->push_back(std::move(*spec));
  }
  for (const std::string& name : *weights) {
    if (const Result<void> known = check_weights(name == "file" ? "" : name); !known)
      return std::unexpected(known.error());
  }
  return Levels{std::move(*weights), std::move(*caches)};
}

/// Random weights have rules for what stands outside the layers alone.
Result<std::shared_ptr<const Model>> load_synthetic(const std::string& shape, const std::string& weights) {
  const WeightsText text = split_weights(weights);
  std::string outside;
  for (const TensorTypeRule& rule : text.rules) {
    const Result<TensorRules> one = TensorRules::compile({rule});
    if (!one) return std::unexpected(one.error());
    if (!one->type_of("token_embd.weight") && !one->type_of("output.weight"))
      return fail(ErrorCode::kUsage, fmt::format("--tensor-type {}={}: --synthetic takes it for token_embd.weight and "
                                                 "output.weight, which are of one type there",
                                                 rule.pattern, rule.type));
    if (rule.type != "keep") outside = rule.type;
  }
  return make_synthetic_model(shape, text.type, outside);
}

/// `weights`: empty for what the file has.
Result<std::shared_ptr<const Model>> load(const BenchChoice& choice, const std::shared_ptr<const TensorFile>& file,
                                          const std::string& weights) {
  if (!choice.synthetic.empty()) return load_synthetic(choice.synthetic, weights);
  return load_compressed(file, weights, choice.options.threads, choice.engine.place());
}

Result<std::vector<BenchRow>> run(const BenchChoice& choice, const std::vector<std::string>& weights,
                                  const std::vector<CacheSpec>& caches) {
  std::shared_ptr<const TensorFile> file;
  if (choice.synthetic.empty()) {
    auto opened = choice.model.open();
    if (!opened) return std::unexpected(opened.error());
    file = *opened;
  }
  std::vector<BenchRow> rows;
  for (const std::string& name : weights) {
    auto model = load(choice, file, name == "file" ? "" : name);
    if (!model) return std::unexpected(model.error());
    std::vector<CacheSpec> chosen = caches;
    const AutomaticCache automatic = choose_caches(chosen, **model);
    ProgressBar bar("bench");
    Result<std::vector<BenchRow>> measured =
        bench(std::move(*model), chosen, choice.options, [&](std::uint64_t done, std::uint64_t total) {
          bar.update(done, total);
          return !interrupted();
        });
    if (!measured) return measured;
    for (BenchRow& row : *measured) automatic.note_in(row);
    rows.insert(rows.end(), measured->begin(), measured->end());
  }
  return rows;
}

}  // namespace

Result<void> bench_command(const Arguments& arguments) {
  CommandLine line({.name = "bench",
                    .summary = "how fast prompts are read and tokens generated, as llama-bench measures it",
                    .usage = "[-m MODEL | --synthetic NAME] [options]",
                    .examples = {"-m model.gguf -p 512 -n 128 -d 0,8192 --kv f16,tq4",
                                 "--synthetic llama-3.2-1b --weights q4_0,tq4,tq3 -o json"}});
  BenchChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> completed = complete_options(choice); !completed) return completed;
  const Result<Format> format = format_of(choice.format);
  if (!format) return std::unexpected(format.error());
  const Result<Levels> levels = levels_of(choice);
  if (!levels) return std::unexpected(levels.error());
  const Result<std::vector<BenchRow>> rows = run(choice, levels->weights, levels->caches);
  if (!rows) return std::unexpected(rows.error());
  if (choice.json != "-") {
    const std::string text = (*format)(*rows);
    fmt::print("{}{}", text, text.empty() || text.ends_with('\n') ? "" : "\n");
  }
  return choice.json.empty() ? Result<void>{} : write_json(bench_json(*rows), choice.json);
}

}  // namespace tq::cli
