#include <fmt/format.h>

#include "engine/matrix.h"
#include "formats/checksum.h"
#include "turboquant/quantize.h"

namespace tq {
namespace {

/// Nothing where the bytes are what the codec of the tensor asks for.
std::string size_problem(const TensorView& tensor, CodecCache& codecs) {
  const Result<std::shared_ptr<const Codec>> codec = codecs.get(*tensor.coding, tensor.shape[1]);
  if (!codec) return fmt::format("the tensor {}: {}", tensor.name, codec.error().message);
  const std::size_t expected = (*codec)->storage_bytes(tensor.shape[0]);
  if (tensor.bytes.size() == expected) return {};
  return fmt::format("the tensor {} has {} bytes, and its shape asks for {}", tensor.name, tensor.bytes.size(),
                     expected);
}

std::string checksum_problem(const TensorView& tensor) {
  const std::uint64_t sum = checksum(tensor.bytes);
  if (sum == tensor.checksum) return {};
  return fmt::format("the tensor {} has the checksum {}, and the file says {}; it is damaged, fetch the file again",
                     tensor.name, checksum_text(sum), checksum_text(*tensor.checksum));
}

}  // namespace

Result<FileCheck> check_file(const TensorFile& file, const QuantizeProgress& progress) {
  FileCheck check{.tensors = file.tensors().size()};
  std::uint64_t total = 0;
  for (const TensorView& tensor : file.tensors()) total += tensor.bytes.size();
  CodecCache codecs;
  for (const TensorView& tensor : file.tensors()) {
    std::string problem = tensor.coding ? size_problem(tensor, codecs) : "";
    if (!problem.empty()) check.problems.push_back(std::move(problem));
    if (tensor.checksum) {
      problem = checksum_problem(tensor);
      if (!problem.empty()) check.problems.push_back(std::move(problem));
      ++check.checksums;
    }
    check.bytes += tensor.bytes.size();
    file.release(tensor.bytes);
    const QuantizedTensor current{.name = tensor.name, .source_type = tensor.type, .type = tensor.type};
    if (progress && !progress(current, check.bytes, total))
      return fail(ErrorCode::kInterrupted, "stopped before every tensor was checked");
  }
  return check;
}

}  // namespace tq
