#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/checked.h"
#include "formats/json.h"

namespace tq {
namespace {

constexpr std::size_t kMaxDimensions = 64;

struct DataType {
  std::string_view safetensors, name;
  unsigned bits;
};

constexpr std::array kDataTypes = {
    DataType{"F32", "f32", 32},
    DataType{"F16", "f16", 16},
    DataType{"BF16", "bf16", 16},
    DataType{"F64", "f64", 64},
    DataType{"C64", "c64", 64},
    DataType{"BOOL", "bool", 8},
    DataType{"U8", "u8", 8},
    DataType{"I8", "i8", 8},
    DataType{"U16", "u16", 16},
    DataType{"I16", "i16", 16},
    DataType{"U32", "u32", 32},
    DataType{"I32", "i32", 32},
    DataType{"U64", "u64", 64},
    DataType{"I64", "i64", 64},
    DataType{"F8_E4M3", "f8_e4m3", 8},
    DataType{"F8_E5M2", "f8_e5m2", 8},
    DataType{"F8_E8M0", "f8_e8m0", 8},
    DataType{"F8_E4M3FNUZ", "f8_e4m3fnuz", 8},
    DataType{"F8_E5M2FNUZ", "f8_e5m2fnuz", 8},
    DataType{"F6_E2M3", "f6_e2m3", 6},
    DataType{"F6_E3M2", "f6_e3m2", 6},
    DataType{"F4", "f4", 4},
};

struct Entry {
  TensorView view;
  std::uint64_t begin = 0, end = 0;  // in the data
};

/// The size that shape and type ask for; nothing when it is no whole number of bytes below 2^64.
std::optional<std::uint64_t> byte_size(const std::vector<std::uint64_t>& shape, unsigned bits) {
  std::optional<std::uint64_t> size = 1;
  for (const std::uint64_t dimension : shape) {
    if (size) size = checked_multiply(*size, dimension);
  }
  if (size) size = checked_multiply<std::uint64_t>(*size, bits);
  return size && *size % 8 == 0 ? std::optional(*size / 8) : std::nullopt;
}

/// Each step returns false after the first failure, which is kept in error_.
class SafetensorsReader {
 public:
  SafetensorsReader(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder)
      : bytes_(bytes), name_(name), builder_(builder) {}

  Result<void> read() {
    if (split_header() && read_header() && place_tensors() && add_tensors()) return {};
    return std::unexpected(error_);
  }

 private:
  template <class... Args>
  bool refuse(fmt::format_string<Args...> what, Args&&... args) {
    error_ = bad_file(name_, what, std::forward<Args>(args)...).error();
    return false;
  }

  bool split_header() {
    ByteReader reader(bytes_);
    std::uint64_t length = 0;
    if (!reader.read(length)) return refuse("a safetensors file has at least 8 bytes, this one {}", bytes_.size());
    if (length > kMaxSafetensorsHeader) {
      return refuse("the header claims {} bytes; a safetensors header has {} at most", length, kMaxSafetensorsHeader);
    }
    if (!reader.take(length, header_)) {
      return refuse("the header claims {} bytes and the file has {}; it is cut off, fetch it again", length,
                    bytes_.size());
    }
    if (!header_.starts_with('{'))
      return refuse("the header does not begin with '{{', so this is not a safetensors file");
    data_ = bytes_.subspan(reader.position());
    return true;
  }

  bool read_header() {
    simdjson::dom::parser parser;
    const Result<simdjson::dom::object> header = parse_json_object(header_, name_, parser);
    if (!header) {
      error_ = header.error();
      return false;
    }
    bool has_metadata = false;
    for (const auto [key, value] : *header) {
      if (key == "__metadata__") {
        if (has_metadata) return refuse("__metadata__ stands twice in the header");
        has_metadata = true;
        if (!check_metadata(value)) return false;
        continue;
      }
      if (builder_.tensor_count() + entries_.size() >= TensorFileBuilder::kMaxTensors)
        return refuse("no model has more than {} tensors", TensorFileBuilder::kMaxTensors);
      if (!is_name(key)) return refuse("the tensor name {} is empty or has control characters", in_quotes(key));
      Entry entry;
      entry.view.name = key;
      if (!read_entry(value, entry)) return false;
      entries_.push_back(std::move(entry));
    }
    return true;
  }

  bool check_metadata(simdjson::dom::element value) {
    simdjson::dom::object texts;
    if (value.get(texts)) return refuse("__metadata__ must be an object of texts");
    for (const auto field : texts) {
      if (!field.value.is_string())
        return refuse("__metadata__ has the key {}, which is not a text", in_quotes(field.key));
    }
    return true;
  }

