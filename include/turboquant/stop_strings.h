// Texts that end a generation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tq {

/// A text comes in pieces and goes out again up to the first stop string, which is left out. What could become one
/// waits. Not thread-safe.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> strings);

  /// What can be shown now. Nothing comes after a stop.
  std::string put(std::string_view piece);
  /// What still waits, at the end of a text that no stop string ended.
  std::string finish();

  bool stopped() const { return !found_.empty(); }
  const std::string& found() const { return found_; }  ///< the string that ended the text

 private:
  std::vector<std::string> strings_;
  std::string waiting_, found_;
};

}  // namespace tq
