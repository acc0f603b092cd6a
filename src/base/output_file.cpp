#include "base/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <system_error>
#include <utility>

namespace tq {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> write_failure(const fs::path& path, int error) {
  return fail(ErrorCode::kFailed,
              fmt::format("cannot write {}: {}", path.string(), std::generic_category().message(error)));
}

/// Whether `path` is still a name of the open file: another program may have renamed it between our open and our lock.
bool is_name_of(const fs::path& path, int descriptor) {
  struct stat named = {}, open = {};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(descriptor, &open) == 0 && named.st_ino == open.st_ino &&
         named.st_dev == open.st_dev;
}

bool write_all(int descriptor, std::span<const std::byte> bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
  return true;
}

/// The name outlives a power cut only when the folder is on the disk, too. Not every file system can do that.
void sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace

Result<OutputFile> OutputFile::create(const fs::path& path) { return open(path, true); }

Result<OutputFile> OutputFile::reopen(const fs::path& path) { return open(path, false); }

Result<OutputFile> OutputFile::open(const fs::path& path, bool empty) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status))
    return fail(ErrorCode::kFailed, fmt::format("cannot write {}: it is a folder, a pipe or a device", path.string()));
  const fs::path resolved = fs::weakly_canonical(path, ignored);  // a link keeps pointing to the new file
  const fs::path target = resolved.empty() ? path : resolved;
  const fs::path part = target.string() + ".part";
  while (true) {
    const int descriptor = ::open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor < 0) return write_failure(part, errno);
    OutputFile file(target, part, descriptor);
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(std::exchange(file.descriptor_, -1));
      if (error != EWOULDBLOCK) return write_failure(part, error);
      return fail(ErrorCode::kFailed, fmt::format("cannot write {}: another program is writing it", path.string()));
    }
    if (!is_name_of(part, descriptor)) {
      ::close(std::exchange(file.descriptor_, -1));
      continue;
    }
    if (empty && ::ftruncate(descriptor, 0) != 0) return write_failure(part, errno);
    return file;
  }
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : target_(std::move(other.target_)),
      part_(std::move(other.part_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      keeps_part_(other.keeps_part_) {}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  if (!keeps_part_) ::unlink(part_.c_str());  // before the lock goes with the descriptor
  ::close(descriptor_);
}

Result<void> OutputFile::reserve(std::uint64_t bytes) {
  if (bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return write_failure(target_, EFBIG);
  const int error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(bytes));
  if (error == 0 || error == EINVAL || error == EOPNOTSUPP) return {};  // not every file system can promise
  return write_failure(target_, error);
}

Result<void> OutputFile::write(std::span<const std::byte> bytes) {
  if (!write_all(descriptor_, bytes, static_cast<off_t>(size_))) return write_failure(target_, errno);
  size_ += bytes.size();
  return {};
}

Result<void> OutputFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (!write_all(descriptor_, bytes, static_cast<off_t>(offset))) return write_failure(target_, errno);
  return {};
}

bool OutputFile::read_at(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

Result<void> OutputFile::commit() {
  const bool on_disk = ::ftruncate(descriptor_, static_cast<off_t>(size_)) == 0 && ::fsync(descriptor_) == 0;
  if (!on_disk || std::rename(part_.c_str(), target_.c_str()) != 0) return write_failure(target_, errno);
  ::close(std::exchange(descriptor_, -1));
  sync_folder(target_.parent_path());
  return {};
}

}  // namespace tq
