#include "cli/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

extern char** environ;

namespace tq::test {
namespace {

int memory_file(const std::string& contents = "") {
  const int descriptor = memfd_create("stream", MFD_CLOEXEC);
  EXPECT_EQ(write(descriptor, contents.data(), contents.size()), static_cast<ssize_t>(contents.size()));
  lseek(descriptor, 0, SEEK_SET);
  return descriptor;
}

std::string contents_of(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  off_t offset = 0;
  for (ssize_t count = 0; (count = pread(descriptor, buffer.data(), buffer.size(), offset)) > 0; offset += count) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

/// The three streams of a child, and the side of a terminal that we read.
struct Streams {
  int in = -1, out = -1, err = -1, terminal = -1;
};

Streams open_streams(const RunOptions& options) {
  Streams streams{.in = memory_file(options.input), .out = memory_file(), .err = memory_file()};
  if (!options.out_device.empty()) {
    close(streams.out);
    streams.out = open(options.out_device.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (options.out_is_closed_pipe) {
    close(streams.out);
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    close(ends[0]);
    streams.out = ends[1];
  }
  if (options.terminal != Stream::kNone) {
    streams.terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    EXPECT_EQ(grantpt(streams.terminal), 0);
    EXPECT_EQ(unlockpt(streams.terminal), 0);
    int& replaced = options.terminal == Stream::kOut ? streams.out : streams.err;
    close(replaced);
    replaced = open(ptsname(streams.terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  return streams;
}

pid_t start(const std::vector<std::string>& arguments, const RunOptions& options, const Streams& streams) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, streams.in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, streams.out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, streams.err, STDERR_FILENO);
  if (!options.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());

  std::vector<char*> argv = {const_cast<char*>(TQ_BINARY)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& entry : options.environment) environment.push_back(const_cast<char*>(entry.c_str()));
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(nullptr);

  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, TQ_BINARY, &actions, nullptr, argv.data(), environment.data()), 0) << TQ_BINARY;
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

/// A terminal ends with an error when its last writer has gone.
std::string read_terminal(int terminal) {
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t count = 0; (count = read(terminal, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

Outcome finish(pid_t child, const Streams& streams, const RunOptions& options) {
  Outcome outcome;
  if (options.terminal != Stream::kNone) {
    const bool out = options.terminal == Stream::kOut;
    close(out ? streams.out : streams.err);
    (out ? outcome.out : outcome.err) = read_terminal(streams.terminal);
    close(streams.terminal);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  close(streams.in);
  if (options.terminal != Stream::kOut) {
    outcome.out = contents_of(streams.out);
    close(streams.out);
  }
  if (options.terminal != Stream::kErr) {
    outcome.err = contents_of(streams.err);
    close(streams.err);
  }
  return outcome;
}

}  // namespace

Outcome tq(const std::vector<std::string>& arguments, const RunOptions& options) {
  const Streams streams = open_streams(options);
  return finish(start(arguments, options, streams), streams, options);
}

Outcome tq_interrupted(const std::vector<std::string>& arguments, const std::string& words, int signal,
                       const RunOptions& options) {
  const Streams streams = open_streams(options);
  const pid_t child = start(arguments, options, streams);
  // waitid leaves a child that ended by itself for finish(), and its end is the failure that the caller sees.
  siginfo_t ended{};
  std::string shown;  // what a terminal got so far; it is read only once
  const bool terminal = options.terminal == Stream::kErr;
  if (terminal) fcntl(streams.terminal, F_SETFL, O_NONBLOCK);
  while ((terminal ? shown += read_terminal(streams.terminal) : contents_of(streams.err)).find(words) ==
         std::string::npos) {
    if (waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == child)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(child, signal);
  if (terminal) fcntl(streams.terminal, F_SETFL, 0);
  Outcome outcome = finish(child, streams, options);
  outcome.err.insert(0, shown);
  return outcome;
}

Outcome tq_killed(const std::vector<std::string>& arguments, const std::filesystem::path& path, int wait_ms) {
  const RunOptions options;
  const Streams streams = open_streams(options);
  const pid_t child = start(arguments, options, streams);
  siginfo_t ended{};
  while (!std::filesystem::exists(path)) {
    if (waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == child)
      break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
  kill(child, SIGKILL);
  return finish(child, streams, options);
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tq_test_XXXXXX").string();
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& contents) const {
  std::ofstream(path_ / name, std::ios::binary) << contents;
  return (path_ / name).string();
}

std::size_t TemporaryFolder::count_files() const {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator{}));
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace tq::test
