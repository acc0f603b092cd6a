#include "engine/weight_pages.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "base/large_bytes.h"
#include "base/memory.h"

namespace tq {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kCopied = std::size_t{1} << 18;    // by one thread at a time
constexpr std::size_t kReleased = std::size_t{1} << 24;  // of the file at a time: what memory holds twice

/// Gives back what was copied, where it lies in `file`; null: it does not.
void copy(std::span<const std::byte> from, std::byte* to, const TensorFile* file, ThreadPool& pool) {
  for (std::size_t at = 0; at < from.size(); at += kReleased) {
    const auto part = from.subspan(at, std::min(kReleased, from.size() - at));
    pool.for_ranges(part.size(), kCopied, [&](std::size_t begin, std::size_t end, unsigned) {
      std::memcpy(to + at + begin, part.data() + begin, end - begin);
    });
    if (file != nullptr) file->release(part);
  }
}

std::size_t place_of(std::size_t size) { return (size + kCacheLine - 1) / kCacheLine * kCacheLine; }

}  // namespace

void move_to_large_pages(LoadedModel& model, const TensorFile* file, ThreadPool& pool) {
  const bool mapped = file != nullptr && file->is_mapped();
  // Parts of one tensor share its bytes, which are copied once.
  std::map<const std::byte*, std::vector<Matrix*>> moved;
  std::vector<std::span<const std::byte>> order;
  std::size_t size = 0;
  for (Matrix* matrix : model.matrices()) {
    if (matrix->bytes.empty() || (matrix->owned == nullptr ? !mapped : matrix->bytes.size() >= kLargePage)) continue;
    std::vector<Matrix*>& sharers = moved[matrix->bytes.data()];
    if (sharers.empty()) {
      order.push_back(matrix->bytes);
      size += place_of(matrix->bytes.size());
    }
    sharers.push_back(matrix);
  }
  if (size < kLargePage || size > available_memory() / 2) return;
  const std::shared_ptr<std::byte[]> pages = try_large_bytes(size);
  if (pages == nullptr) return;
  std::size_t place = 0;
  for (const std::span<const std::byte> bytes : order) {
    const std::span<std::byte> copied(pages.get() + place, bytes.size());
    const std::vector<Matrix*>& sharers = moved[bytes.data()];
    copy(bytes, copied.data(), sharers.front()->owned == nullptr ? file : nullptr, pool);
    place += place_of(bytes.size());
    for (Matrix* matrix : sharers) {
      matrix->bytes = copied;
      matrix->owned = pages;
    }
  }
}

}  // namespace tq
