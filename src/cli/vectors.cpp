// tq vectors: what each codec costs on plain vectors.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"
#include "turboquant/vectors.h"

namespace tq::cli {
namespace {

struct VectorsChoice {
  std::string input, queries, codecs = "f16,q8_0,q4_0,tq8,tq4,tq3,tq2,tq1", k = "1,10,100", json;
  std::size_t max_rows = 0;
  VectorsOptions options;
};

void add_options(CommandLine& line, VectorsChoice& choice) {
  line.add(choice.input, {.names = "--input",
                          .help = ".npy, .fvecs, .bvecs or MNIST's idx, also .gz",
                          .value = "FILE",
                          .group = kInputGroup});
  line.add(choice.queries, {.names = "--queries",
                            .help = "vectors to look for (default: the vectors\nthemselves, each among the others)",
                            .value = "FILE",
                            .group = kInputGroup});
  line.add(choice.max_rows, {.names = "--rows",
                             .help = "use the first N vectors (default: all)",
                             .value = "N",
                             .group = kInputGroup,
                             .check = whole_number(0, 1LL << 40)});
  line.add(choice.codecs, {.names = "--codec",
                           .help = "codecs ('tq codecs'), separated by commas\n(default " + choice.codecs + ")",
                           .value = "LIST",
                           .group = kCompressionGroup});
  line.add(choice.k, {.names = "-k",
                      .help = "recall: is the nearest among the k best? (default 1,10,100)",
                      .value = "LIST",
                      .group = kScoringGroup});
  line.add(choice.options.max_queries, {.names = "--max-queries",
                                        .help = "at most so many queries (default 1000)",
                                        .value = "N",
                                        .group = kScoringGroup,
                                        .check = whole_number(1, 1LL << 40)});
  line.add(choice.options.seed, {.names = "-s,--seed",
                                 .help = "seed of the rotations (default 1)",
                                 .value = "N",
                                 .group = kScoringGroup,
                                 .check = whole_number(0, INT64_MAX)});
  add_json_option(line, choice.json);
}

Result<void> complete_options(VectorsChoice& choice) {
  if (choice.input.empty()) return fail(ErrorCode::kUsage, "name the vectors: --input FILE");
  const Result<std::vector<std::string>> codecs = split_list(choice.codecs, "--codec");
  if (!codecs) return std::unexpected(codecs.error());
  choice.options.codecs = *codecs;
  for (const std::string& name : *codecs) {
    if (const Result<CodecSpec> spec = CodecSpec::parse(name); !spec) {
      return fail(spec.error().code, fmt::format("--codec: {}", spec.error().message));
    }
  }
  const Result<std::vector<std::string>> numbers = split_list(choice.k, "-k");
  if (!numbers) return std::unexpected(numbers.error());
  choice.options.k.clear();
  for (const std::string& text : *numbers) {
    if (const std::string problem = whole_number(1, 1'000'000)(text); !problem.empty())
      return fail(ErrorCode::kUsage, "-k: " + problem);
    std::size_t k = 0;
    std::from_chars(text.data(), text.data() + text.size(), k);
    choice.options.k.push_back(k);
  }
  return check_json_path(choice.json);
}

}  // namespace

Result<void> vectors_command(const Arguments& arguments) {
  CommandLine line({.name = "vectors",
                    .summary = "what each codec costs on plain vectors: error, bias, recall, speed",
                    .usage = "--input FILE [options]",
                    .examples = {"--input embeddings.npy --codec tq4,tq3,tq2,q4_0",
                                 "--input base.fvecs --queries query.fvecs -k 1,10,100",
                                 "--input t10k-images-idx3-ubyte.gz --json mnist.json"}});
  VectorsChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> completed = complete_options(choice); !completed) return completed;

  const Result<VectorSet> data = read_vectors(choice.input, choice.max_rows);
  if (!data) return std::unexpected(data.error());
  const Result<VectorSet> queries =
      choice.queries.empty() ? Result<VectorSet>(VectorSet{}) : read_vectors(choice.queries);
  if (!queries) return std::unexpected(queries.error());
  ProgressBar bar("vectors");
  const Result<VectorsReport> report =
      evaluate_vectors(*data, *queries, std::filesystem::path(choice.input).filename().string(), choice.options,
                       [&](std::uint64_t done, std::uint64_t total) {
                         bar.update(done, total);
                         return !interrupted();
                       });
  if (!report) return std::unexpected(report.error());
  if (choice.json != "-") fmt::print("{}", to_table(*report));
  return choice.json.empty() ? Result<void>{} : write_json(to_json(*report), choice.json);
}

}  // namespace tq::cli
