// The wire format of protocol buffers: a message is a list of numbered fields
// (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace tq {

/// A field of a message. What it means is up to the reader.
struct ProtobufField {
  enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;  ///< of kVarint, kFixed64 and kFixed32
  std::string_view bytes;   ///< of kBytes; within the message

  std::optional<std::uint64_t> integer() const;
  std::optional<bool> boolean() const;
  std::optional<float> float32() const;
  std::optional<std::string_view> text() const;
};

/// Goes through the fields of a message that must outlive it.
class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : reader_(as_bytes(message)) {}

  /// The next field; nothing at the end, and where the message is broken: is_broken() tells the two apart.
  std::optional<ProtobufField> next();
  bool is_broken() const { return is_broken_; }
  std::size_t position() const { return reader_.position(); }

 private:
  std::optional<std::uint64_t> varint();
  bool read_value(ProtobufField& field);

  ByteReader reader_;
  bool is_broken_ = false;
};

}  // namespace tq
