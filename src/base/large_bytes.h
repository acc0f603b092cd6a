// Bytes of weights and caches, in large pages where the system grants them.
#pragma once

#include <cstddef>
#include <memory>

namespace tq {

/// Of x86-64, and of 64-bit ARM with small pages of 4 KiB.
constexpr std::size_t kLargePage = std::size_t{1} << 21;

struct FreeLargeBytes {
  void operator()(std::byte* bytes) const noexcept;
};
using LargeBytes = std::unique_ptr<std::byte[], FreeLargeBytes>;

/// Unwritten bytes. From kLargePage on they begin with a large page, and every whole one in them is asked for as such: a
/// page of 4 KiB ends the stream that a core reads ahead, and in a virtual machine a miss of the TLB costs two walks.
/// Throws std::bad_alloc.
LargeBytes make_large_bytes(std::size_t size);
/// The same, null where the memory is refused.
LargeBytes try_large_bytes(std::size_t size) noexcept;

}  // namespace tq
