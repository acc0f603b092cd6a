#include "formats/coded_tensors.h"

#include <array>
#include <charconv>
#include <optional>

#include "base/checked.h"
#include "formats/checksum.h"
#include "formats/message.h"

namespace tq {
namespace {

constexpr unsigned kMostRounds = 16;
constexpr std::size_t kLongestCoding = 256;

template <class T>
struct Word {
  T value;
  std::string_view text;
};

// Not the dense one: making it takes dim³ operations, which a hostile file could ask for again and again.
constexpr std::array kRotations = {Word{RotationKind::kNone, "none"},
                                   Word{RotationKind::kRandomHadamard, "random-hadamard"},
                                   Word{RotationKind::kPlainHadamard, "plain-hadamard"}};
constexpr std::array kScales = {Word{ScaleRule::kUnbiased, "unbiased"}, Word{ScaleRule::kLeastSquares, "least-squares"},
                                Word{ScaleRule::kNorm, "norm"}};
constexpr std::array kLayouts = {Word{Layout::kRows, "rows"}, Word{Layout::kInterleaved, "interleaved"},
                                 Word{Layout::kTransposed, "transposed"}};

template <class T, std::size_t N>
std::string_view text_of(const std::array<Word<T>, N>& words, T value) {
  for (const Word<T>& word : words) {
    if (word.value == value) return word.text;
  }
  return {};
}

/// Takes a coding apart, field by field in the one order that there is.
class CodingReader {
 public:
  explicit CodingReader(std::string_view text) : rest_(text) {}

  std::string_view next() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return word;
  }

  template <class T, std::size_t N>
  bool word(std::string_view field, const std::array<Word<T>, N>& words, T& value) {
    const std::optional<std::string_view> text = text_behind(field);
    for (const Word<T>& known : words) {
      if (text == known.text) {
        value = known.value;
        return true;
      }
    }
    return false;
  }

  template <class T>
  bool number(std::string_view field, std::uint64_t highest, T& value) {
    const std::optional<std::string_view> text = text_behind(field);
    std::uint64_t raw = 0;
    if (!text) return false;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), raw);
    if (error != std::errc() || end != text->data() + text->size() || raw > highest) return false;
    value = static_cast<T>(raw);
    return true;
  }

 private:
  std::optional<std::string_view> text_behind(std::string_view field) {
    const std::string_view text = next();
    const bool is_it = text.size() > field.size() && text.starts_with(field) && text[field.size()] == '=';
    return is_it ? std::optional(text.substr(field.size() + 1)) : std::nullopt;
  }

  std::string_view rest_;
};

/// Each step returns false after the first failure, which is kept in error_.
class CodedTensorReader {
 public:
  CodedTensorReader(const Metadata& metadata, std::span<TensorView* const> tensors, std::string_view name)
      : metadata_(metadata), tensors_(tensors), name_(name) {}

