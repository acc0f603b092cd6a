#include "cli/python_check.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

extern char** environ;

namespace tq::cli {
namespace {

constexpr const char* kScript = R"(
import ast, json, re, sys
task = json.load(sys.stdin)
heads = list(re.finditer(r'^(?:async def|def|class)\b', task['prompt'], re.M))
prompt = task['prompt'][heads[-1].start():] if heads else task['prompt']
def parses(text):
    lines = text.splitlines(keepends=True)
    ended = next((i for i, line in enumerate(lines) if (i > 0 or prompt.endswith('\n')) and line[:1].strip() and line[0] not in ')]}#'), None)
    if heads and ended is not None:
        lines = lines[:ended]
    elif lines and not lines[-1].endswith('\n'):
        lines.pop()
    try:
        ast.parse(prompt + ''.join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(''.join(lines).strip())
print(json.dumps([parses(text) for text in task['texts']]))
)";

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using TemporaryFile = std::unique_ptr<std::FILE, CloseFile>;

Error no_python(const char* why) { return {ErrorCode::kFailed, std::string("--check-python: ") + why}; }

/// The child's exit status; -1 when it had to be stopped.
int wait_for(pid_t child) {
  constexpr int kTries = 2000;  // of 10 ms
  int status = 0;
  for (int i = 0; i < kTries; ++i) {
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return -1;
}

/// Files on both sides, not pipes: nobody waits for anybody, and an early end of the child is no signal.
int run_python(std::FILE* in, std::FILE* out) {
  std::array<std::string, 4> words = {"python3", "-I", "-c", kScript};
  std::array<char*, 5> arguments = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", 1, 0);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, "python3", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return failed != 0 ? -2 : wait_for(child);
}

}  // namespace

Result<std::vector<bool>> python_parses(std::string_view prompt, std::span<const std::string> texts) {
  nlohmann::json task = {{"prompt", prompt}, {"texts", nlohmann::json::array()}};
  for (const std::string& text : texts) task["texts"].push_back(text);
  const std::string input = task.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  const TemporaryFile in(std::tmpfile()), out(std::tmpfile());
  if (!in || !out || std::fwrite(input.data(), 1, input.size(), in.get()) != input.size() || std::fflush(in.get()) != 0)
    return std::unexpected(no_python("cannot write a temporary file"));
  std::rewind(in.get());
  const int status = run_python(in.get(), out.get());
  if (status == -2) return std::unexpected(no_python("there is no python3 on this machine"));
  std::rewind(out.get());
  std::string answer(4 * texts.size() + 4096, '\0');
  answer.resize(std::fread(answer.data(), 1, answer.size(), out.get()));
  const nlohmann::json read = nlohmann::json::parse(answer, nullptr, false);
  if (status != 0 || !read.is_array() || read.size() != texts.size())
    return std::unexpected(no_python("python3 gave no answer"));
  std::vector<bool> parses;
  for (const nlohmann::json& one : read) parses.push_back(one.is_boolean() && one.get<bool>());
  return parses;
}

}  // namespace tq::cli
