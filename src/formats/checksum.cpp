#include "formats/checksum.h"

#define XXH_STATIC_LINKING_ONLY  // the state by value
#include <xxhash.h>

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>

#include "base/bytes.h"

namespace tq {

std::uint64_t checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

struct Checksum::State {
  XXH3_state_t xxh3;
};

Checksum::Checksum() : state_(std::make_unique<State>()) { XXH3_64bits_reset(&state_->xxh3); }
Checksum::~Checksum() = default;

void Checksum::add(std::span<const std::byte> bytes) { XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size()); }
std::uint64_t Checksum::value() const { return XXH3_64bits_digest(&state_->xxh3); }

std::string checksum_text(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::optional<std::uint64_t> parse_checksum(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  const bool whole = error == std::errc() && end == text.data() + text.size() && text.size() == kChecksumDigits;
  return whole && checksum_text(value) == text ? std::optional(value) : std::nullopt;
}

std::uint64_t header_checksum(std::span<const std::byte> header, std::size_t end) {
  assert(end >= kChecksumDigits && end <= header.size());
  const std::string zeros(kChecksumDigits, '0');
  Checksum sum;
  sum.add(header.first(end - kChecksumDigits));
  sum.add(as_bytes(zeros));
  sum.add(header.subspan(end));
  return sum.value();
}

}  // namespace tq
