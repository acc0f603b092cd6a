#include "turboquant/quantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
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

constexpr std::uint64_t kAlignment = 32;  // what readers expect without a key
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr std::uint64_t kCodedAlignment = 64;  // a cache line: scales and words of a group then fill whole ones

GgufEntry entry_of(const PlannedTensor& tensor) {
  if (!tensor.coding)
    return {tensor.source.name, find_ggml_type(std::string_view(tensor.report.type)), tensor.report.shape};
  const std::uint64_t bytes = tensor.report.output_bytes;
  const std::uint64_t group = tensor.to == nullptr ? bytes : tensor.to->group_bytes();
  return {
      tensor.source.name + std::string(kCodedSuffix), find_ggml_type(std::string_view("i8")), {bytes / group, group}};
}

/// What decides about the bytes of a file beside its header: samples of the input, and the text. Two models of one
/// shape differ nearly everywhere.
std::uint64_t run_checksum(const TensorFile& file, const QuantizeOptions& options) {
  constexpr std::size_t kSample = 4096;
  Checksum sum;
  for (const TensorView& tensor : file.tensors()) {
    const std::size_t n = std::min(kSample, tensor.bytes.size());
    sum.add(as_bytes(tensor.name));
    sum.add(tensor.bytes.first(n));
    sum.add(tensor.bytes.last(n));
  }
  if (options.calibration != nullptr) {
    sum.add(std::as_bytes(std::span(&options.calibration->context, 1)));
    sum.add(std::as_bytes(std::span(options.calibration->tokens)));
  }
  if (options.importance != nullptr) {
    for (const auto& [tensor, squares] : options.importance->squares) {
      sum.add(as_bytes(tensor));
      sum.add(std::as_bytes(std::span(squares)));
    }
  }
  return sum.value();
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
    done_sums_.resize(plan_.size());
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
    Result<OutputFile> created = options_.resume ? OutputFile::reopen(path) : OutputFile::create(path);
    if (!created) return fail(std::move(created));
    OutputFile& out = *created;
    if (options_.resume && !find_done(*placeholder, path, out)) {
      out.keep();  // of the other run
      return std::unexpected(error_);
    }
    if (!take(out.reserve(size_)) || !take(out.write(as_bytes(*placeholder))) || !take(pad_gguf(out, alignment_)))
      return std::unexpected(error_);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      if (is_done(i, out) || write_tensor(i, out)) continue;
      if (options_.resume && error_.code == ErrorCode::kInterrupted) out.keep();
      return std::unexpected(error_);
    }
    is_complete_ = true;
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
    if (!options_.plain) digits_end_ = add_coding_keys(*keys, plan_, checksums_);
    std::string text = gguf_header(*keys, entries_, alignment_);
    size_ = gguf_size(*keys, entries_, alignment_);
    if (options_.plain) return text;
    // While tensors are missing, what tells a run of another input or other options stands there: no checksum.
    const std::uint64_t sum =
        is_complete_ ? header_checksum(as_bytes(text), digits_end_) : run_checksum(file_, options_);
    const std::string digits = checksum_text(sum);
    std::memcpy(text.data() + digits_end_ - digits.size(), digits.data(), digits.size());
    return text;
  }

  /// Where the digits of a tensor's checksum begin: the list stands before the header's checksum.
  std::size_t checksum_at(std::size_t i) const {
    constexpr std::size_t kLength = sizeof(std::uint64_t), kType = sizeof(std::uint32_t);
    const std::size_t end = digits_end_ - kChecksumDigits - kLength - kType - kHeaderChecksumKey.size() - kLength;
    return end - (plan_.size() - i) * (kLength + kChecksumDigits) + kLength;
  }

  /// Reads from the .part which tensors a killed run has marked as done. False, with the error, for another run's.
  bool find_done(const std::string& placeholder, const fs::path& path, const OutputFile& out) {
    std::string left(placeholder.size(), '\0');
    if (!out.read_at(0, std::as_writable_bytes(std::span(left)))) return true;
    if (left.find_first_not_of('\0') == left.npos) return true;
    std::string unmarked = left;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      char* digits = unmarked.data() + checksum_at(i);
      std::fill_n(digits, kChecksumDigits, '0');
      std::from_chars(left.data() + checksum_at(i), left.data() + checksum_at(i) + kChecksumDigits, done_sums_[i], 16);
    }
    if (unmarked == placeholder) return true;
    error_ = {ErrorCode::kUsage,
              fmt::format("{}.part was left by a run of another input or with other options; without "
                          "--resume it is written over",
                          path.string())};
    return false;
  }

  /// Goes over a tensor whose bytes in the .part have the checksum that the killed run had noted.
  bool is_done(std::size_t i, OutputFile& out) {
    if (done_sums_[i] == 0) return false;
    Checksum sum;
    std::vector<std::byte> part(kReadBytes);
    const std::uint64_t bytes = plan_[i].report.output_bytes;
    for (std::uint64_t at = 0; at < bytes; at += part.size()) {
      part.resize(std::min<std::uint64_t>(kReadBytes, bytes - at));
      if (!out.read_at(out.size() + at, part)) return false;
      sum.add(part);
    }
    if (sum.value() != done_sums_[i]) return false;
    out.skip(bytes);
    note_done(i, sum.value());
    if (progress_) progress_(plan_[i].report, done_, total_);
    return take(pad_gguf(out, alignment_)) && take(mark(i, out));
  }

  void note_done(std::size_t i, std::uint64_t sum) {
    checksums_[i] = sum;
    done_ += plan_[i].report.input_bytes;
  }

  Result<void> mark(std::size_t i, OutputFile& out) {
    return options_.plain ? Result<void>{} : out.write_at(checksum_at(i), as_bytes(checksum_text(checksums_[i])));
  }

  bool write_tensor(std::size_t i, OutputFile& out) {
    PlannedTensor& tensor = plan_[i];
    Checksum sum;
    const std::uint64_t begin = out.size(), bytes = tensor.report.output_bytes;
    const auto sink = [&](std::span<const std::byte> part) -> Result<void> {
      sum.add(part);
      if (Result<void> written = out.write(part); !written) return written;
      const double share =
          static_cast<double>(out.size() - begin) / static_cast<double>(std::max<std::uint64_t>(1, bytes));
      const auto here = static_cast<std::uint64_t>(share * static_cast<double>(tensor.report.input_bytes));
      release_read(tensor.source, here);
      if (!progress_ || progress_(tensor.report, done_ + here, total_)) return {};
      return fail(ErrorCode::kInterrupted,
                  options_.resume ? "stopped before the file was complete; the same command goes on from here"
                                  : "stopped before the file was complete; nothing was written");
    };
    for (const std::shared_ptr<Prescale>& prescale : {tensor.reads, tensor.makes}) {
      if (prescale != nullptr) prescale->make();
    }
    std::unique_ptr<const FeedbackEncoder> encoder;
    if (!make_encoder(tensor, encoder)) return false;
    if (!take(encode_tensor(tensor, file_.path(), pool_, encoder.get(), sink)) || !take(pad_gguf(out, alignment_)))
      return false;
    note_done(i, sum.value());
    return take(mark(i, out));
  }

  /// The pages of the first `bytes` of a tensor are not needed any more.
  void release_read(const GgufTensorView& source, std::uint64_t bytes) {
    const std::vector<const TensorView*> whole = {source.view};
    for (const TensorView* part : source.experts.empty() ? whole : source.experts) {
      const auto read = part->bytes.first(std::min<std::uint64_t>(bytes, part->bytes.size()));
      file_.release(read);
      bytes -= read.size();
    }
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
  std::vector<std::uint64_t> checksums_, done_sums_;  ///< of what was written; of what a killed run had noted, or 0
  std::size_t digits_end_ = 0;                        ///< of the header's checksum
  bool is_complete_ = false;
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
  if (options.resume && options.plain)
    return fail(ErrorCode::kUsage, "a plain file has no checksums to go on from; --resume is for compressed ones");
  if (options.calibration != nullptr && options.importance != nullptr)
    return fail(
        ErrorCode::kUsage,
        "calibration knows all that an importance matrix says, and more; give one of --calibrate and --imatrix");
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
