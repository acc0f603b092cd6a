#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/checked.h"

namespace tq {
namespace {

std::unexpected<Error> system_failure(const char* verb, const std::filesystem::path& path, int error) {
  const ErrorCode code = error == ENOMEM ? ErrorCode::kOutOfMemory : ErrorCode::kFailed;
  return fail(code, fmt::format("cannot {} {}: {}", verb, path.string(), std::generic_category().message(error)));
}

/// An open regular file.
class Descriptor {
 public:
  static Result<Descriptor> open(const std::filesystem::path& path) {
    // O_NONBLOCK: opening a pipe that nobody writes to must not hang before it can be refused.
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status = {};
    if (file.number_ < 0 || ::fstat(file.number_, &status) != 0) return system_failure("open", path, errno);
    if (S_ISDIR(status.st_mode)) {
      return fail(ErrorCode::kFailed, fmt::format("cannot read {}: it is a folder; name a file in it", path.string()));
    }
    if (!S_ISREG(status.st_mode)) {
      return fail(ErrorCode::kFailed,
                  fmt::format("cannot read {}: it is a pipe or a device; copy its contents to a file", path.string()));
    }
    const auto size = checked_cast<std::size_t>(status.st_size);
    if (!size) return system_failure("read", path, EFBIG);
    file.size_ = *size;
    return file;
  }

  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)), size_(other.size_) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int number() const { return number_; }
  std::size_t size() const { return size_; }

 private:
  explicit Descriptor(int number) : number_(number) {}
  int number_;
  std::size_t size_ = 0;
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const Result<Descriptor> file = Descriptor::open(path);
  if (!file) return std::unexpected(file.error());
  if (file->size() == 0) return MappedFile({});  // mmap refuses an empty range
  void* address = ::mmap(nullptr, file->size(), PROT_READ, MAP_PRIVATE, file->number(), 0);
  if (address == MAP_FAILED) return system_failure("map", path, errno);
  return MappedFile({static_cast<const std::byte*>(address), file->size()});
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit) {
  const Result<Descriptor> file = Descriptor::open(path);
  if (!file) return std::unexpected(file.error());
  if (file->size() > limit) {
    return fail(ErrorCode::kBadFile, fmt::format("{} has {} bytes, and no file of its kind has more than {}",
                                                 path.string(), file->size(), limit));
  }
  std::string text(file->size(), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::read(file->number(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_failure("read", path, errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return text;
}

Result<NewFile> NewFile::create(const std::filesystem::path& path) {
  NewFile file;
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    return fail(ErrorCode::kFailed, fmt::format("cannot write {}: it is a folder, a pipe or a device", path.string()));
  }
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(path, ignored);
  file.path_ = path;
  file.target_ = resolved.empty() ? path : resolved;
  file.temporary_ = fmt::format("{}.{}.tmp", file.target_.string(), ::getpid());
  file.number_ = ::open(file.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.number_ < 0) return file.failure(errno);
  return file;
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::move(other.temporary_)),
      number_(std::exchange(other.number_, -1)),
      buffer_(std::move(other.buffer_)) {}

NewFile::~NewFile() {
  if (number_ < 0) return;
  ::close(number_);
  ::unlink(temporary_.c_str());
}

std::unexpected<Error> NewFile::failure(int error) const { return system_failure("write", path_, error); }

Result<void> NewFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kBuffer = std::size_t{1} << 20;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() < kBuffer) return {};
  return flush();
}

Result<void> NewFile::flush() {
  for (std::size_t done = 0; done < buffer_.size();) {
    const ssize_t written = ::write(number_, buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure(errno);
    done += static_cast<std::size_t>(written);
  }
  buffer_.clear();
  return {};
}

Result<void> NewFile::commit() {
  if (Result<void> flushed = flush(); !flushed) return flushed;
  if (::fsync(number_) != 0) return failure(errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) return failure(errno);
  ::close(std::exchange(number_, -1));
  // The name is on disk when its folder is; a file system that cannot say so still has the file.
  const int folder = ::open(target_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

}  // namespace tq
