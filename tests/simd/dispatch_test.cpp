#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "simd/kernels.h"

namespace tq {
namespace {

// A suite that was started for a target and silently ran another one would pass for the wrong reason.
TEST(Dispatch, the_target_that_TQ_SIMD_names_is_the_one_that_runs) {
  const char* forced = std::getenv("TQ_SIMD");
  if (forced == nullptr || *forced == '\0') GTEST_SKIP() << "needs TQ_SIMD; ./dev test runs the suite once for each target";
  EXPECT_STREQ(kernels_error(), "");
  EXPECT_STREQ(kernels().name, forced);
}

TEST(Dispatch, the_last_target_is_scalar_and_runs_everywhere) {
  const Kernels* const* tables = nullptr;
  const std::size_t count = available_kernels(&tables);
  ASSERT_GE(count, 1U);
  EXPECT_STREQ(tables[count - 1]->name, "scalar");
}

TEST(Dispatch, without_TQ_SIMD_the_best_target_runs) {
  if (const char* forced = std::getenv("TQ_SIMD"); forced != nullptr && *forced != '\0') GTEST_SKIP() << "TQ_SIMD is set";
  const Kernels* const* tables = nullptr;
  available_kernels(&tables);
  EXPECT_STREQ(kernels().name, tables[0]->name);
}

}  // namespace
}  // namespace tq
