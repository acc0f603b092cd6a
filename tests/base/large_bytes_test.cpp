#include "base/large_bytes.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>

namespace tq::test {
namespace {

TEST(LargeBytes, begin_with_a_page_where_they_fill_one_and_can_be_written_to_the_last_byte) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4097}, kLargePage - 1, kLargePage, 3 * kLargePage + 5}) {
    const LargeBytes bytes = make_large_bytes(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.get()) % (size < kLargePage ? 64 : kLargePage), 0U) << size;
    std::memset(bytes.get(), 0x5A, size);
    EXPECT_EQ(bytes[size - 1], std::byte{0x5A});
  }
}

TEST(LargeBytes, more_than_there_is_is_refused) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer ends a program that asks for so much";
#endif
  const std::size_t most = std::numeric_limits<std::size_t>::max() / 4;
  EXPECT_EQ(try_large_bytes(most), nullptr);
  EXPECT_THROW(make_large_bytes(most), std::bad_alloc);
}

}  // namespace
}  // namespace tq::test
