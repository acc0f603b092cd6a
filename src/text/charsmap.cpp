#include "text/charsmap.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "formats/message.h"
#include "text/utf8.h"

namespace tq {
namespace {

// A unit: bit 31 and the low byte are its label (bit 31 marks a value), bit 8 says that a value hangs below, bits 10 to
// 30 are the offset to its children, times 256 where bit 9 is set.
bool has_value(std::uint32_t unit) { return (unit >> 8 & 1U) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFFU; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFU; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200U) >> 6); }

}  // namespace

Result<Charsmap> Charsmap::read(std::string_view blob, std::string_view name) {
  ByteReader reader(as_bytes(blob));
  std::uint32_t size = 0;
  std::span<const std::byte> trie;
  if (!reader.read(size) || size % 4 != 0 || size == 0 || !reader.take(size, trie)) {
    return bad_file(name, "its character map of {} bytes does not hold the tree that it announces", blob.size());
  }
  Charsmap map;
  map.units_.resize(size / 4);
  std::memcpy(map.units_.data(), trie.data(), trie.size());
  map.replacements_ = blob.substr(4 + std::size_t{size});
  if (!map.replacements_.empty() && map.replacements_.back() != '\0') {
    return bad_file(name, "the last replacement of its character map has no end");
  }
  for (std::size_t begin = 0; begin < map.replacements_.size();) {
    const std::size_t end = map.replacements_.find('\0', begin);
    if (end - begin > kMaxReplacementBytes) {
      return bad_file(name, "its character map puts {} bytes for a character; no map puts more than {}", end - begin,
                      kMaxReplacementBytes);
    }
    begin = end + 1;
  }
  return map;
}

std::optional<std::string_view> Charsmap::replacement(std::uint32_t offset) const {
  if (offset >= replacements_.size()) return std::nullopt;
  return std::string_view(replacements_.c_str() + offset);
}

std::optional<Charsmap::Match> Charsmap::longest(std::string_view text) const {
  std::optional<Match> best;
  std::uint32_t at = offset_of(units_[0]);
  const std::size_t end = std::min(text.size(), kMaxKeyBytes);
  for (std::size_t i = 0; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    if (at >= units_.size() || label_of(units_[at]) != byte) break;
    const std::uint32_t unit = units_[at];
    at ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (at >= units_.size()) break;
    if (const auto found = replacement(value_of(units_[at]))) best = Match{i + 1, *found};
  }
  return best;
}

std::string Charsmap::apply(std::string_view text) const {
  std::string result;
  while (!text.empty()) {
    if (const std::optional<Match> match = longest(text)) {
      result += match->replacement;
      text.remove_prefix(match->size);
    } else {
      const std::size_t size = first_utf8_character(text).size;
      result += text.substr(0, size);
      text.remove_prefix(size);
    }
  }
  return result;
}

}  // namespace tq
