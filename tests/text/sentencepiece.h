// Models of SentencePiece in memory, field by field.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/model_bytes.h"

namespace tq::test {

inline std::string proto_varint(std::uint64_t value) {
  std::string bytes;
  for (; value > 127; value >>= 7) bytes += static_cast<char>((value & 127U) | 128U);
  return bytes + static_cast<char>(value);
}
inline std::string proto_number(std::uint32_t field, std::uint64_t value) {
  return proto_varint(std::uint64_t{field} << 3) + proto_varint(value);
}
inline std::string proto_float(std::uint32_t field, float value) {
  return proto_varint(std::uint64_t{field} << 3 | 5) + Bytes().add(value).get();
}
inline std::string proto_bytes(std::uint32_t field, const std::string& bytes) {
  return proto_varint(std::uint64_t{field} << 3 | 2) + proto_varint(bytes.size()) + bytes;
}

inline std::string sentencepiece(const std::string& text, float score, std::uint64_t kind = 1) {
  return proto_bytes(1, proto_bytes(1, text) + proto_float(2, score) + proto_number(3, kind));
}

/// <unk>, <s> and </s>, then `pieces`. Without byte tokens.
struct SentencePieceFile {
  std::vector<std::string> pieces = {sentencepiece("▁", -1), sentencepiece("a", -2), sentencepiece("▁a", -2.5F),
                                     sentencepiece("aa", -3)};
  std::uint64_t model_type = 1;
  std::string trainer, normalizer;  ///< more fields

  std::string bytes() const {
    std::string file = sentencepiece("<unk>", 0, 2) + sentencepiece("<s>", 0, 3) + sentencepiece("</s>", 0, 3);
    for (const std::string& piece : pieces) file += piece;
    return file + proto_bytes(2, proto_number(3, model_type) + trainer) + proto_bytes(3, normalizer);
  }
};

/// A character map with one rule, "a" for "bc": the root's child for 'a' is unit 1 ^ 'a', whose value is unit 2.
inline std::string charsmap_of_one_rule() {
  std::vector<std::uint32_t> units(256, 0);
  units[0] = 1U << 10;
  units[1U ^ 'a'] = 'a' | 1U << 8 | ((1U ^ 'a') ^ 2U) << 10;
  units[2] = 1U << 31;
  Bytes bytes;
  bytes.add<std::uint32_t>(1024);
  for (const std::uint32_t unit : units) bytes.add(unit);
  return bytes.add(std::string("bc\0", 3)).get();
}

}  // namespace tq::test
