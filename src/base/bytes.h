// Numbers out of untrusted little-endian bytes, never beyond their end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace tq {

// Tensors are used as they lie in the file, so a big-endian machine would need far more than swaps here.
static_assert(std::endian::native == std::endian::little);

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A cursor over bytes that must outlive it. A read that does not fit returns false, and leaves cursor and target
/// alone.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }

  /// Any alignment. Not for bool: a byte other than 0 and 1 is none.
  template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) [[nodiscard]] bool read(T& value) {
    if (remaining() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  /// The next `count` bytes, uncopied.
  [[nodiscard]] bool take(std::uint64_t count, std::span<const std::byte>& taken) {
    if (count > remaining()) return false;
    taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
    position_ += taken.size();
    return true;
  }

  [[nodiscard]] bool take(std::uint64_t count, std::string_view& taken) {
    std::span<const std::byte> bytes;
    if (!take(count, bytes)) return false;
    taken = as_text(bytes);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
};

}  // namespace tq
