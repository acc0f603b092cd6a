// One line on standard error that says how far long work is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tq::cli {

/// Shows nothing where standard error is not a terminal. At most ten updates a second; erased by the destructor.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(std::uint64_t done, std::uint64_t total);

 private:
  std::string label_;
  bool visible_ = false, drawn_ = false;
  std::chrono::steady_clock::time_point started_, last_drawn_;
};

/// The line itself, at most `columns` wide: `eval  [#####---------------]  27 %   60/216   0:12 left`.
std::string progress_line(const std::string& label, std::uint64_t done, std::uint64_t total, double seconds,
                          std::size_t columns);

}  // namespace tq::cli
