// The header of a GGUF, version 3: keys and tensor table. Payloads follow in the order of the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/output_file.h"
#include "formats/ggml_types.h"
#include "turboquant/result.h"

namespace tq {

/// The keys of a GGUF in the bytes that they will have. Names must be printable ASCII and stand once.
class GgufKeys {
 public:
  void add(std::string_view name, std::uint32_t value);
  void add(std::string_view name, float value);
  void add(std::string_view name, bool value);
  void add(std::string_view name, std::string_view value);
  void add(std::string_view name, const std::vector<std::string>& values);
  void add(std::string_view name, const std::vector<std::int64_t>& values);
  void add_raw(std::span<const std::byte> key);  ///< name, type and value as another GGUF has them

  std::uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view name, std::uint32_t type);

  std::string bytes_;
  std::uint64_t count_ = 0;
};

/// An entry of the tensor table. `shape` is outermost first, 1 to 4 dimensions, rows whole blocks of `type`.
struct GgufEntry {
  std::string name;
  const GgmlType* type = nullptr;
  std::vector<std::uint64_t> shape;

  std::uint64_t bytes() const;
};

/// Header, keys and table, without the padding in front of the first tensor. `alignment` must be what the key
/// general.alignment says, or 32.
std::string gguf_header(const GgufKeys& keys, std::span<const GgufEntry> entries, std::uint64_t alignment);
/// Bytes of the whole file.
std::uint64_t gguf_size(const GgufKeys& keys, std::span<const GgufEntry> entries, std::uint64_t alignment);

/// Fills `file` with zeros up to a multiple of `alignment`: behind the header and behind each payload, the last too.
Result<void> pad_gguf(OutputFile& file, std::uint64_t alignment);

}  // namespace tq
