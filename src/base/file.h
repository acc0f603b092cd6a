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

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

/// The contents of a regular file. kFailed as above, kBadFile when it is longer than `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit);

/// A file that appears under its name, complete and on disk, when it is committed, or not at all: until then it is a
/// temporary one in the same folder. Replaces what has the name; a link keeps pointing to the new file.
class NewFile {
 public:
  /// kFailed when the folder cannot be written to, or the name is that of a folder, pipe or device.
  static Result<NewFile> create(const std::filesystem::path& path);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  /// kFailed when the disk is full or fails.
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> commit();

 private:
  NewFile() = default;
  Result<void> flush();
  std::unexpected<Error> failure(int error) const;

  std::filesystem::path path_, target_, temporary_;  // as asked for, as resolved, as it is called until then
  int number_ = -1;
  std::vector<std::byte> buffer_;
};

}  // namespace tq
