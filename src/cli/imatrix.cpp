// tq imatrix: which inputs of the linear layers matter on a text, in the format of llama-imatrix.
#include "turboquant/imatrix.h"

#include <fmt/format.h>

#include <filesystem>

#include "cli/choices.h"
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/progress_bar.h"

namespace tq::cli {
namespace {

struct ImatrixChoice {
  ModelChoice model;
  EngineChoice engine;
  std::string file, output;
  CalibrationText text;
  std::size_t chunks = 0;
  bool replace = false;
};

void add_options(CommandLine& line, ImatrixChoice& choice) {
  choice.model.add_to(line);
  line.add(choice.file, {.names = "-f,--file",
                         .help = "a text like what the model will read; - is standard input",
                         .value = "FILE",
                         .group = kInputGroup});
  line.add(choice.text.context, {.names = "-c,--ctx-size",
                                 .help = "window in tokens (default 512)",
                                 .value = "N",
                                 .group = kInputGroup,
                                 .check = whole_number(3, 1 << 20)});
  line.add(choice.chunks, {.names = "--chunks",
                           .help = "windows, spread over the text (default 0: all)",
                           .value = "N",
                           .group = kInputGroup,
                           .check = whole_number(0, 1 << 30)});
  choice.engine.add_to(line);
  line.add(choice.output,
           {.names = "-o,--output", .help = "the GGUF to write", .value = "FILE", .group = kOutputGroup});
  line.add(choice.replace, {.names = "--force", .help = "replace the output if it exists", .group = kOutputGroup});
}

Result<void> check(const ImatrixChoice& choice) {
  if (choice.file.empty() || choice.output.empty())
    return fail(ErrorCode::kUsage, "name a text and the file to write: tq imatrix -m MODEL -f TEXT -o FILE");
  std::error_code ignored;
  if (std::filesystem::exists(choice.output, ignored) && !choice.replace)
    return fail(ErrorCode::kUsage,
                fmt::format("{} exists; choose another name, or say that it may be replaced (--force)", choice.output));
  return {};
}

}  // namespace

Result<void> imatrix_command(const Arguments& arguments) {
  CommandLine line({.name = "imatrix",
                    .summary = "measure which inputs of a model's matrices matter on a text",
                    .usage = "-m MODEL -f TEXT -o FILE [options]",
                    .examples = {"-m model.gguf -f code.txt -o model.imatrix.gguf"}});
  ImatrixChoice choice;
  add_options(line, choice);
  const Result<bool> go_on = line.parse(arguments);
  if (!go_on) return std::unexpected(go_on.error());
  if (!*go_on) return {};
  if (Result<void> checked = check(choice); !checked) return checked;
  choice.engine.explain();
  const auto file = choice.model.open();
  if (!file) return std::unexpected(file.error());
  ProgressBar bar("imatrix");
  choice.text.progress = [&](std::size_t, std::uint64_t done, std::uint64_t total) {
    bar.update(done, total);
    return !interrupted();
  };
  const auto text = read_calibration(choice.file, **file, choice.model, choice.chunks, std::move(choice.text));
  if (!text) return std::unexpected(text.error());
  Result<ImportanceMatrix> matrix = measure_imatrix(**file, **text, choice.engine.thread_count());
  if (!matrix) return std::unexpected(matrix.error());
  bar.clear();
  matrix->text = choice.file;
  if (Result<void> written = write_imatrix(*matrix, static_cast<std::uint32_t>((*text)->context), choice.output);
      !written)
    return written;
  fmt::print(stderr, "{} matrices, {} tokens\n", matrix->squares.size(), matrix->tokens);
  return {};
}

}  // namespace tq::cli
