// A GGUF as `tq quantize` writes it, whose parts can be set one by one.
#pragma once

#include "formats/checksum.h"
#include "support/model_bytes.h"

namespace tq::test {

inline std::string texts(const std::vector<std::string>& values) {
  Bytes bytes;
  for (const std::string& value : values) bytes.add_text(value);
  return bytes.get();
}

inline std::string integers(const std::vector<std::int64_t>& values) {
  Bytes bytes;
  for (const std::int64_t value : values) bytes.add(value);
  return bytes.get();
}

/// One coded tensor of 32 rows of 16 values, tq4 interleaved, and one f32 tensor of 8.
struct CodedGguf {
  std::uint32_t version = 1;
  std::vector<std::string> codecs = {
      "tq4 rotation=random-hadamard rounds=3 block=0 scale=least-squares wide=0 layout=interleaved seed=1 version=1"};
  std::vector<std::string> names = {"blk.0.a.weight", "norm.weight"};
  std::vector<std::int64_t> indices = {0, -1}, rows = {32, 0}, columns = {16, 0};
  std::vector<GgufTensor> tensors = {{"blk.0.a.weight.tqw", {320, 1}, 24, 0}, {"norm.weight", {8}, 0, 320}};
  std::string payload = std::string(320, '\1') + counted_floats(8);
  std::vector<std::string> sums = {checksum_text(checksum(bytes_of(payload).first(320))),
                                   checksum_text(checksum(bytes_of(payload).subspan(320)))};
  std::string left_out;  ///< the name of a key
  bool right_header_sum = true;

  Gguf parts() const {
    Gguf file;
    file.keys = {text_key("general.architecture", "llama"),
                 key<std::uint32_t>("turboquant.version", kU32, version),
                 array_key("turboquant.codecs", kText, codecs.size(), texts(codecs)),
                 array_key("turboquant.tensor.names", kText, names.size(), texts(names)),
                 array_key("turboquant.tensor.codecs", kI64, indices.size(), integers(indices)),
                 array_key("turboquant.tensor.rows", kI64, rows.size(), integers(rows)),
                 array_key("turboquant.tensor.columns", kI64, columns.size(), integers(columns)),
                 array_key("turboquant.tensor.checksums", kText, sums.size(), texts(sums)),
                 text_key("turboquant.header_checksum", std::string(16, '0'))};
    std::erase_if(file.keys,
                  [&](const std::string& entry) { return !left_out.empty() && entry.substr(8).starts_with(left_out); });
    file.tensors = tensors;
    file.data = payload;
    return file;
  }

  std::size_t header_bytes() const { return parts().table().size(); }

  std::string bytes() const {
    const Gguf file = parts();
    std::string whole = file.bytes();
    const std::string name = "turboquant.header_checksum";
    const std::size_t at = whole.find(name);
    if (at == std::string::npos || !right_header_sum) return whole;
    const std::size_t digits = at + name.size() + 4 + 8;  // behind type and length
    const std::string sum = checksum_text(header_checksum(bytes_of(whole).first(file.table().size()), digits + 16));
    return whole.replace(digits, sum.size(), sum);
  }
};

}  // namespace tq::test
