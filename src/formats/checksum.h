// XXH3 (64 bits) of tensors and headers, as `xxhsum -H3` prints it. It finds damage, not malice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tq {

constexpr std::size_t kChecksumDigits = 16;

std::uint64_t checksum(std::span<const std::byte> bytes);

/// The same of bytes that come in parts.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::span<const std::byte> bytes);
  std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 16 hexadecimal digits, small letters.
std::string checksum_text(std::uint64_t value);
/// Nothing for any other text.
std::optional<std::uint64_t> parse_checksum(std::string_view text);
/// Of a header whose bytes up to `end` end with the digits of its own checksum: they count as zeros ('0').
std::uint64_t header_checksum(std::span<const std::byte> header, std::size_t end);

}  // namespace tq
