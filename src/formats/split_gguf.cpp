#include "formats/split_gguf.h"

#include <algorithm>
#include <optional>
#include <string>
#include <system_error>

#include "formats/gguf.h"
#include "formats/message.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPlaces = "-00001-of-00003";
constexpr std::string_view kCountKey = "split.count", kPlaceKey = "split.no", kTensorsKey = "split.tensors.count";

/// What stands in front of the numbers; nothing for another kind of name.
std::optional<std::string> prefix_of(const fs::path& path) {
  const std::string stem = path.stem().string();
  if (stem.size() < kPlaces.size() || path.extension() != ".gguf") return std::nullopt;
  const std::string_view places = std::string_view(stem).substr(stem.size() - kPlaces.size());
  for (std::size_t i = 0; i < kPlaces.size(); ++i) {
    const bool digit = places[i] >= '0' && places[i] <= '9';
    const bool expected = kPlaces[i] >= '0' && kPlaces[i] <= '9' ? digit : places[i] == kPlaces[i];
    if (!expected) return std::nullopt;
  }
  return stem.substr(0, stem.size() - kPlaces.size());
}

/// Reads parts into one file. Each step returns false after the first failure, which is kept in error_.
class PartsReader {
 public:
  PartsReader(const fs::path& path, std::span<const std::byte> bytes, TensorFileBuilder& builder)
      : path_(path), bytes_(bytes), builder_(builder) {}

  Result<void> read(const std::string& prefix, std::int64_t count) {
    for (std::int64_t part = 0; part < count; ++part) {
      const fs::path name = path_.parent_path() / fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part + 1, count);
      if (!read_part(name, part, count)) return std::unexpected(error_);
    }
    const auto tensors = static_cast<std::int64_t>(builder_.tensor_count());
    const std::int64_t expected = builder_.metadata().integer(kTensorsKey).value_or(tensors);
    if (tensors != expected)
      return bad_file(path_.string(), "its parts have {} tensors together, not {}", tensors, expected);
    return {};
  }

 private:
  template <class... Args>
  bool refuse(const fs::path& name, fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name.string(), what, std::forward<Args>(args)...).error();
    return false;
  }

  bool read_part(const fs::path& name, std::int64_t part, std::int64_t count) {
    std::span<const std::byte> bytes = bytes_;
    if (name.filename() != path_.filename()) {
      std::error_code ignored;
      if (!fs::exists(name, ignored))
        return refuse(path_, "the part {} is not beside it; fetch that too", in_quotes(name.filename().string()));
      Result<MappedFile> file = MappedFile::open(name);
      if (!file) {
        error_ = file.error();
        return false;
      }
      bytes = builder_.keep(std::move(*file));
    }
    TensorFileBuilder alone;
    TensorFileBuilder& target = part == 0 ? builder_ : alone;
    if (Result<void> read = parse_gguf_part(bytes, name.string(), target); !read) {
      error_ = std::move(read).error();
      return false;
    }
    if (target.metadata().integer(kCountKey).value_or(0) != count ||
        target.metadata().integer(kPlaceKey).value_or(-1) != part)
      return refuse(name, "its keys {} and {} do not say that it is part {} of {}", kPlaceKey, kCountKey, part + 1,
                    count);
    return part == 0 || take_tensors(name, std::move(alone));
  }

  bool take_tensors(const fs::path& name, TensorFileBuilder part) {
    const auto file = part.finish(name.string(), "gguf");
    for (const TensorView& tensor : file->tensors()) {
      if (builder_.tensor_count() == TensorFileBuilder::kMaxTensors)
        return refuse(name, "no model has more than {} tensors", builder_.tensor_count());
      if (!builder_.add(tensor))
        return refuse(name, "the tensor {} stands in another part, too", in_quotes(tensor.name));
    }
    return true;
  }

  const fs::path& path_;
  std::span<const std::byte> bytes_;
  TensorFileBuilder& builder_;
  Error error_;
};

}  // namespace

Result<void> read_gguf_file(const fs::path& path, std::span<const std::byte> bytes, TensorFileBuilder& builder) {
  const std::optional<std::string> prefix = prefix_of(path);
  if (!prefix) return parse_gguf(bytes, path.string(), builder);
  TensorFileBuilder peek;
  if (Result<void> read = parse_gguf_part(bytes, path.string(), peek); !read) return read;
  constexpr std::int64_t kMostParts = 99999;  // the names have five digits
  const std::int64_t count = peek.metadata().integer(kCountKey).value_or(1);
  if (count <= 1) return parse_gguf(bytes, path.string(), builder);
  if (count > kMostParts) return bad_file(path.string(), "a GGUF in {} parts is impossible", count);
  return PartsReader(path, bytes, builder).read(*prefix, count);
}

}  // namespace tq
