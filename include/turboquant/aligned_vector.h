// Vectors for kernels, which read and write 64 bytes at once.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace tq {

/// Memory that begins on a cache line, so that no register of 64 bytes lies on two.
template <class T>
struct LineAllocator {
  using value_type = T;

  LineAllocator() = default;
  template <class Other>
  LineAllocator(const LineAllocator<Other>&) {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, kLine); }
  bool operator==(const LineAllocator&) const { return true; }

 private:
  static constexpr std::align_val_t kLine{64};
};

template <class T>
using AlignedVector = std::vector<T, LineAllocator<T>>;

}  // namespace tq
