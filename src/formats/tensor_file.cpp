// THE list of file formats. A new one is a row of kFormats and a reader beside this file.
#include "turboquant/tensor_file.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "base/bytes.h"
#include "formats/gguf.h"
#include "formats/hugging_face.h"
#include "formats/llama2c.h"
#include "formats/message.h"
#include "formats/safetensors.h"
#include "formats/split_gguf.h"
#include "formats/tensor_file_builder.h"

namespace tq {
namespace {

namespace fs = std::filesystem;
using Bytes = std::span<const std::byte>;

struct Format {
  const char* name;
  std::string_view extension;  ///< decides when the bytes do not
  bool (*recognises)(Bytes bytes);
  Result<void> (*read)(const fs::path& path, Bytes bytes, TensorFileBuilder& builder);
};

bool begins_with(Bytes bytes, std::string_view start) { return as_text(bytes).starts_with(start); }

bool begins_as_safetensors(Bytes bytes) {
  ByteReader reader(bytes);
  std::uint64_t header = 0;
  std::uint8_t first = 0;
  return reader.read(header) && header <= kMaxSafetensorsHeader && reader.read(first) && first == '{';
}

constexpr std::array kFormats = {
    Format{"gguf", ".gguf", [](Bytes bytes) { return begins_with(bytes, "GGUF"); }, read_gguf_file},
    Format{"safetensors", ".safetensors", begins_as_safetensors, read_safetensors_file},
    Format{"llama2c", ".bin", [](Bytes bytes) { return begins_with(bytes, "24ka") || looks_like_llama2c(bytes); },
           [](const fs::path& path, Bytes bytes, TensorFileBuilder& builder) {
             return parse_llama2c(bytes, path.string(), builder);
           }},
};

/// What people hand over by mistake, and what to do then.
struct Stranger {
  std::string_view start;  ///< lower case; compared without regard to case
  const char* what;
};

constexpr std::array kStrangers = {
    Stranger{"<!doctype html", "this is a web page, not a model; use the link that downloads the file itself"},
    Stranger{"<?xml", "this is an XML page, not a model; use the link that downloads the file itself"},
    Stranger{"<html", "this is a web page, not a model; use the link that downloads the file itself"},
    Stranger{"version https://git-lfs",
             "this is a Git LFS pointer, not the model itself; run 'git lfs pull' in its repository"},
    Stranger{"lmgg", "this is a GGML file from before GGUF; convert the model again with a current tool"},
    Stranger{"fmgg", "this is a GGML file from before GGUF; convert the model again with a current tool"},
    Stranger{"tjgg", "this is a GGML file from before GGUF; convert the model again with a current tool"},
    Stranger{"pk\x03\x04", "this is a PyTorch checkpoint or another archive; convert it to safetensors or GGUF"},
    Stranger{"\x80\x02", "this is a PyTorch checkpoint; convert it to safetensors or GGUF"},
    Stranger{"{", "this is a JSON file, not a model; name the folder that holds it"},
};

/// White space in front does not count: web servers put it before their pages.
bool begins_without_case(Bytes bytes, std::string_view start) {
  std::string_view text = as_text(bytes);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(), [&](char a, char b) { return a == lower(b); });
}

Result<const Format*> find_format(const fs::path& path, Bytes bytes) {
  for (const Format& format : kFormats) {
    if (format.recognises(bytes)) return &format;
  }
  if (bytes.empty()) return bad_file(path.string(), "the file is empty; fetch it again");
  for (const Stranger& stranger : kStrangers) {
    if (begins_without_case(bytes, stranger.start)) return bad_file(path.string(), "{}", stranger.what);
  }
  for (const Format& format : kFormats) {
    if (path.extension() == format.extension) return &format;
  }
  return bad_file(path.string(), "this is neither GGUF nor safetensors nor a llama2.c checkpoint");
}

}  // namespace

std::uint64_t TensorView::elements() const {
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : shape) product *= dimension;
  return product;
}

const TensorView* TensorFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

void TensorFile::release(std::span<const std::byte> part) const {
  for (const auto& mapping : mappings_) mapping->release(part);
}

Result<std::shared_ptr<const TensorFile>> TensorFile::open(const fs::path& path) {
  TensorFileBuilder builder;
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    if (Result<void> read = read_hugging_face_folder(path, builder); !read) return fail(std::move(read));
    return builder.finish(path.string(), "safetensors");
  }
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) return fail(std::move(file));
  const Bytes bytes = builder.keep(std::move(*file));
  const Result<const Format*> format = find_format(path, bytes);
  if (!format) return std::unexpected(format.error());
  if (Result<void> read = (*format)->read(path, bytes, builder); !read) return fail(std::move(read));
  return builder.finish(path.string(), (*format)->name);
}

Result<std::shared_ptr<const TensorFile>> TensorFile::from_gguf(std::span<const std::byte> bytes, std::string name) {
  TensorFileBuilder builder;
  if (Result<void> read = parse_gguf(bytes, name, builder); !read) return fail(std::move(read));
  builder.count_bytes(bytes.size());
  return builder.finish(std::move(name), "gguf");
}

}  // namespace tq
