#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/checked.h"
#include "formats/checksum.h"
#include "formats/coded_tensors.h"
#include "formats/ggml_types.h"
#include "formats/message.h"

namespace tq {
namespace {

constexpr std::uint64_t kMaxKeys = 65536;
constexpr std::uint64_t kMaxKeyBytes = 65535;  // of the format
constexpr std::uint64_t kMaxStringBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kMaxNameBytes = 63;  // ggml keeps 64 with the NUL
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::int64_t kMaxAlignment = 1 << 20;
// What the largest vocabularies need, ten times over. Charged before it is allocated, since a byte of the file can
// become eight in memory.
constexpr std::uint64_t kMaxMetadataMemory = std::uint64_t{256} << 20;

// The fewest bytes that a key (1 byte of name, type, 1 byte of value) and a tensor's entry (1 byte of name, 1
// dimension) take.
constexpr std::uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kLeastEntryBytes = 8 + 1 + 4 + 8 + 4 + 8;

enum ValueType : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

struct Entry {
  TensorView view;
  std::uint64_t offset = 0;  // from the start of the data
  std::uint64_t bytes = 0;
};

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

/// Each step returns false after the first failure, which is kept in error_.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder, bool may_be_part)
      : bytes_(bytes), name_(name), builder_(builder), reader_(bytes), may_be_part_(may_be_part) {}

  Result<void> read() {
    if (read_header() && read_metadata() && read_alignment() && read_entries() && place_tensors() && read_coding() &&
        add_tensors())
      return {};
    return std::unexpected(error_);
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name_, what, std::forward<Args>(args)...).error();
    return false;
  }

  bool refuse_end(std::string_view where) {
    return refuse("the file ends at byte {}, in {}; it is cut off, fetch it again", bytes_.size(), where);
  }

  bool read_header() {
    std::string_view magic;
    std::uint32_t version = 0;
    if (!reader_.take(4, magic)) return refuse_end("the header");
    if (magic != "GGUF") return refuse("this is not a GGUF file: it does not begin with the letters GGUF");
    if (!reader_.read(version)) return refuse_end("the header");
    if (version != 0 && (version & 0xFFFFU) == 0) {
      return refuse("this GGUF is big-endian, which is not supported; convert the model for a little-endian machine");
    }
    if (version == 1) return refuse("this GGUF has the old version 1; convert the model again with a current tool");
    if (version != 2 && version != 3) return refuse("this GGUF has version {}; versions 2 and 3 are known", version);
    if (!reader_.read(n_tensors_) || !reader_.read(n_keys_)) return refuse_end("the header");
    const std::uint64_t left = reader_.remaining();
    if (n_tensors_ > builder_.kMaxTensors || n_tensors_ > left / kLeastEntryBytes) {
      return refuse("the header claims {} tensors, which {} bytes cannot hold or no model has", n_tensors_,
                    bytes_.size());
    }
    if (n_keys_ > kMaxKeys || n_keys_ > left / kLeastKeyBytes) {
      return refuse("the header claims {} keys, which {} bytes cannot hold or no model has", n_keys_, bytes_.size());
    }
    return true;
  }

  // ---- metadata

  bool read_metadata() {
    for (std::uint64_t i = 0; i < n_keys_; ++i) {
      const std::size_t start = reader_.position();
      std::string_view key;
      std::uint32_t type = 0;
      Metadata::Value value;
      if (!read_string(key, "the name of a key")) return false;
      if (key.empty() || key.size() > kMaxKeyBytes || !is_printable_ascii(key)) {
        return refuse("the key at byte {} has a name of {} bytes that is not 1 to {} printable ASCII characters", start,
                      key.size(), kMaxKeyBytes);
      }
      where_ = fmt::format("the key {} at byte {}", in_quotes(key), start);
      if (!reader_.read(type)) return refuse_end(where_);
      if (!read_value(type, value)) return false;
      if (builder_.metadata().has(key)) return refuse("{} stands twice in the file", where_);
      if (key == kHeaderChecksumKey) checksum_end_ = reader_.position();
      builder_.metadata().set(std::string(key), std::move(value));
      builder_.add_raw_key({std::string(key), bytes_.subspan(start, reader_.position() - start)});
    }
    return true;
  }

