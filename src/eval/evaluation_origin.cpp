#include "eval/evaluation_origin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/file.h"
#include "eval/provenance.h"
#include "turboquant/plan.h"

namespace tq::eval {
namespace {

/// Names, types, shapes and 64 pieces of 64 bytes all over each tensor: reading all would read a mapped model from
/// disk.
std::string hash_of(const TensorFile& file) {
  constexpr std::size_t kPieces = 64, kBytes = 64;
  std::string bytes;
  for (const TensorView& tensor : file.tensors()) {
    bytes += fmt::format("{} {} {}\n", tensor.name, tensor.type, fmt::join(tensor.shape, "x"));
    const std::size_t size = tensor.bytes.size();
    if (size <= kPieces * kBytes) {
      bytes += as_text(tensor.bytes);
      continue;
    }
    for (std::size_t i = 0; i < kPieces; ++i)
      bytes += as_text(tensor.bytes.subspan((size - kBytes) / (kPieces - 1) * i, kBytes));
  }
  return sha256_hex(bytes);
}

}  // namespace

std::string describe_evaluation(const EvalOptions& options, const Windows& windows, std::span<const Lane> lanes,
                                const EvaluationOrigin& origin) {
  std::string text = fmt::format(
      "version: {}\ntext: {}\ncontext: {}\nwindows: {}\npath: {}\nbase: {}\nseed: {}\ncontinuations: {} of {}\nnoise "
      "floor: {}\n",
      TQ_VERSION, origin.text_sha256, windows.context, windows.count(), options.decode ? "decode" : "prefill",
      origin.base, options.seed, options.continuations, options.continuation_tokens, options.noise_floor);
  for (const Lane& lane : lanes)
    text += fmt::format("row: weights {} ({:.6f} bits), cache {}\n", lane.model().weights_name(),
                        lane.model().footprint().bits_per_weight(), lane.cache().name());
  for (const std::string& name : options.weights) {
    const Result<std::string> plan = names_a_plan(name) ? read_file(name, 1U << 24) : Result<std::string>("");
    if (plan && !plan->empty()) text += fmt::format("plan: {}\n", sha256_hex(*plan));
  }
  std::vector<const TensorFile*> files;
  for (const Lane& lane : lanes) {
    const TensorFile* file = &lane.model().file();
    if (std::ranges::find(files, file) != files.end()) continue;
    files.push_back(file);
    text += fmt::format("tensors: {}\n", hash_of(*file));
  }
  return text;
}

void forget_base(EvalRow& base) {
  constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
  base.weights = base.kv = "unknown";
  base.weights_bpw = base.weights_bpw_linear = base.kv_bits_k = base.kv_bits_v = kUnknown;
  base.weights_bytes = base.kv_bytes = base.peak_rss_bytes = 0;
}

}  // namespace tq::eval
