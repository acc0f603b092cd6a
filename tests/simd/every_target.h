// The kernels of every CPU target that runs here.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "simd/kernels.h"

namespace tq::test {

inline std::vector<const Kernels*> all_targets() {
  const Kernels* const* tables = nullptr;
  const std::size_t count = available_kernels(&tables);
  return {tables, tables + count};
}

inline const Kernels& scalar() { return *all_targets().back(); }

/// A buffer that ends where the allocation ends, so that the sanitizer sees a read or write beyond.
template <class T>
std::vector<T> exactly(const std::vector<T>& values, std::size_t n) {
  return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n)};
}

/// kernels_test.cpp instantiates it, for the tests of all files.
class EveryTarget : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& simd() const { return *GetParam(); }
};

}  // namespace tq::test
