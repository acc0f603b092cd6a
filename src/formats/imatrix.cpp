#include "turboquant/imatrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bytes.h"
#include "base/file.h"
#include "formats/gguf_writer.h"
#include "formats/message.h"
#include "turboquant/tensor_file.h"

namespace tq {
namespace {

constexpr std::string_view kSquaresSuffix = ".in_sum2", kCountsSuffix = ".counts";
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kLeastEntryBytes = 3 * sizeof(std::int32_t);  // of the binary form

bool are_squares(std::span<const float> values) {
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value) && value >= 0; });
}

std::vector<float> floats_of(const TensorView& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

/// Entries of name, calls, values that are means times calls; then, perhaps, chunks and the name of the text. Each step
/// returns false after the first failure, which is kept in error_.
class BinaryReader {
 public:
  BinaryReader(std::span<const std::byte> bytes, std::string_view name) : reader_(bytes), name_(name) {}

  Result<ImportanceMatrix> read() {
    std::int32_t entries = 0;
    if (!reader_.read(entries) || entries <= 0 ||
        static_cast<std::size_t>(entries) > reader_.remaining() / kLeastEntryBytes)
      return bad_file(name_, "it begins as no importance matrix of llama-imatrix does");
    for (std::int32_t i = 0; i < entries; ++i) {
      if (!read_entry()) return std::unexpected(error_);
    }
    if (!read_end()) return std::unexpected(error_);
    return std::move(matrix_);
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name_, what, std::forward<Args>(args)...).error();
    return false;
  }

  bool read_text(std::string_view& text) {
    std::int32_t size = 0;
    return reader_.read(size) && size >= 0 && reader_.take(static_cast<std::uint64_t>(size), text);
  }

  bool read_entry() {
    std::string_view tensor;
    std::int32_t calls = 0, count = 0;
    std::span<const std::byte> bytes;
    if (!read_text(tensor) || !reader_.read(calls) || !reader_.read(count) || count < 0 ||
        !reader_.take(static_cast<std::uint64_t>(count) * sizeof(float), bytes))
      return refuse("an entry goes beyond the end; fetch the file again");
    if (tensor.empty() || tensor.size() > kMaxNameBytes || calls <= 0 || count == 0)
      return refuse("an entry has no name of at most {} bytes, no calls or no values", kMaxNameBytes);
    std::vector<float> values(static_cast<std::size_t>(count));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    for (float& value : values) value /= static_cast<float>(calls);
    if (!are_squares(values)) return refuse("the tensor {} has a value that is no mean of squares", in_quotes(tensor));
    const auto [at, added] = matrix_.squares.emplace(tensor, std::move(values));
    return added || refuse("the tensor {} stands twice", in_quotes(tensor));
  }

  bool read_end() {
    std::int32_t chunks = 0;
    std::string_view text;
    if (reader_.remaining() == 0) return true;
    if (!reader_.read(chunks) || (reader_.remaining() > 0 && !read_text(text)) || reader_.remaining() > 0)
      return refuse("behind its entries are bytes that mean nothing");
    matrix_.text = text;
    return true;
  }

  ByteReader reader_;
  std::string_view name_;
  ImportanceMatrix matrix_;
  Error error_;
};

/// `NAME.in_sum2`, columns x experts, and `NAME.counts`, one for each expert, both f32.
Result<ImportanceMatrix> read_gguf(std::span<const std::byte> bytes, std::string_view name) {
  const auto file = TensorFile::from_gguf(bytes, std::string(name));
  if (!file) return std::unexpected(file.error());
  const Metadata& keys = (*file)->metadata();
  if (keys.string("general.type") != "imatrix")
    return bad_file(name, "it is a GGUF, but not the importance matrix that llama-imatrix writes");
  ImportanceMatrix matrix;
  if (const auto* texts = keys.strings("imatrix.datasets"); texts != nullptr && !texts->empty())
    matrix.text = texts->front();
  for (const TensorView& sums : (*file)->tensors()) {
    if (!sums.name.ends_with(kSquaresSuffix)) continue;
    const std::string stem = sums.name.substr(0, sums.name.size() - kSquaresSuffix.size());
    const TensorView* counted = (*file)->find(stem + std::string(kCountsSuffix));
    if (counted == nullptr || counted->type != "f32" || sums.type != "f32" || stem.empty())
      return bad_file(name, "the sums of {} have no counts, or one of them is not f32", in_quotes(stem));
    std::vector<float> values = floats_of(sums);
    const std::vector<float> counts = floats_of(*counted);
    if (counts.empty() || values.empty() || values.size() % counts.size() != 0 || !are_squares(values) ||
        !are_squares(counts))
      return bad_file(name, "the sums and counts of {} do not fit each other or are no sums of squares",
                      in_quotes(stem));
    const std::size_t columns = values.size() / counts.size();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float count = counts[i / columns];
      values[i] = count > 0 ? values[i] / count : 0;
      if (!std::isfinite(values[i])) return bad_file(name, "the counts of {} are no counts", in_quotes(stem));
    }
    matrix.tokens = std::max(matrix.tokens, static_cast<std::uint64_t>(std::min(counts.front(), 1e18F)));
    matrix.squares.emplace(stem, std::move(values));
  }
  if (matrix.squares.empty()) return bad_file(name, "it holds no sums of squares");
  return matrix;
}

}  // namespace

Result<ImportanceMatrix> parse_imatrix(std::span<const std::byte> bytes, std::string_view name) {
  if (as_text(bytes).starts_with("GGUF")) return read_gguf(bytes, name);
  return BinaryReader(bytes, name).read();
}

Result<ImportanceMatrix> read_imatrix(const std::filesystem::path& path) {
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  return parse_imatrix(file->bytes(), path.string());
}

Result<void> write_imatrix(const ImportanceMatrix& matrix, std::uint32_t chunk_tokens,
                           const std::filesystem::path& path) {
  constexpr std::uint64_t kAlignment = 32;
  GgufKeys keys;
  keys.add("general.type", std::string_view("imatrix"));
  keys.add("imatrix.datasets", std::vector<std::string>{matrix.text});
  keys.add("imatrix.chunk_count", static_cast<std::uint32_t>(matrix.tokens / std::max<std::uint32_t>(1, chunk_tokens)));
  keys.add("imatrix.chunk_size", chunk_tokens);
  std::vector<GgufEntry> entries;
  const GgmlType* f32 = find_ggml_type(std::string_view("f32"));
  for (const auto& [tensor, squares] : matrix.squares) {
    entries.push_back({tensor + std::string(kSquaresSuffix), f32, {1, squares.size()}});
    entries.push_back({tensor + std::string(kCountsSuffix), f32, {1, 1}});
  }
  Result<OutputFile> out = OutputFile::create(path);
  if (!out) return fail(std::move(out));
  const auto put = [&](std::span<const std::byte> bytes) -> Result<void> {
    if (Result<void> written = out->write(bytes); !written) return written;
    return pad_gguf(*out, kAlignment);
  };
  if (Result<void> written = put(as_bytes(gguf_header(keys, entries, kAlignment))); !written) return written;
  const auto count = static_cast<float>(matrix.tokens);
  for (const auto& [tensor, squares] : matrix.squares) {
    std::vector<float> sums = squares;
    for (float& sum : sums) sum *= count;
    if (Result<void> written = put(std::as_bytes(std::span(sums))); !written) return written;
    if (Result<void> written = put(std::as_bytes(std::span(&count, 1))); !written) return written;
  }
  return out->commit();
}

}  // namespace tq
