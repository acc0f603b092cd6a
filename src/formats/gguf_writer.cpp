#include "formats/gguf_writer.h"

#include <array>
#include <type_traits>

#include "base/bytes.h"

namespace tq {
namespace {

// The value types of GGUF that are written.
constexpr std::uint32_t kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kI64 = 11;
constexpr std::uint32_t kVersion = 3;

template <class T>
void put(std::string& bytes, T value) {
  static_assert(std::is_arithmetic_v<T>);
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& bytes, std::string_view text) {
  put<std::uint64_t>(bytes, text.size());
  bytes += text;
}

std::uint64_t padding(std::uint64_t size, std::uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

}  // namespace

void GgufKeys::begin(std::string_view name, std::uint32_t type) {
  put_text(bytes_, name);
  put(bytes_, type);
  ++count_;
}

void GgufKeys::add(std::string_view name, std::uint32_t value) {
  begin(name, kU32);
  put(bytes_, value);
}

void GgufKeys::add(std::string_view name, float value) {
  begin(name, kF32);
  put(bytes_, value);
}

void GgufKeys::add(std::string_view name, bool value) {
  begin(name, kBool);
  put<std::uint8_t>(bytes_, value ? 1 : 0);
}

void GgufKeys::add(std::string_view name, std::string_view value) {
  begin(name, kString);
  put_text(bytes_, value);
}

void GgufKeys::add(std::string_view name, const std::vector<std::string>& values) {
  begin(name, kArray);
  put(bytes_, kString);
  put<std::uint64_t>(bytes_, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
}

void GgufKeys::add(std::string_view name, const std::vector<std::int64_t>& values) {
  begin(name, kArray);
  put(bytes_, kI64);
  put<std::uint64_t>(bytes_, values.size());
  for (const std::int64_t value : values) put(bytes_, value);
}

void GgufKeys::add_raw(std::span<const std::byte> key) {
  bytes_ += as_text(key);
  ++count_;
}

std::uint64_t GgufEntry::bytes() const {
  std::uint64_t values = 1;
  for (const std::uint64_t dimension : shape) values *= dimension;
  return values / type->block_values * type->block_bytes;
}

std::string gguf_header(const GgufKeys& keys, std::span<const GgufEntry> entries, std::uint64_t alignment) {
  std::string header = "GGUF";
  put(header, kVersion);
  put<std::uint64_t>(header, entries.size());
  put(header, keys.count());
  header += keys.bytes();
  std::uint64_t offset = 0;
  for (const GgufEntry& entry : entries) {
    put_text(header, entry.name);
    put(header, static_cast<std::uint32_t>(entry.shape.size()));
    for (auto dimension = entry.shape.rbegin(); dimension != entry.shape.rend(); ++dimension) put(header, *dimension);
    put(header, entry.type->id);
    put(header, offset);
    offset += entry.bytes() + padding(entry.bytes(), alignment);
  }
  return header;
}

std::uint64_t gguf_size(const GgufKeys& keys, std::span<const GgufEntry> entries, std::uint64_t alignment) {
  std::uint64_t size = gguf_header(keys, entries, alignment).size();
  for (const GgufEntry& entry : entries) size += padding(size, alignment) + entry.bytes();
  return size + padding(size, alignment);
}

Result<void> pad_gguf(OutputFile& file, std::uint64_t alignment) {
  const std::string zeros(padding(file.size(), alignment), '\0');
  return file.write(as_bytes(zeros));
}

}  // namespace tq