  bool read_entry(simdjson::dom::element value, Entry& entry) {
    const std::string tensor = in_quotes(entry.view.name);
    simdjson::dom::object fields;
    if (value.get(fields)) return refuse("the tensor {} is not described by an object", tensor);
    std::string_view type_name;
    std::vector<std::uint64_t> offsets;
    int dtypes = 0, shapes = 0, extents = 0;
    for (const auto [key, field] : fields) {
      if (key == "dtype") {
        ++dtypes;
        if (field.get(type_name)) return refuse("the tensor {} has a dtype that is not a text", tensor);
      } else if (key == "shape") {
        ++shapes;
        if (!read_counts(field, entry.view.shape)) return refuse("the tensor {} has a broken shape", tensor);
      } else if (key == "data_offsets") {
        ++extents;
        if (!read_counts(field, offsets)) return refuse("the tensor {} has broken data_offsets", tensor);
      }
    }
    if (dtypes != 1 || shapes != 1 || extents != 1) {
      return refuse("the tensor {} must have dtype, shape and data_offsets, once each", tensor);
    }
    if (offsets.size() != 2 || offsets[0] > offsets[1]) return refuse("the tensor {} has broken data_offsets", tensor);
    entry.begin = offsets[0];
    entry.end = offsets[1];
    return check_type(type_name, entry);
  }

  static bool read_counts(simdjson::dom::element value, std::vector<std::uint64_t>& counts) {
    simdjson::dom::array list;
    if (value.get(list) || list.size() > kMaxDimensions) return false;
    for (const simdjson::dom::element element : list) {
      std::uint64_t count = 0;
      if (element.get(count)) return false;
      counts.push_back(count);
    }
    return true;
  }

  bool check_type(std::string_view type_name, Entry& entry) {
    const std::string tensor = in_quotes(entry.view.name);
    const auto type = std::find_if(kDataTypes.begin(), kDataTypes.end(),
                                   [&](const DataType& candidate) { return candidate.safetensors == type_name; });
    if (type == kDataTypes.end()) return refuse("the tensor {} has the unknown dtype {}", tensor, in_quotes(type_name));
    entry.view.type = type->name;
    const auto size = byte_size(entry.view.shape, type->bits);
    if (!size || *size != entry.end - entry.begin) {
      return refuse("the tensor {} has {} bytes, which is not what its shape and dtype {} ask for", tensor,
                    entry.end - entry.begin, type_name);
    }
    return true;
  }

  /// In the order of the data, each tensor must begin where the last one ended, and the last must end with the file.
  bool place_tensors() {
    std::vector<Entry*> in_order;
    for (Entry& entry : entries_) in_order.push_back(&entry);
    std::sort(in_order.begin(), in_order.end(), [](const Entry* a, const Entry* b) {
      return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
    });
    std::uint64_t end = 0;
    for (Entry* entry : in_order) {
      const std::string tensor = in_quotes(entry->view.name);
      if (entry->begin < end)
        return refuse("the tensor {} overlaps the one before it, at offset {}", tensor, entry->begin);
      if (entry->begin > end)
        return refuse("{} bytes before the tensor {} belong to nothing", entry->begin - end, tensor);
      if (entry->end > data_.size()) {
        return refuse("the tensor {} ends at offset {} of {} bytes of data; the file is cut off, fetch it again",
                      tensor, entry->end, data_.size());
      }
      entry->view.bytes =
          data_.subspan(static_cast<std::size_t>(entry->begin), static_cast<std::size_t>(entry->end - entry->begin));
      end = entry->end;
    }
    if (end != data_.size()) return refuse("{} bytes behind the last tensor belong to nothing", data_.size() - end);
    return true;
  }

  bool add_tensors() {
    for (Entry& entry : entries_) {
      const std::string tensor = in_quotes(entry.view.name);
      if (!builder_.add(std::move(entry.view))) return refuse("the tensor {} stands twice in the model", tensor);
    }
    return true;
  }

  std::span<const std::byte> bytes_, data_;
  std::string_view name_, header_;
  TensorFileBuilder& builder_;
  std::vector<Entry> entries_;
  Error error_;
};

}  // namespace

Result<void> parse_safetensors(std::span<const std::byte> bytes, std::string_view name, TensorFileBuilder& builder) {
  return SafetensorsReader(bytes, name, builder).read();
}

}  // namespace tq
