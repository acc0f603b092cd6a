// Named, typed, validated views into a model file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "turboquant/codec.h"
#include "turboquant/result.h"

namespace tq {

class MappedFile;

/// A tensor as it lies in the file. `shape` is outermost first (rows, columns), as in NumPy; `type` is the name of a
/// codec
/// (`f32`, `q4_0`, `tq4`) or an integer type (`i8`, `i32`, …). `bytes` points into the mapping and lives as long as the
/// TensorFile.
struct TensorView {
  std::string name;
  std::string type;
  std::vector<std::uint64_t> shape;
  std::span<const std::byte> bytes;
  std::optional<CodecSpec> coding = {};  ///< every field of the codec, for the tensors that `tq quantize` has coded
  std::optional<std::uint64_t> checksum = {};  ///< XXH3 of `bytes`, where the file says it (docs/file-format.md)

  std::uint64_t elements() const;  ///< product of the shape; cannot overflow, the reader has checked it
};

/// Key → value pairs of a model file. GGUF keys as they are; the keys of a Hugging Face `config.json` get the prefix
/// `hf.` and dots between levels; llama2.c headers are translated to GGUF keys.
class Metadata {
 public:
  using Strings = std::vector<std::string>;
  using Integers = std::vector<std::int64_t>;
  using Numbers = std::vector<double>;
  using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string, Strings, Integers, Numbers>;

  void set(std::string key, Value value) { values_[std::move(key)] = std::move(value); }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const Value* find(std::string_view key) const;
  const std::map<std::string, Value, std::less<>>& values() const { return values_; }

  /// Integers come in any integer type of the file. Empty when absent or of another kind.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;  ///< also reads integers
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string_view> string(std::string_view key) const;
  const Strings* strings(std::string_view key) const;
  const Integers* integers(std::string_view key) const;
  const Numbers* numbers(std::string_view key) const;  ///< arrays of f32 or f64

 private:
  std::map<std::string, Value, std::less<>> values_;
};

/// A key of a GGUF, for those who write one from another.
struct RawKey {
  std::string name;
  std::span<const std::byte> bytes;  ///< name, type and value as they lie in the file
};

/// Any bytes are safe: a file is accepted only if every extent lies inside it, nothing overlaps, and every count was
/// compared with the bytes that remain before anything was allocated. Immutable; safe to share between threads.
class TensorFile {
 public:
  /// Opens a GGUF file (v2, v3; any part of a split one opens all), a `.safetensors` file with its `config.json` beside
  /// it, a Hugging Face folder (single or sharded), or a llama2.c `.bin` (v0, v1), told apart by their first bytes.
  /// kFailed when it cannot be opened, kBadFile when it is damaged.
  static Result<std::shared_ptr<const TensorFile>> open(const std::filesystem::path& path);
  /// A GGUF in memory, which must outlive the TensorFile. `name` is used in messages.
  static Result<std::shared_ptr<const TensorFile>> from_gguf(std::span<const std::byte> bytes, std::string name);

  const std::string& path() const { return path_; }      ///< as given to open()
  const std::string& format() const { return format_; }  ///< "gguf", "safetensors", "llama2c"
  std::uint64_t file_bytes() const { return file_bytes_; }
  const Metadata& metadata() const { return metadata_; }
  const std::vector<TensorView>& tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const;
  const std::vector<RawKey>& raw_keys() const { return raw_keys_; }  ///< of a GGUF, in the order of the file
  std::uint64_t alignment() const { return alignment_; }             ///< of a GGUF's tensors; 1 for other formats

  bool is_mapped() const { return !mappings_.empty(); }
  /// Gives the memory of mapped pages back to the system; they are read again when they are touched.
  void release(std::span<const std::byte> part) const;

 private:
  friend struct TensorFileBuilder;  // src/formats: the readers fill it
  std::string path_, format_;
  std::uint64_t file_bytes_ = 0;
  Metadata metadata_;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::vector<RawKey> raw_keys_;
  std::uint64_t alignment_ = 1;
  std::vector<std::shared_ptr<const MappedFile>> mappings_;  // keep the views alive
};

}  // namespace tq
