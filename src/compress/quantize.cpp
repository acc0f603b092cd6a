#include "turboquant/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <system_error>

#include "base/bytes.h"
#include "base/output_file.h"
#include "base/thread_pool.h"
#include "compress/calibrate.h"
#include "compress/encode_tensor.h"
#include "compress/gguf_keys.h"
#include "compress/plan.h"
#include "formats/checksum.h"
#include "formats/coded_tensors.h"
#include "formats/gguf_writer.h"

namespace tq {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t kAlignment = 32;       // what readers expect without a key
constexpr std::uint64_t kCodedAlignment = 64;  // a cache line: scales and words of a group then fill whole ones

GgufEntry entry_of(const PlannedTensor& tensor) {
  if (!tensor.coding)
    return {tensor.source.name, find_ggml_type(std::string_view(tensor.report.type)), tensor.report.shape};
  const std::uint64_t bytes = tensor.report.output_bytes;
  const std::uint64_t group = tensor.to == nullptr ? bytes : tensor.to->group_bytes();
  return {
      tensor.source.name + std::string(kCodedSuffix), find_ggml_type(std::string_view("i8")), {bytes / group, group}};
}

Result<void> check_path(const TensorFile& file, const fs::path& path, bool replace) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  const fs::path input = file.path(), folder = fs::weakly_canonical(path, ignored).parent_path();
  const bool is_input = fs::equivalent(path, input, ignored) || fs::equivalent(folder, input, ignored);
  if (is_input)
    return fail(ErrorCode::kUsage, fmt::format("{} is the input or a part of it; choose another name", path.string()));
  if (!replace)
    return fail(ErrorCode::kUsage,
                fmt::format("{} exists; choose another name, or say that it may be replaced (--force)", path.string()));
  return {};
}

/// Writes one file. Each step returns false after the first failure, which is kept in error_.
class Writer {
 public:
  Writer(const TensorFile& file, std::vector<PlannedTensor>& plan, const QuantizeOptions& options,
         const QuantizeProgress& progress)
      : file_(file), plan_(plan), options_(options), progress_(progress), pool_(options.threads) {
    for (const PlannedTensor& tensor : plan_) {
      entries_.push_back(entry_of(tensor));
      total_ += tensor.report.input_bytes;
      if (tensor.coding) alignment_ = kCodedAlignment;
    }
    checksums_.resize(plan_.size());
  }

