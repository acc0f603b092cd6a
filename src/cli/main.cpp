// tq: the table of commands, and the way from errors to exit codes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/printable.h"
#include "turboquant/session.h"

namespace tq::cli {
namespace {

struct Command {
  std::string_view name, summary;
  Result<void> (*run)(const Arguments&);
};

constexpr std::array kCommands = {
    Command{"info", "what a model file holds, and the memory it needs", info_command},
    Command{"run", "continue a text on compressed weights and a compressed cache", run_command},
    Command{"eval", "what compression costs, measured against the uncompressed model", eval_command},
    Command{"compare", "one prompt at every level of compression, side by side", compare_command},
    Command{"needle", "facts hidden in long texts, and whether they are still found", needle_command},
    Command{"report", "evaluations of several machines, models or texts in one page", report_command},
    Command{"bench", "how fast prompts are read and tokens generated", bench_command},
    Command{"quantize", "write a model with compressed weights to a file", quantize_command},
    Command{"plan", "which matrices and layers of the cache deserve how many bits", plan_command},
    Command{"imatrix", "which inputs of the matrices matter on a text, in llama.cpp's format", imatrix_command},
    Command{"export", "write a model as a plain GGUF for other programs", export_command},
    Command{"verify", "compare a file with its checksums", verify_command},
    Command{"tokenize", "the token ids of a text", tokenize_command},
    Command{"vectors", "what each codec costs on plain vectors", vectors_command},
    Command{"codecs", "the names of all codecs, and the true bits of each", codecs_command},
};

constexpr std::string_view kExamples =
    R"(tq: a language model's weights and KV cache at 1 to 9 bits, and what that costs

  tq eval --kv f16,q8_0,q4_0,tq4,tq3,tq2                 compare caches on the built-in model
  tq eval -m model.gguf -f wiki.test.raw --weights file,tq4 --kv f16,tq4
  tq run -p "def fibonacci(n):" --kv tq3                 generate with a 3-bit cache
  tq run -m model.gguf -f prompt.txt -n 256 --kv tq4:tq3
  tq compare --kv f16,q4_0,tq4,tq2 --html out.html       the same prompt at every level
  tq bench -m model.gguf -d 0,8192 --kv f16,tq4          speed
  tq quantize model.gguf model.tt4.gguf --type tt4       weights of 4 bits, in a file
  tq info model.gguf -c 32768                            memory at a context of 32768 tokens

commands
)";

void print_first_screen() {
  fmt::print("{}", kExamples);
  for (const Command& command : kCommands) fmt::print("  {:<10} {}\n", command.name, command.summary);
  fmt::print(
      "\n'tq COMMAND --help' explains the options, 'tq --version' tells the build; docs/ in the source has the "
      "rest.\n");
}

void print_version() {
#if defined(__clang__)
  constexpr const char* kCompiler = "Clang " __clang_version__;
#else
  constexpr const char* kCompiler = "GCC " __VERSION__;
#endif
  fmt::print("tq {}\ncompiler: {}, {}\nkernels: {} (TQ_SIMD=scalar|neon|neondot|avx2|avxvnni|avx512 forces others)\n", TQ_VERSION,
             kCompiler, TQ_BUILD_TYPE, simd_target());
}

Result<void> unknown_command(const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) names.emplace_back(command.name);
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  if (word.starts_with('-')) return fail(ErrorCode::kUsage, fmt::format("a command comes before '{}': {}", word, all));
  const std::string guess = close_match(word, names);
  return fail(ErrorCode::kUsage,
              fmt::format("there is no command '{}'; {}", word,
                          guess.empty() ? "there are " + all : fmt::format("did you mean '{}'?", guess)));
}

Result<void> dispatch(Arguments arguments) {
  if (arguments.size() > 1 && arguments[0] == "help") {
    arguments = {arguments[1], "--help"};
  }
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_first_screen();
    return {};
  }
  if (const std::string problem = simd_error(); !problem.empty()) return fail(ErrorCode::kUsage, problem);
  if (arguments[0] == "--version") {
    print_version();
    return {};
  }
  for (const Command& command : kCommands) {
    if (arguments[0] == command.name) return command.run({arguments.begin() + 1, arguments.end()});
  }
  return unknown_command(arguments[0]);
}

Result<void> guarded(const Arguments& arguments) try { return dispatch(arguments); } catch (const std::bad_alloc&) {
  return fail(ErrorCode::kOutOfMemory,
              "there is not enough memory; a shorter context (-c) or fewer bits (--kv, --weights) need less");
} catch (const std::exception& error) {
  return fail(ErrorCode::kFailed, error.what());
}

}  // namespace
}  // namespace tq::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // `tq … | head` ends quietly, even under a parent that ignores the signal
  tq::cli::watch_for_interrupt();
  tq::Result<void> result = tq::cli::guarded({argv + std::min(argc, 1), argv + argc});
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (result && !written)
    result = tq::fail(tq::ErrorCode::kFailed, "cannot write to standard output; is the disk full?");
  if (result) return 0;
  fmt::print(stderr, "tq: {}\n", tq::cli::one_line(result.error().message));
  return static_cast<int>(result.error().code);
}
