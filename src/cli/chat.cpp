#include "cli/chat.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/conversation.h"
#include "cli/files.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/printable.h"

namespace tq::cli {
namespace {

constexpr std::string_view kHelp =
    R"(/help            this
/clear, /reset   forget the conversation, but not the system message
/system TEXT     what the model is told before the conversation; without TEXT nothing
/save FILE       write the conversation as JSON
/load FILE       go on with a conversation that /save wrote
/exit, /quit     leave; so does Ctrl-D, and Ctrl-C twice
A line that ends with \ goes on in the next one; // begins a message with a slash. Ctrl-C ends an answer.
)";

/// The dialogue with the user, around a conversation with the model.
class Chat {
 public:
  Chat(const RunChoice& choice, Conversation& conversation)
      : choice_(choice), conversation_(conversation), is_terminal_(isatty(STDIN_FILENO) == 1) {}

  Result<void> run() {
    if (is_terminal_) fmt::print(stderr, "tq: /help lists the commands, Ctrl-C ends an answer, Ctrl-D leaves\n");
    if (choice_.has_prompt || !choice_.file.empty()) {
      const Result<std::string> first = read_prompt(choice_);
      if (!first) return std::unexpected(first.error());
      if (Result<void> answered = answer(*first); !answered) return answered;
    }
    while (!left_) {
      const Result<std::optional<std::string>> line = read_message();
      if (!line && line.error().code == ErrorCode::kInterrupted && stays_after_interrupt()) continue;
      if (!line) return std::unexpected(line.error());
      if (!*line) break;
      asked_to_leave_ = false;
      if (Result<void> done = handle(**line); !done) return done;
    }
    return {};
  }

 private:
  /// A message may take several lines on a terminal.
  Result<std::optional<std::string>> read_message() {
    std::string message;
    while (true) {
      if (is_terminal_) fmt::print(stderr, "{}", message.empty() ? "> " : "  ");
      Result<std::optional<std::string>> line = reader_.next();
      if (!line) return line;
      if (!*line) {
        if (is_terminal_) fmt::print(stderr, "\n");
        return message.empty() ? std::move(*line) : std::optional(message);
      }
      message += **line;
      if (!is_terminal_ || !message.ends_with('\\')) return std::optional(message);
      message.back() = '\n';
    }
  }

  /// The terminal has dropped what was typed, so an empty prompt cannot be told from another: the second one leaves.
  bool stays_after_interrupt() {
    forget_interrupt();
    if (!is_terminal_ || std::exchange(asked_to_leave_, true)) return false;
    fmt::print(stderr, "\ntq: Ctrl-C again leaves\n");
    return true;
  }

  Result<void> handle(const std::string& line) {
    if (line.starts_with("//")) return answer(line.substr(1));
    if (line.starts_with('/')) return obey(line);
    return line.find_first_not_of(" \t\n") == std::string::npos ? Result<void>{} : answer(line);
  }

  /// On a terminal people read what is wrong and go on; otherwise it ends the program.
  Result<void> report(Result<void> result) const {
    if (result || !is_terminal_) return result;
    fmt::print(stderr, "tq: {}\n", one_line(result.error().message));
    return {};
  }

  Result<void> answer(const std::string& message) {
    Result<void> answered = conversation_.answer(message);
    const bool stopped = interrupted();
    forget_interrupt();
    if (stopped) fmt::print(stderr, "tq: stopped\n");
    if (!answered && answered.error().code == ErrorCode::kInterrupted) return {};
    return report(std::move(answered));
  }

  void say(std::string_view text) const {
    if (is_terminal_) fmt::print(stderr, "tq: {}\n", text);
  }

  Result<void> obey(const std::string& line) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, space);
    const std::size_t begin = line.find_first_not_of(' ', space);
    const std::string rest = begin == std::string::npos ? "" : line.substr(begin);
    if (name == "/help") {
      fmt::print(stderr, "{}", kHelp);
    } else if (name == "/clear" || name == "/reset") {
      conversation_.clear();
      say("the conversation is forgotten");
    } else if (name == "/system") {
      conversation_.set_system(rest);
      say(rest.empty() ? "there is no system message now" : "the system message is set");
    } else if (name == "/save") {
      return report(save(rest));
    } else if (name == "/load") {
      return report(load(rest));
    } else if (name == "/exit" || name == "/quit") {
      left_ = true;
    } else {
      return report(unknown(name));
    }
    return {};
  }

  static Result<void> unknown(const std::string& name) {
    const std::string guess =
        close_match(name, {"/help", "/clear", "/reset", "/system", "/save", "/load", "/exit", "/quit"});
    return fail(ErrorCode::kUsage, fmt::format("there is no command '{}'; {}", name,
                                               guess.empty() ? "/help lists them, and // begins a message with a slash"
                                                             : fmt::format("did you mean '{}'?", guess)));
  }

  Result<void> save(const std::string& path) const {
    if (path.empty()) return fail(ErrorCode::kUsage, "/save needs the name of a file");
    if (Result<void> writable = check_report_path(path, {.option = "/save", .name = "JSON", .beginnings = "{["});
        !writable)
      return writable;
    Result<void> saved = write_json(json_text(conversation_.to_json()), path);
    if (saved) say(fmt::format("saved to {}", one_line(path)));
    return saved;
  }

  Result<void> load(const std::string& path) const {
    if (path.empty() || path == "-") return fail(ErrorCode::kUsage, "/load needs the name of a file");
    const Result<std::string> text = read_text(path);
    if (!text) return std::unexpected(text.error());
    Result<void> loaded = conversation_.load(*text, path);
    if (loaded) say(fmt::format("loaded {}", one_line(path)));
    return loaded;
  }

  const RunChoice& choice_;
  Conversation& conversation_;
  LineReader reader_;
  bool is_terminal_, left_ = false, asked_to_leave_ = false;
};

}  // namespace

Result<void> chat(const RunChoice& choice) {
  Result<Conversation> conversation = Conversation::open(choice);
  if (!conversation) return fail(std::move(conversation));
  catch_every_interrupt();
  Result<void> done = Chat(choice, *conversation).run();
  if (!done && done.error().code != ErrorCode::kInterrupted) return done;
  conversation->print_statistics();
  if (!choice.save_cache.empty()) {
    if (Result<void> saved = conversation->session().save(choice.save_cache); !saved) return saved;
  }
  if (!choice.json.empty()) {
    if (Result<void> written = write_json(json_text(conversation->to_json()), choice.json); !written) return written;
  }
  return done;
}

}  // namespace tq::cli
