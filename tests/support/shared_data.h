// Where tests find the data that is not part of the project.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace tq::test {

inline std::filesystem::path shared_data(const std::string& relative) {
  return std::filesystem::path(TQ_SHARED_DATA) / relative;
}
inline std::filesystem::path pycoder() { return std::filesystem::path(TQ_SOURCE_DIR) / "models/pycoder"; }

}  // namespace tq::test

/// Skips the test, with a clear word, where ../shared/data does not hold `relative`.
#define TQ_NEEDS_SHARED_DATA(relative)                                                       \
  if (!std::filesystem::exists(tq::test::shared_data(relative))) {                           \
    GTEST_SKIP() << "needs ../shared/data/" << relative << ", which is not on this machine"; \
  }
