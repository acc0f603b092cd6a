// Regular files: read as they are, or written as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "turboquant/result.h"

namespace tq {

/// The bytes of a file as they are on disk; pages are read when they are touched. Safe to share between threads.
/// A file that another program shortens meanwhile ends this one with SIGBUS: replace model files by renaming.
class MappedFile {
 public:
  /// kFailed when `path` cannot be opened or is a folder, pipe or device; kOutOfMemory when the address space is full.
  /// An empty file is fine and has no bytes.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  /// Gives the memory of whole pages within `part` back, if it is a part of this file. Reading them again is safe.
  void release(std::span<const std::byte> part) const;

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

/// The contents of a regular file. kFailed as above, kBadFile when it is longer than `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit);

}  // namespace tq
