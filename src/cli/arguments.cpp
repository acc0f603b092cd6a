#include "cli/arguments.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "base/nearest.h"

namespace tq::cli {
namespace {

struct Spelling {
  std::string_view given, meant;
};

constexpr std::array kSpellings = {
    Spelling{"-ctk", "--cache-type-k"}, Spelling{"-ctv", "--cache-type-v"}, Spelling{"-fa", "--flash-attn"},
    Spelling{"-ngl", "--gpu-layers"},   Spelling{"-tb", "--threads-batch"}, Spelling{"-ub", "--ubatch-size"},
    Spelling{"-sys", "--system"},
};

/// What follows one of these is text, which may begin with a dash.
bool is_text_option(std::string_view argument) {
  constexpr std::array kOptions = {"-p", "--prompt", "--text",          "--system", "--system-prompt",
                                   "-r", "--stop",   "--reverse-prompt"};
  return std::ranges::find(kOptions, argument) != kOptions.end();
}

std::string rewritten(const std::string& argument) {
  for (const Spelling& spelling : kSpellings) {
    if (argument == spelling.given) return std::string(spelling.meant);
    if (argument.starts_with(spelling.given) && argument[spelling.given.size()] == '=') {
      return std::string(spelling.meant) + argument.substr(spelling.given.size());
    }
  }
  return argument;
}

/// Help for people: the purpose, one line of usage, examples, then the options in groups with two columns.
class HelpPage final : public CLI::Formatter {
 public:
  explicit HelpPage(const CommandHelp& help) : help_(help) { column_width(30); }

  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    std::string page =
        fmt::format("tq {}: {}\n\nusage: tq {} {}\n\n", help_.name, help_.summary, help_.name, help_.usage);
    for (const std::string& example : help_.examples) page += fmt::format("  tq {} {}\n", help_.name, example);
    for (const std::string group : {kInputGroup, kGenerationGroup, kChatGroup, kScoringGroup, kCompressionGroup,
                                    kEngineGroup, kLlamaGroup, kOutputGroup}) {
      const auto options = app->get_options([&](const CLI::Option* option) { return option->get_group() == group; });
      if (!options.empty()) page += make_group(group, false, options);
    }
    return page;
  }

  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string text = "\n" + group + "\n";
    for (const CLI::Option* option : options) text += make_option(option, is_positional);
    return text;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
  }

  /// A short name and the first long one, or the one of them that there is.
  std::string make_option_name(const CLI::Option* option, bool) const override {
    if (option->get_lnames().empty()) return "-" + option->get_snames().front();
    const std::string name = "--" + option->get_lnames().front();
    if (!option->get_snames().empty()) return fmt::format("-{}, {}", option->get_snames().front(), name);
    for (const Spelling& spelling : kSpellings) {
      if (spelling.meant == name) return fmt::format("{}, {}", spelling.given, name);
    }
    return name;
  }

 private:
  CommandHelp help_;
};

/// "-n/--predict", as a person may have typed either.
std::string both_names(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  return option == nullptr || option->get_snames().empty() ? name
                                                           : fmt::format("-{}/{}", option->get_snames().front(), name);
}

/// CLI11 says "--option: reason"; the reasons of our own checks are sentences, its own speak of types.
std::string sentence(const CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return text;
  const std::string option = both_names(app, text.substr(0, colon));
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) return option + " needs a value";
  return option + text.substr(colon);
}

}  // namespace

Arguments rewrite_long_options(Arguments arguments) {
  bool text_follows = false;
  for (std::string& argument : arguments) {
    if (argument == "--" && !text_follows) break;
    if (!text_follows) argument = rewritten(argument);
    text_follows = !text_follows && is_text_option(argument);
  }
  return arguments;
}

Result<std::vector<std::string>> split_list(std::string_view text, std::string_view option) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end == begin) {
      return fail(ErrorCode::kUsage,
                  fmt::format("{} '{}' has an empty item; write names separated by single commas", option, text));
    }
    items.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

