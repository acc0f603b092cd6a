// One line on standard error that says how far long work is.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tq::cli {

/// What is counted.
enum class Counted { kItems, kBytes };

/// Shows nothing where standard error is not a terminal. At most ten updates a second; erased by the destructor.
class ProgressBar {
 public:
  explicit ProgressBar(std::string label, Counted counted = Counted::kItems);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(std::uint64_t done, std::uint64_t total);
  void clear();  ///< before other output

 private:
  std::string label_;
  Counted counted_;
  bool visible_ = false, drawn_ = false;
  std::chrono::steady_clock::time_point started_, last_drawn_;
};

/// The line itself, at most `columns` wide: `eval  [#####---------------]  27 %   60/216   0:12 left`.
std::string progress_line(const std::string& label, std::uint64_t done, std::uint64_t total, double seconds,
                          std::size_t columns, Counted counted = Counted::kItems);

}  // namespace tq::cli
