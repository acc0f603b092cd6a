#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
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

void MappedFile::release(std::span<const std::byte> part) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()), end = begin + part.size();
  const auto first = reinterpret_cast<std::uintptr_t>(bytes_.data()), last = first + bytes_.size();
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = (begin + page - 1) / page * page, to = end / page * page;
  if (begin < first || end > last || from >= to) return;
  ::madvise(const_cast<std::byte*>(part.data() + (from - begin)), to - from, MADV_DONTNEED);  // a hint: may fail
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

}  // namespace tq
