// Reading a command's arguments: CLI11 behind the manners of this program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "turboquant/result.h"

namespace CLI {
class App;
}

namespace tq::cli {

/// Spells llama.cpp's options of one dash and several letters (`-ngl 99`, `-ctk=tq4`) with two dashes, as CLI11 wants
/// them. What follows -p, --prompt or --text is text and stays as it is; so does everything after `--`.
Arguments rewrite_long_options(Arguments arguments);

/// The items of `a,b,c`. kUsage, naming `option`, when one is empty.
Result<std::vector<std::string>> split_list(std::string_view text, std::string_view option);

/// Says in one sentence what is wrong with an option's value; empty when nothing is.
using Check = std::function<std::string(const std::string&)>;
/// A whole number from `lowest` to `highest`.
Check whole_number(long long lowest, long long highest);
/// A finite number from `lowest` to `highest`.
Check number(double lowest, double highest);

/// Titles of the groups that options are shown in, in this order.
inline constexpr const char* kInputGroup = "input";
inline constexpr const char* kGenerationGroup = "generation";
inline constexpr const char* kChatGroup = "conversation";
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

/// An option, as people type and read it.
struct OptionText {
  std::string names;  ///< "-c,--ctx-size"; without a dash it is an argument that stands alone
  std::string help = {};
  std::string value = {};  ///< what the help calls its value
  const char* group = kHidden;
  Check check = {};
  bool value_optional = false;
};

/// One command's options. Add them, then parse. The last of a repeated option counts.
class CommandLine {
 public:
  explicit CommandLine(const CommandHelp& help);
  ~CommandLine();

  /// `target` keeps its value unless the option is given, and must outlive parse(). T: std::string, int, std::size_t,
  /// long long, float, double or optional double; bool for a flag without a value; a vector of strings takes every
  /// argument that stands alone or, with a dash, the value of every time that the option is given.
  template <typename T>
  void add(T& target, const OptionText& text);

  /// False: help was asked for and printed; the command is done. kUsage with one sentence for anything that is not
  /// understood.
  Result<bool> parse(const Arguments& arguments);

  /// After parse(): was the option of this long name on the command line?
  bool was_given(const std::string& name) const;

 private:
  Error unknown(const std::string& argument) const;

  std::unique_ptr<CLI::App> app_;  // CLI11 takes 10 s to compile, so that one file alone reads it
  std::string name_;
};

}  // namespace tq::cli
