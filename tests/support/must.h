// The value of a Result in a test that cannot go on without it.
#pragma once

#include <stdexcept>
#include <utility>

#include "turboquant/result.h"

namespace tq::test {

/// Ends the test with the message of the error where `result` has none.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

inline void must(const Result<void>& result) {
  if (!result) throw std::runtime_error(result.error().message);
}

}  // namespace tq::test
