// Runs the program as a user does: its own process, its own streams, an exit code.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace tq::test {

enum class Stream { kNone, kOut, kErr };

struct RunOptions {
  std::filesystem::path folder = {};          ///< where to run; empty: here
  std::vector<std::string> environment = {};  ///< `NAME=value`, added to our own
  std::string input = {};                     ///< standard input
  Stream terminal = Stream::kNone;            ///< the output that is a terminal instead of a file
  std::string out_device = {};                ///< opened as standard output, such as /dev/full
  bool out_is_closed_pipe = false;            ///< a pipe whose reader has gone
};

struct Outcome {
  int exit_code = -1;  ///< -1 when a signal ended it
  int signal = 0;
  std::string out, err;
};

/// Runs `tq` with these arguments to its end.
Outcome tq(const std::vector<std::string>& arguments, const RunOptions& options = {});

/// Runs `tq` until `words` appear on standard error, sends it `signal`, and waits for its end.
Outcome tq_interrupted(const std::vector<std::string>& arguments, const std::string& words, int signal,
                       const RunOptions& options = {});

/// Runs `tq`, kills it with SIGKILL `wait_ms` after the file `path` has appeared, and waits for its end.
Outcome tq_killed(const std::vector<std::string>& arguments, const std::filesystem::path& path, int wait_ms);

/// An empty folder for one test, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::string write(const std::string& name, const std::string& contents) const;  ///< its path
  std::size_t count_files() const;

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::filesystem::path& path);

}  // namespace tq::test