  /// Bytes of the file.
  Result<std::uint64_t> write(const fs::path& path) {
    Result<std::string> placeholder = header();
    if (!placeholder) return fail(std::move(placeholder));
    if (options_.calibration != nullptr) {
      Result<std::unique_ptr<Calibrator>> made = Calibrator::create(file_, *options_.calibration, pool_);
      if (!made) return fail(std::move(made));
      calibrator_ = std::move(*made);
    }
    Result<OutputFile> created = OutputFile::create(path);
    if (!created) return fail(std::move(created));
    OutputFile& out = *created;
    if (!take(out.reserve(size_)) || !take(out.write(as_bytes(*placeholder))) || !take(pad_gguf(out, alignment_)))
      return std::unexpected(error_);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      if (!write_tensor(i, out)) return std::unexpected(error_);
    }
    const Result<std::string> final_header = header();  // of the same size: checksums have 16 digits always
    if (!final_header) return std::unexpected(final_header.error());
    if (!take(out.write_at(0, as_bytes(*final_header))) || !take(out.commit())) return std::unexpected(error_);
    return out.size();
  }

 private:
  bool take(Result<void>&& result) {
    if (!result) error_ = std::move(result).error();
    return result.has_value();
  }

  Result<std::string> header() {
    Result<GgufKeys> keys = model_keys(file_, alignment_);
    if (!keys) return fail(std::move(keys));
    std::size_t digits_end = 0;
    if (!options_.plain) digits_end = add_coding_keys(*keys, plan_, checksums_);
    std::string text = gguf_header(*keys, entries_, alignment_);
    size_ = gguf_size(*keys, entries_, alignment_);
    if (options_.plain) return text;
    const std::string digits = checksum_text(header_checksum(as_bytes(text), digits_end));
    std::memcpy(text.data() + digits_end - digits.size(), digits.data(), digits.size());
    return text;
  }

  bool write_tensor(std::size_t i, OutputFile& out) {
    PlannedTensor& tensor = plan_[i];
    Checksum sum;
    const std::uint64_t begin = out.size(), bytes = tensor.report.output_bytes;
    TensorView behind = *tensor.source.view;  // what was read; its pages are not needed any more
    const auto sink = [&](std::span<const std::byte> part) -> Result<void> {
      sum.add(part);
      if (Result<void> written = out.write(part); !written) return written;
      const double share =
          static_cast<double>(out.size() - begin) / static_cast<double>(std::max<std::uint64_t>(1, bytes));
      const auto here = static_cast<std::uint64_t>(share * static_cast<double>(tensor.report.input_bytes));
      behind.bytes = tensor.source.view->bytes.first(std::min<std::size_t>(here, tensor.source.view->bytes.size()));
      file_.release(behind);
      if (!progress_ || progress_(tensor.report, done_ + here, total_)) return {};
      return fail(ErrorCode::kInterrupted, "stopped before the file was complete; nothing was written");
    };
    std::unique_ptr<const FeedbackEncoder> encoder;
    if (!make_encoder(tensor, encoder)) return false;
    if (!take(encode_tensor(tensor, file_.path(), pool_, encoder.get(), sink)) || !take(pad_gguf(out, alignment_)))
      return false;
    checksums_[i] = sum.value();
    done_ += tensor.report.input_bytes;
    return true;
  }

  /// Null where the tensor is not calibrated.
  bool make_encoder(const PlannedTensor& tensor, std::unique_ptr<const FeedbackEncoder>& encoder) {
    if (calibrator_ == nullptr || tensor.to == nullptr || !calibrator_->sees(tensor.source.name)) return true;
    if (!FeedbackEncoder::knows(tensor.to->spec())) return true;
    Result<std::shared_ptr<const HessianFactor>> factor = calibrator_->factor(tensor.source.name, *tensor.to);
    if (!factor) {
      error_ = std::move(factor).error();
      return false;
    }
    encoder = FeedbackEncoder::create(tensor.to->spec(), std::move(*factor));
    return true;
  }

  const TensorFile& file_;
  std::vector<PlannedTensor>& plan_;
  const QuantizeOptions& options_;
  const QuantizeProgress& progress_;
  ThreadPool pool_;
  std::unique_ptr<Calibrator> calibrator_;
  std::vector<GgufEntry> entries_;
  std::vector<std::uint64_t> checksums_;
  std::uint64_t alignment_ = kAlignment, size_ = 0, done_ = 0, total_ = 0;
  Error error_;
};

Result<std::uint64_t> size_of(const TensorFile& file, const std::vector<PlannedTensor>& plan, bool plain) {
  const bool coded = std::ranges::any_of(plan, [](const PlannedTensor& tensor) { return tensor.coding.has_value(); });
  const std::uint64_t alignment = coded ? kCodedAlignment : kAlignment;
  Result<GgufKeys> keys = model_keys(file, alignment);
  if (!keys) return fail(std::move(keys));
  std::vector<GgufEntry> entries;
  for (const PlannedTensor& tensor : plan) entries.push_back(entry_of(tensor));
  if (!plain) add_coding_keys(*keys, plan, std::vector<std::uint64_t>(plan.size()));
  return gguf_size(*keys, entries, alignment);
}

}  // namespace

Result<QuantizeReport> plan_quantize(const TensorFile& file, const QuantizeOptions& options) {
  const Result<std::vector<PlannedTensor>> plan = plan_tensors(file, options);
  if (!plan) return std::unexpected(plan.error());
  QuantizeReport report = report_of(file, *plan);
  const Result<std::uint64_t> size = size_of(file, *plan, options.plain);
  if (!size) return std::unexpected(size.error());
  report.output_bytes = *size;
  return report;
}

Result<QuantizeReport> quantize(const TensorFile& file, const fs::path& path, const QuantizeOptions& options,
                                const QuantizeProgress& progress) {
  const auto start = SteadyClock::now();
  if (Result<void> free = check_path(file, path, options.replace); !free) return fail(std::move(free));
  Result<std::vector<PlannedTensor>> plan = plan_tensors(file, options);
  if (!plan) return fail(std::move(plan));
  const Result<std::uint64_t> written = Writer(file, *plan, options, progress).write(path);
  if (!written) return std::unexpected(written.error());
  QuantizeReport report = report_of(file, *plan);
  report.output_bytes = *written;
  report.seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
  return report;
}

}  // namespace tq