  bool read_value(std::uint32_t type, Metadata::Value& value) {
    switch (type) {
      case kU8:
        return read_integer<std::uint8_t>(value);
      case kI8:
        return read_integer<std::int8_t>(value);
      case kU16:
        return read_integer<std::uint16_t>(value);
      case kI16:
        return read_integer<std::int16_t>(value);
      case kU32:
        return read_integer<std::uint32_t>(value);
      case kI32:
        return read_integer<std::int32_t>(value);
      case kU64:
        return read_integer<std::uint64_t>(value);
      case kI64:
        return read_integer<std::int64_t>(value);
      case kF32:
        return read_number<float>(value);
      case kF64:
        return read_number<double>(value);
      case kBool:
        return read_bool(value);
      case kString: {
        std::string_view text;
        if (!read_string(text, where_)) return false;
        value = std::string(text);
        return true;
      }
      case kArray:
        return read_array(value);
      default:
        return refuse("{} has the unknown value type {}", where_, type);
    }
  }

  template <class T>
  bool read_integer(Metadata::Value& value) {
    T raw = 0;
    if (!reader_.read(raw)) return refuse_end(where_);
    if (const auto fits = checked_cast<std::int64_t>(raw)) {
      value = *fits;
    } else {
      value = static_cast<std::uint64_t>(raw);
    }
    return true;
  }

  template <class T>
  bool read_number(Metadata::Value& value) {
    T raw = 0;
    if (!reader_.read(raw)) return refuse_end(where_);
    value = static_cast<double>(raw);
    return true;
  }

  bool read_bool(Metadata::Value& value) {
    std::uint8_t raw = 0;
    if (!reader_.read(raw)) return refuse_end(where_);
    if (raw > 1) return refuse("{} is a truth value of {}, which is neither 0 nor 1", where_, raw);
    value = raw == 1;
    return true;
  }

  bool read_string(std::string_view& text, std::string_view where) {
    std::uint64_t length = 0;
    if (!reader_.read(length)) return refuse_end(where);
    if (length > kMaxStringBytes) {
      return refuse("{} is a text of {} bytes; the longest allowed has {}", where, length, kMaxStringBytes);
    }
    if (!reader_.take(length, text)) return refuse_end(where);
    return charge(length);
  }

  bool read_array(Metadata::Value& value) {
    std::uint32_t type = 0;
    std::uint64_t count = 0;
    if (!reader_.read(type) || !reader_.read(count)) return refuse_end(where_);
    switch (type) {
      case kU8:
        return read_list<std::uint8_t, Metadata::Integers>(count, value);
      case kI8:
        return read_list<std::int8_t, Metadata::Integers>(count, value);
      case kU16:
        return read_list<std::uint16_t, Metadata::Integers>(count, value);
      case kI16:
        return read_list<std::int16_t, Metadata::Integers>(count, value);
      case kU32:
        return read_list<std::uint32_t, Metadata::Integers>(count, value);
      case kI32:
        return read_list<std::int32_t, Metadata::Integers>(count, value);
      case kU64:
        return read_list<std::uint64_t, Metadata::Integers>(count, value);
      case kI64:
        return read_list<std::int64_t, Metadata::Integers>(count, value);
      case kF32:
        return read_list<float, Metadata::Numbers>(count, value);
      case kF64:
        return read_list<double, Metadata::Numbers>(count, value);
      case kBool:
        return read_list<std::uint8_t, Metadata::Integers>(count, value) && are_bools(value);
      case kString:
        return read_strings(count, value);
      case kArray:
        return refuse("{} is an array of arrays, which is not supported", where_);
      default:
        return refuse("{} is an array of the unknown value type {}", where_, type);
    }
  }

