// The one way to fill a TensorFile. Readers put metadata and tensors in; finish() makes it immutable.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/file.h"
#include "turboquant/tensor_file.h"

namespace tq {

struct TensorFileBuilder {
  /// Above any model; keeps the table of a hostile file in the hundreds of megabytes.
  static constexpr std::size_t kMaxTensors = std::size_t{1} << 20;

  Metadata& metadata() { return file_->metadata_; }
  std::size_t tensor_count() const { return file_->tensors_.size(); }
  /// Where a tensor stands among those added so far.
  std::optional<std::size_t> position(std::string_view name) const {
    const auto found = file_->by_name_.find(name);
    return found == file_->by_name_.end() ? std::nullopt : std::optional(found->second);
  }

  /// False when there is a tensor of that name already.
  [[nodiscard]] bool add(TensorView tensor) {
    if (!file_->by_name_.emplace(tensor.name, file_->tensors_.size()).second) return false;
    file_->tensors_.push_back(std::move(tensor));
    return true;
  }

  /// Keeps `mapping` alive as long as the TensorFile, and returns its bytes.
  std::span<const std::byte> keep(MappedFile mapping) {
    const auto kept = std::make_shared<const MappedFile>(std::move(mapping));
    file_->mappings_.push_back(kept);
    file_->file_bytes_ += kept->bytes().size();
    return kept->bytes();
  }

  void add_raw_key(RawKey key) { file_->raw_keys_.push_back(std::move(key)); }
  void set_alignment(std::uint64_t alignment) { file_->alignment_ = alignment; }

  void count_bytes(std::uint64_t bytes) { file_->file_bytes_ += bytes; }

  std::shared_ptr<const TensorFile> finish(std::string path, std::string format) {
    file_->path_ = std::move(path);
    file_->format_ = std::move(format);
    return std::move(file_);
  }

 private:
  std::shared_ptr<TensorFile> file_ = std::make_shared<TensorFile>();
};

}  // namespace tq
