// Model files in memory, field by field: sound ones, and whatever a test wants to be wrong with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace tq::test {

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// Little-endian fields, one after the other.
class Bytes {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Bytes& add(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& add(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  /// As GGUF stores texts: the length in 64 bits in front.
  Bytes& add_text(const std::string& text) { return add<std::uint64_t>(text.size()).add(text); }
  const std::string& get() const { return bytes_; }

 private:
  std::string bytes_;
};

/// The value types of GGUF.
enum GgufValue : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kText, kArray, kU64, kI64, kF64 };

/// An entry of GGUF's tensor table. `dims` begin with the innermost.
struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> dims;
  std::uint32_t type = 0;  ///< f32
  std::uint64_t offset = 0;
};

/// A GGUF whose parts can be set one by one. Counts follow from the parts unless they are set.
struct Gguf {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::vector<std::string> keys;  ///< whole entries, from key()
  std::vector<GgufTensor> tensors;
  std::string data;
  std::size_t alignment = 32;  ///< of the data
  std::int64_t n_tensors = -2, n_keys = -2;

  std::string table() const {
    Bytes bytes;
    bytes.add(magic).add(version);
    bytes.add(n_tensors == -2 ? static_cast<std::int64_t>(tensors.size()) : n_tensors);
    bytes.add(n_keys == -2 ? static_cast<std::int64_t>(keys.size()) : n_keys);
    for (const std::string& entry : keys) bytes.add(entry);
    for (const GgufTensor& tensor : tensors) {
      bytes.add_text(tensor.name).add(static_cast<std::uint32_t>(tensor.dims.size()));
      for (const std::uint64_t dim : tensor.dims) bytes.add(dim);
      bytes.add(tensor.type).add(tensor.offset);
    }
    return bytes.get();
  }

  std::string bytes() const {
    std::string file = table();
    if (!tensors.empty()) file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data;
  }
};

/// A key with a number.
template <class T>
std::string key(const std::string& name, GgufValue type, T value) {
  return Bytes().add_text(name).add<std::uint32_t>(type).add(value).get();
}

inline std::string text_key(const std::string& name, const std::string& text) {
  return Bytes().add_text(name).add<std::uint32_t>(kText).add_text(text).get();
}

/// A key with an array of `count` elements whose bytes are `elements`.
inline std::string array_key(const std::string& name, std::uint32_t element_type, std::uint64_t count,
                             const std::string& elements) {
  return Bytes().add_text(name).add<std::uint32_t>(kArray).add(element_type).add(count).add(elements).get();
}

/// Two f32 tensors, 2x8 and 8, that fill the data to the last byte, and a key of every shape.
inline Gguf small_gguf() {
  Gguf file;
  file.keys = {text_key("general.architecture", "llama"),
               key<std::uint32_t>("llama.block_count", kU32, 1),
               key<float>("llama.eps", kF32, 1e-5F),
               key<std::uint8_t>("flag", kBool, 1),
               array_key("numbers", kI32, 2, Bytes().add<std::int32_t>(-1).add<std::int32_t>(7).get()),
               array_key("texts", kText, 2, Bytes().add_text("a").add_text("bc").get())};
  file.tensors = {{"a.weight", {8, 2}, 0, 0}, {"b.weight", {8}, 0, 64}};
  for (int i = 0; i < 24; ++i) file.data += Bytes().add(static_cast<float>(i)).get();
  return file;
}

/// A safetensors file: the length of `header`, the header, the data.
inline std::string safetensors(const std::string& header, const std::string& data) {
  return Bytes().add<std::uint64_t>(header.size()).add(header).add(data).get();
}

/// An entry of a safetensors header.
inline std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                         std::uint64_t begin, std::uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// Two tensors, f32 2x3 and f16 4, the second first in the header.
inline std::string small_safetensors() {
  return safetensors("{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F16", "[4]", 24, 32) + "," +
                         entry("a", "F32", "[2,3]", 0, 24) + "}",
                     std::string(32, '\1'));
}

/// The sizes in the header of a llama2.c checkpoint: dim, hidden, layers, heads, kv_heads, vocab (negative in version
/// 0: separate output), context.
using Llama2cSizes = std::vector<std::int32_t>;
inline Llama2cSizes small_llama2c_sizes() { return {4, 6, 2, 2, 1, 5, 3}; }

/// Floats in the tensors of small_llama2c_sizes() with a shared output: per layer 2 norms of 4, q and o 4x4, k and v
/// 2x4, gate, up and down 24; once 5x4 and a norm of 4.
constexpr std::size_t kSmallLlama2cFloats = 2 * (4 + 4 + 16 + 16 + 8 + 8 + 3 * 24) + 20 + 4;

/// `n` floats 1, 2, 3, …: a value tells where it lay.
inline std::string counted_floats(std::size_t n) {
  Bytes bytes;
  for (std::size_t i = 1; i <= n; ++i) bytes.add(static_cast<float>(i));
  return bytes.get();
}

/// Version 0; the data is that of a shared output, with rotary tables of 2 x 3 positions x 1 pair.
inline std::string llama2c_v0(const Llama2cSizes& sizes, std::size_t floats = kSmallLlama2cFloats + 6) {
  Bytes bytes;
  for (const std::int32_t size : sizes) bytes.add(size);
  return bytes.add(counted_floats(floats)).get();
}

/// Version 1: 256 bytes of header.
inline std::string llama2c_v1(const Llama2cSizes& sizes, std::size_t floats = kSmallLlama2cFloats,
                              std::uint8_t shared = 1) {
  Bytes bytes;
  bytes.add<std::uint32_t>(0x616b3432).add<std::int32_t>(1);
  for (const std::int32_t size : sizes) bytes.add(size);
  bytes.add(shared);
  std::string file = bytes.get();
  file.resize(256);
  return file + counted_floats(floats);
}

}  // namespace tq::test