  Result<void> read() {
    if (!read_version() || !read_codecs() || !read_lists()) return std::unexpected(error_);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (!read_tensor(i)) return std::unexpected(error_);
    }
    return {};
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name_, what, std::forward<Args>(args)...).error();
    return false;
  }

  bool read_version() {
    const std::int64_t version = metadata_.integer(kVersionKey).value_or(0);
    if (version == kCodedFileVersion) return true;
    return refuse("it was compressed as version {} of {}; this build reads version {}, a newer one may read it",
                  version, kVersionKey, kCodedFileVersion);
  }

  bool read_codecs() {
    const Metadata::Strings* texts = metadata_.strings(kCodecsKey);
    if (texts == nullptr) return refuse("the key {} is missing or no list of texts", kCodecsKey);
    for (const std::string& text : *texts) {
      const Result<CodecSpec> spec = parse_coding(text);
      if (!spec) return refuse("the key {}: {}", kCodecsKey, spec.error().message);
      codecs_.push_back(*spec);
    }
    return true;
  }

  bool read_lists() {
    names_ = metadata_.strings(kTensorsKey);
    checksums_ = metadata_.strings(kTensorChecksumsKey);
    const bool texts = is_complete(names_, kTensorsKey) && is_complete(checksums_, kTensorChecksumsKey);
    indices_ = metadata_.integers(kTensorCodecsKey);
    rows_ = metadata_.integers(kTensorRowsKey);
    columns_ = metadata_.integers(kTensorColumnsKey);
    return texts && is_complete(indices_, kTensorCodecsKey) && is_complete(rows_, kTensorRowsKey) &&
           is_complete(columns_, kTensorColumnsKey) && has_header_checksum();
  }

  template <class List>
  bool is_complete(const List* values, std::string_view key) {
    if (values != nullptr && values->size() == tensors_.size()) return true;
    return refuse("the key {} is missing or has not one entry for each of the {} tensors; one may be missing", key,
                  tensors_.size());
  }

  bool has_header_checksum() {
    if (parse_checksum(metadata_.string(kHeaderChecksumKey).value_or(""))) return true;
    return refuse("the key {} is missing or no checksum", kHeaderChecksumKey);
  }

  bool read_tensor(std::size_t i) {
    TensorView& tensor = *tensors_[i];
    const std::string quoted = in_quotes((*names_)[i]);
    const std::int64_t index = (*indices_)[i];
    const std::string stored = (*names_)[i] + std::string(index < 0 ? "" : kCodedSuffix);
    if ((*names_)[i].empty()) return refuse("the key {} has an empty name", kTensorsKey);
    if (tensor.name != stored)
      return refuse("the tensor {} stands where {} should; it is missing", in_quotes(tensor.name), in_quotes(stored));
    tensor.checksum = parse_checksum((*checksums_)[i]);
    if (!tensor.checksum) return refuse("the checksum of the tensor {} is none", quoted);
    if (index < 0) return true;
    if (static_cast<std::uint64_t>(index) >= codecs_.size())
      return refuse("the tensor {} has the codec {} of {}", quoted, index, codecs_.size());
    return give_shape(tensor, i, codecs_[static_cast<std::size_t>(index)], quoted);
  }

  /// A value takes a bit at least, so that the shape is bounded by the bytes.
  bool give_shape(TensorView& tensor, std::size_t i, const CodecSpec& codec, const std::string& quoted) {
    const std::int64_t rows = (*rows_)[i], columns = (*columns_)[i];
    if (tensor.type != "i8") return refuse("the tensor {} is coded and yet of the type {}", quoted, tensor.type);
    std::optional<std::uint64_t> values;
    if (rows > 0 && columns > 0)
      values = checked_multiply(static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns));
    if (!values || *values / 8 > tensor.bytes.size()) {
      return refuse("the tensor {} has {} rows of {} values, which its {} bytes cannot hold", quoted, rows, columns,
                    tensor.bytes.size());
    }
    if (!is_row_for_files(codec, static_cast<std::uint64_t>(columns)))
      return refuse("the tensor {} has rows of {} values, which have no fast rotation", quoted, columns);
    tensor.name = (*names_)[i];
    tensor.type = codec.name();
    tensor.shape = {static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns)};
    tensor.coding = codec;
    return true;
  }

  const Metadata& metadata_;
  std::span<TensorView* const> tensors_;
  std::string_view name_;
  std::vector<CodecSpec> codecs_;
  const Metadata::Strings *names_ = nullptr, *checksums_ = nullptr;
  const Metadata::Integers *indices_ = nullptr, *rows_ = nullptr, *columns_ = nullptr;
  Error error_;
};

}  // namespace

std::string coding_text(const CodecSpec& spec) {
  return fmt::format("{} rotation={} rounds={} block={} scale={} wide={} layout={} seed={} version={}", spec.name(),
                     text_of(kRotations, spec.rotation), spec.rounds, spec.max_block, text_of(kScales, spec.scale),
                     spec.wide_scale ? 1 : 0, text_of(kLayouts, spec.layout), spec.seed, spec.version);
}

Result<CodecSpec> parse_coding(std::string_view text) {
  const auto unknown = [&] {
    return fail(ErrorCode::kUsage,
                fmt::format("the codec {} is not known to this build; a newer one may know it", in_quotes(text)));
  };
  if (text.size() > kLongestCoding) return unknown();
  CodingReader reader(text);
  Result<CodecSpec> spec = CodecSpec::parse(reader.next());
  if (!spec) return unknown();
  const std::uint32_t newest = spec->version;
  const bool read =
      reader.word("rotation", kRotations, spec->rotation) && reader.number("rounds", kMostRounds, spec->rounds) &&
      reader.number("block", 1U << 24, spec->max_block) && reader.word("scale", kScales, spec->scale) &&
      reader.number("wide", 1, spec->wide_scale) && reader.word("layout", kLayouts, spec->layout) &&
      reader.number("seed", ~std::uint64_t{0}, spec->seed) && reader.number("version", newest, spec->version);
  // The text of what was read is the text: nothing stands behind it, nothing is written in another way.
  if (!read || spec->version == 0 || coding_text(*spec) != text) return unknown();
  return spec;
}

bool is_row_for_files(const CodecSpec& spec, std::uint64_t columns) {
  const auto has_small_table = [](std::uint64_t length) {
    constexpr std::uint64_t kLargestOddFactor = 8192;
    return length == 0 || length / (length & (~length + 1)) <= kLargestOddFactor;
  };
  if (spec.family == CodecFamily::kSplit)  // rotates its two parts
    return has_small_table(columns / 4) && has_small_table(columns - columns / 4);
  return spec.rotation == RotationKind::kNone || has_small_table(columns);
}

bool is_coded_file(const Metadata& metadata) {
  const auto first = metadata.values().lower_bound(kCodedKeys);
  return first != metadata.values().end() && first->first.starts_with(kCodedKeys);
}

Result<void> read_coded_tensors(const Metadata& metadata, std::span<TensorView* const> tensors, std::string_view name) {
  return CodedTensorReader(metadata, tensors, name).read();
}

}  // namespace tq