std::string close_match(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string guess = nearest(word, candidates);
  const std::size_t tolerated = std::clamp<std::size_t>(word.size() / 3, 2, 4);  // beyond it a suggestion is a riddle
  return !guess.empty() && edit_distance(word.substr(0, 64), guess) <= tolerated ? guess : "";
}

Check whole_number(long long lowest, long long highest) {
  return [=](const std::string& text) -> std::string {
    long long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size() && value >= lowest && value <= highest) return "";
    return fmt::format("'{}' is not a whole number from {} to {}", text, lowest, highest);
  };
}

Check number(double lowest, double highest) {
  return [=](const std::string& text) -> std::string {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (whole && std::isfinite(value) && value >= lowest && value <= highest) return "";
    return fmt::format("'{}' is not a number from {} to {}", text, lowest, highest);
  };
}

CommandLine::CommandLine(const CommandHelp& help)
    : app_(std::make_unique<CLI::App>(help.summary, "tq " + help.name)), name_(help.name) {
  app_->formatter(std::make_shared<HelpPage>(help));
  app_->allow_extras();
  app_->allow_windows_style_options(false);
  app_->set_help_flag();  // parse() adds it as the last option
  app_->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

CommandLine::~CommandLine() = default;

template <typename T>
void CommandLine::add(T& target, const OptionText& text) {
  CLI::Option* option = nullptr;
  if constexpr (std::is_same_v<T, bool>) {
    option = app_->add_flag(text.names, target, text.help);
  } else {
    option = app_->add_option(text.names, target, text.help);
    if (!text.value.empty()) option->type_name(text.value);
  }
  if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    option->allow_extra_args(!text.names.starts_with('-'));  // what follows a value is no second one
  }
  if (text.check) option->check(text.check);
  if (text.value_optional) option->expected(0, 1);
  option->group(text.group);
}

template void CommandLine::add(std::string&, const OptionText&);
template void CommandLine::add(std::vector<std::string>&, const OptionText&);
template void CommandLine::add(bool&, const OptionText&);
template void CommandLine::add(int&, const OptionText&);
template void CommandLine::add(long long&, const OptionText&);
template void CommandLine::add(std::size_t&, const OptionText&);
template void CommandLine::add(float&, const OptionText&);
template void CommandLine::add(double&, const OptionText&);
template void CommandLine::add(std::optional<double>&, const OptionText&);

Result<bool> CommandLine::parse(const Arguments& arguments) {
  app_->set_help_flag("-h,--help", "print this and exit")->group(kOutputGroup);
  Arguments reversed = rewrite_long_options(arguments);
  std::reverse(reversed.begin(), reversed.end());  // CLI11 takes its arguments from the back
  try {
    app_->parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app_->help());
    return false;
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::kUsage,
                fmt::format("{}; 'tq {} --help' explains the options", sentence(*app_, error), name_));
  }
  for (const std::string& extra : app_->remaining()) {
    if (extra != "--") return std::unexpected(unknown(extra));
  }
  return true;
}

bool CommandLine::was_given(const std::string& name) const { return app_->count(name) > 0; }

Error CommandLine::unknown(const std::string& argument) const {
  const std::string more = fmt::format("'tq {} --help' lists what it takes", name_);
  if (!argument.starts_with('-')) {
    return {ErrorCode::kUsage, fmt::format("there is no use for '{}' in tq {}; {}", argument, name_, more)};
  }
  std::vector<std::string> known;
  for (const CLI::Option* option : app_->get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  }
  const std::string word = argument.substr(0, argument.find('='));
  const std::string guess = close_match(word, known);
  return {ErrorCode::kUsage, fmt::format("there is no option '{}' in tq {}; {}", word, name_,
                                         guess.empty() ? more : fmt::format("did you mean '{}'?", guess))};
}

}  // namespace tq::cli
