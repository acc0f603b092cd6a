// A file that appears complete or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "turboquant/result.h"

namespace tq {

/// Bytes go to `PATH.part`, which commit() renames over PATH; until then PATH is what it was. A killed program leaves
/// a .part behind, which the next writer of the same path takes over. One thread at a time.
class OutputFile {
 public:
  /// kFailed when the folder cannot be written to, the name is that of a folder, pipe or device, or another program is
  /// writing the same path.
  static Result<OutputFile> create(const std::filesystem::path& path);
  /// The same, but what a killed run has left in the .part stays, to be looked at and gone over.
  static Result<OutputFile> reopen(const std::filesystem::path& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();  ///< removes the .part unless commit() has succeeded or keep() was called

  /// Asks for `bytes` of disk, so that a disk that is too small is known before the work.
  Result<void> reserve(std::uint64_t bytes);
  /// Appends.
  Result<void> write(std::span<const std::byte> bytes);
  /// Writes over bytes that are there already.
  Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Fills `bytes` from the .part; false where it does not reach so far.
  bool read_at(std::uint64_t offset, std::span<std::byte> bytes) const;
  /// Goes over bytes that are there already.
  void skip(std::uint64_t bytes) { size_ += bytes; }
  /// Lets the .part lie, for reopen().
  void keep() { keeps_part_ = true; }
  std::uint64_t size() const { return size_; }
  /// Onto the disk, then under the name.
  Result<void> commit();

 private:
  static Result<OutputFile> open(const std::filesystem::path& path, bool empty);
  OutputFile(std::filesystem::path target, std::filesystem::path part, int descriptor)
      : target_(std::move(target)), part_(std::move(part)), descriptor_(descriptor) {}

  std::filesystem::path target_, part_;
  int descriptor_;
  std::uint64_t size_ = 0;
  bool keeps_part_ = false;
};

}  // namespace tq
