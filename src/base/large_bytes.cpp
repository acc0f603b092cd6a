#include "base/large_bytes.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace tq {

void FreeLargeBytes::operator()(std::byte* bytes) const noexcept { std::free(bytes); }

LargeBytes try_large_bytes(std::size_t size) noexcept {
  constexpr std::size_t kCacheLine = 64;
  void* bytes = nullptr;
  if (posix_memalign(&bytes, size < kLargePage ? kCacheLine : kLargePage, size) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (size >= kLargePage) ::madvise(bytes, size / kLargePage * kLargePage, MADV_HUGEPAGE);  // a hint: may fail
#endif
  return LargeBytes(static_cast<std::byte*>(bytes));
}

LargeBytes make_large_bytes(std::size_t size) {
  LargeBytes bytes = try_large_bytes(size);
  if (bytes == nullptr && size > 0) throw std::bad_alloc();
  return bytes;
}

}  // namespace tq
