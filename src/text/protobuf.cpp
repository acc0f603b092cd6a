#include "text/protobuf.h"

#include <bit>

namespace tq {

std::optional<std::uint64_t> ProtobufField::integer() const {
  return wire == Wire::kVarint ? std::optional(value) : std::nullopt;
}

std::optional<bool> ProtobufField::boolean() const {
  return wire == Wire::kVarint ? std::optional(value != 0) : std::nullopt;
}

std::optional<float> ProtobufField::float32() const {
  return wire == Wire::kFixed32 ? std::optional(std::bit_cast<float>(static_cast<std::uint32_t>(value))) : std::nullopt;
}

std::optional<std::string_view> ProtobufField::text() const {
  return wire == Wire::kBytes ? std::optional(bytes) : std::nullopt;
}

std::optional<std::uint64_t> ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    std::uint8_t byte = 0;
    if (!reader_.read(byte)) return std::nullopt;
    if (shift == 63 && byte > 1) return std::nullopt;  // beyond 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

bool ProtobufReader::read_value(ProtobufField& field) {
  std::uint32_t narrow = 0;
  std::optional<std::uint64_t> number;
  switch (field.wire) {
    case ProtobufField::Wire::kVarint:
      number = varint();
      field.value = number.value_or(0);
      return number.has_value();
    case ProtobufField::Wire::kFixed64:
      return reader_.read(field.value);
    case ProtobufField::Wire::kBytes:
      number = varint();
      return number && reader_.take(*number, field.bytes);
    case ProtobufField::Wire::kFixed32:
      if (!reader_.read(narrow)) return false;
      field.value = narrow;
      return true;
  }
  return false;  // groups, which nobody writes any more
}

std::optional<ProtobufField> ProtobufReader::next() {
  if (is_broken_ || reader_.remaining() == 0) return std::nullopt;
  ProtobufField field;
  const std::optional<std::uint64_t> key = varint();
  is_broken_ = !key || *key >> 3 == 0 || *key >> 3 > 0x1FFFFFFF;
  if (is_broken_) return std::nullopt;
  field.number = static_cast<std::uint32_t>(*key >> 3);
  field.wire = static_cast<ProtobufField::Wire>(*key & 7U);
  is_broken_ = !read_value(field);
  return is_broken_ ? std::nullopt : std::optional(field);
}

}  // namespace tq