  template <class T, class List>
  bool read_list(std::uint64_t count, Metadata::Value& value) {
    if (count > reader_.remaining() / sizeof(T)) return refuse_end(where_);
    if (!charge(count * sizeof(typename List::value_type))) return false;
    List list;
    list.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      T raw = 0;
      if (!reader_.read(raw)) return refuse_end(where_);
      if constexpr (std::is_floating_point_v<T>) {
        list.push_back(static_cast<double>(raw));
      } else {
        const auto fits = checked_cast<std::int64_t>(raw);
        if (!fits) return refuse("{} is an array with the number {}, which is too large", where_, raw);
        list.push_back(*fits);
      }
    }
    value = std::move(list);
    return true;
  }

  bool are_bools(const Metadata::Value& value) {
    const auto& list = std::get<Metadata::Integers>(value);
    if (std::all_of(list.begin(), list.end(), [](std::int64_t raw) { return raw <= 1; })) return true;
    return refuse("{} is an array of truth values with one that is neither 0 nor 1", where_);
  }

  bool read_strings(std::uint64_t count, Metadata::Value& value) {
    if (count > reader_.remaining() / sizeof(std::uint64_t)) return refuse_end(where_);
    if (!charge(count * sizeof(std::string))) return false;
    Metadata::Strings list;
    list.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string_view text;
      if (!read_string(text, where_)) return false;
      list.emplace_back(text);
    }
    value = std::move(list);
    return true;
  }

  bool charge(std::uint64_t bytes) {
    metadata_memory_ += bytes;  // each is bounded by eight times the file, and the sum by the first that is too many
    if (metadata_memory_ <= kMaxMetadataMemory) return true;
    return refuse("with {} the metadata would take more than {} bytes of memory", where_, kMaxMetadataMemory);
  }

  bool read_alignment() {
    const Metadata& metadata = builder_.metadata();
    if (metadata.has("general.alignment")) {
      const std::int64_t value = metadata.integer("general.alignment").value_or(0);
      if (value < 1 || value > kMaxAlignment || !std::has_single_bit(static_cast<std::uint64_t>(value))) {
        return refuse("the key general.alignment must be a power of two from 1 to {}", kMaxAlignment);
      }
      alignment_ = static_cast<std::uint64_t>(value);
    }
    builder_.set_alignment(alignment_);
    const bool split = metadata.integer("split.count").value_or(0) > 1;
    if (split && !may_be_part_)
      return refuse("this is one part of a split GGUF; its name must end in -00001-of-00003.gguf, and so on");
    if (split && is_coded_file(metadata))
      return refuse("a GGUF that tq has compressed is in one file, this one is split");
    return true;
  }

  // ---- tensors

  bool read_entries() {
    entries_.reserve(static_cast<std::size_t>(n_tensors_));
    for (std::uint64_t i = 0; i < n_tensors_; ++i) {
      const std::size_t start = reader_.position();
      std::string_view tensor;
      if (!read_string(tensor, "the name of a tensor")) return false;
      if (tensor.size() > kMaxNameBytes || !is_name(tensor)) {
        return refuse("the tensor at byte {} has a name of {} bytes that is not 1 to {} bytes of printable UTF-8",
                      start, tensor.size(), kMaxNameBytes);
      }
      where_ = fmt::format("the tensor {}", in_quotes(tensor));
      Entry entry;
      entry.view.name = tensor;
      if (!read_shape(entry.view.shape) || !read_extent(entry)) return false;
      entries_.push_back(std::move(entry));
    }
    table_end_ = reader_.position();
    return true;
  }

  bool read_shape(std::vector<std::uint64_t>& shape) {
    std::uint32_t n_dims = 0;
    if (!reader_.read(n_dims)) return refuse_end(where_);
    if (n_dims < 1 || n_dims > kMaxDimensions) {
      return refuse("{} has {} dimensions; 1 to {} are possible", where_, n_dims, kMaxDimensions);
    }
    shape.resize(n_dims);
    // The file begins with the innermost dimension.
    for (auto dimension = shape.rbegin(); dimension != shape.rend(); ++dimension) {
      if (!reader_.read(*dimension)) return refuse_end(where_);
      if (*dimension == 0) return refuse("{} has a dimension of 0", where_);
    }
    return true;
  }

  bool read_extent(Entry& entry) {
    std::uint32_t type_id = 0;
    if (!reader_.read(type_id) || !reader_.read(entry.offset)) return refuse_end(where_);
    const GgmlType* type = find_ggml_type(type_id);
    if (type == nullptr) return refuse("{} has the type id {}, which is unknown or was withdrawn", where_, type_id);
    entry.view.type = type->name;
    const std::uint64_t row = entry.view.shape.back();
    if (row % type->block_values != 0) {
      return refuse("{} has rows of {} values, and {} comes in blocks of {}", where_, row, type->name,
                    type->block_values);
    }
    std::optional<std::uint64_t> elements = 1;
    for (const std::uint64_t dimension : entry.view.shape) {
      if (elements) elements = checked_multiply(*elements, dimension);
    }
    std::optional<std::uint64_t> size;
    if (elements) size = checked_multiply<std::uint64_t>(*elements / type->block_values, type->block_bytes);
    if (!size || *size > bytes_.size()) {
      return refuse("{} is larger than the whole file of {} bytes", where_, bytes_.size());
    }
    entry.bytes = *size;
    return true;
  }

  /// Cuts the views out of the data, in the order in which they lie there, so that each must begin where the last one
  /// ended.
  bool place_tensors() {
    std::vector<Entry*> in_order;
    for (Entry& entry : entries_) in_order.push_back(&entry);
    std::sort(in_order.begin(), in_order.end(), [](const Entry* a, const Entry* b) { return a->offset < b->offset; });
    const std::uint64_t table_end = table_end_;
    const std::uint64_t data = (table_end + alignment_ - 1) / alignment_ * alignment_;  // both far below 2^64
    std::uint64_t end = table_end;
    for (Entry* entry : in_order) {
      const auto begin = checked_add(data, entry->offset);
      const auto next_end = begin ? checked_add(*begin, entry->bytes) : std::nullopt;
      const std::string tensor = in_quotes(entry->view.name);
      if (entry->offset % alignment_ != 0) {
        return refuse("the tensor {} begins at offset {}, which is no multiple of the alignment {}", tensor,
                      entry->offset, alignment_);
      }
      if (!next_end || *next_end > bytes_.size()) {
        return refuse(
            "the tensor {} of {} bytes at offset {} reaches beyond the file's {} bytes; it is cut off, fetch it again",
            tensor, entry->bytes, entry->offset, bytes_.size());
      }
      if (*begin < end) return refuse("the tensor {} overlaps the one before it, at byte {}", tensor, *begin);
      if (*begin - end >= alignment_)
        return refuse("{} bytes before the tensor {} belong to nothing", *begin - end, tensor);
      entry->view.bytes = bytes_.subspan(static_cast<std::size_t>(*begin), static_cast<std::size_t>(entry->bytes));
      end = *next_end;
    }
    const std::uint64_t rest = bytes_.size() - end;
    if (rest >= alignment_) return refuse("{} bytes behind the last tensor belong to nothing", rest);
    return true;
  }

  /// What `tq quantize` says of its tensors (coded_tensors.h). Last, since the checksum finds any damage that the
  /// checks before it could not know.
  bool read_coding() {
    if (!is_coded_file(builder_.metadata())) return true;
    std::vector<TensorView*> views;
    for (Entry& entry : entries_) views.push_back(&entry.view);
    if (Result<void> read = read_coded_tensors(builder_.metadata(), views, name_); !read) {
      error_ = std::move(read).error();
      return false;
    }
    const std::string expected = checksum_text(header_checksum(bytes_.first(table_end_), checksum_end_));
    if (builder_.metadata().string(kHeaderChecksumKey) == expected) return true;
    return refuse("its header has the checksum {}, not the one that it says; it was damaged or changed, fetch it again",
                  expected);
  }

  bool add_tensors() {
    for (Entry& entry : entries_) {
      const std::string tensor = in_quotes(entry.view.name);
      if (!builder_.add(std::move(entry.view))) return refuse("the tensor {} stands twice in the file", tensor);
    }
    return true;
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  TensorFileBuilder& builder_;
  ByteReader reader_;
  bool may_be_part_;
  std::uint64_t n_tensors_ = 0, n_keys_ = 0, alignment_ = 32, metadata_memory_ = 0;
  std::size_t checksum_end_ = 0, table_end_ = 0;
  std::string where_;  // what is being read, for messages
  std::vector<Entry> entries_;
  Error error_;
};

}  // namespace

Result<void> parse_gguf(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder) {
  return GgufReader(bytes, name, builder, false).read();
}

Result<void> parse_gguf_part(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder) {
  return GgufReader(bytes, name, builder, true).read();
}

}  // namespace tq
