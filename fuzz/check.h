// What holds for every input of a parser of model files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "formats/tensor_file_builder.h"

namespace tq::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Refusals name the file and are one line.
inline void check_error(const Error& error, std::string_view name) {
  require(error.code == ErrorCode::kBadFile || error.code == ErrorCode::kOutOfMemory);
  require(error.message.starts_with(name) && error.message.size() > name.size() + 2);
  for (const char c : error.message) require(!((c >= 0 && c < 0x20) || c == 0x7F));
}

/// Tensors have names of their own and lie within the input, none over another.
inline void check_tensors(const TensorFile& file, std::span<const std::byte> input) {
  std::vector<std::span<const std::byte>> extents;
  for (const TensorView& tensor : file.tensors()) {
    require(file.find(tensor.name) == &tensor);
    require(tensor.elements() > 0 || tensor.bytes.empty());
    if (!tensor.bytes.empty()) extents.push_back(tensor.bytes);
  }
  const std::less<const std::byte*> before;
  std::sort(extents.begin(), extents.end(), [&](const auto& a, const auto& b) { return before(a.data(), b.data()); });
  const std::byte* end = input.data();
  for (const std::span<const std::byte> extent : extents) {
    require(!before(extent.data(), end));
    end = extent.data() + extent.size();
  }
  require(!before(input.data() + input.size(), end));
}

/// Runs one of the readers that fill a builder.
template <class Parse>
void check_reader(const std::uint8_t* data, std::size_t size, Parse&& parse) {
  const auto input = std::as_bytes(std::span(data, size));
  TensorFileBuilder builder;
  if (const Result<void> read = parse(input, "input", builder); !read) return check_error(read.error(), "input");
  check_tensors(*builder.finish("input", "test"), input);
}

}  // namespace tq::fuzz
