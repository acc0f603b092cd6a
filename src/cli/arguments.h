// Reading a command's arguments: CLI11 behind the manners of this program.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "turboquant/result.h"

namespace tq::cli {

/// Spells llama.cpp's options of one dash and several letters (`-ngl 99`, `-ctk=tq4`) with two dashes, as CLI11 wants
/// them. What follows -p, --prompt or --text is text and stays as it is; so does everything after `--`.
Arguments rewrite_long_options(Arguments arguments);

/// The items of `a,b,c`. kUsage, naming `option`, when one is empty.
Result<std::vector<std::string>> split_list(std::string_view text, std::string_view option);

/// The candidate that `word` was probably meant to be; empty when none is close.
std::string close_match(std::string_view word, const std::vector<std::string>& candidates);

/// A check for CLI11 options: a whole number from `lowest` to `highest`.
std::function<std::string(const std::string&)> whole_number(long long lowest, long long highest);
/// A check for CLI11 options: a finite number from `lowest` to `highest`.
std::function<std::string(const std::string&)> number(double lowest, double highest);

/// Titles of the groups that options are shown in, in this order.
inline constexpr const char* kInputGroup = "input";
inline constexpr const char* kGenerationGroup = "generation";
inline constexpr const char* kScoringGroup = "scoring";
inline constexpr const char* kCompressionGroup = "compression";
inline constexpr const char* kEngineGroup = "engine";
inline constexpr const char* kLlamaGroup = "as llama.cpp spells it";
inline constexpr const char* kOutputGroup = "output";
/// The group of options that the help does not show.
inline constexpr const char* kHidden = "";

/// What the help of a command says around its options.
struct CommandHelp {
  std::string name, summary, usage;
  std::vector<std::string> examples;
};

/// One command's options. Add them to `app`, then parse. The last of a repeated option counts.
class CommandLine {
 public:
  explicit CommandLine(const CommandHelp& help);

  /// False: help was asked for and printed; the command is done. kUsage with one sentence for anything that is not
  /// understood.
  Result<bool> parse(const Arguments& arguments);

  CLI::App app;

 private:
  Error unknown(const std::string& argument) const;

  std::string name_;
};

}  // namespace tq::cli
